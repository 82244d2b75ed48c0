"""The usual loop is a fair rival only if it trains as ours does."""

import itertools
from dataclasses import replace

import pytest
import torch

from helpers import building, experiments, objectives, usual
from helpers.loop import Settings
from helpers.recorder import stream
from helpers.schedules import Constant
from helpers.targets import gmm5
from helpers.training import train_gan, train_vae

POINTS = gmm5().sample(4_000, stream(0))
SETTINGS = Settings(epochs=12, batch=100, rate=Constant(2e-3), fast=False)


def test_batches_are_whole_shuffled_and_cover_the_points():
    batches = [x for (x,) in usual.loader(POINTS[:250], 100, stream(1))]
    assert [x.shape for x in batches] == [(100, 2), (100, 2)]
    seen = torch.cat(batches)
    assert len(seen.unique(dim=0)) == 200
    assert not torch.equal(seen, POINTS[:200])


def test_both_loops_bring_a_vae_to_the_same_loss():
    recipe = experiments.named("vae")
    first, second = (building.build_vae(recipe, gmm5(), POINTS, stream(3)) for _ in range(2))
    untrained = loss(first)
    assert loss(second) == untrained
    *_, _ = itertools.islice(usual.train_vae(first, POINTS, 100, 2e-3, stream(4)), 12)
    list(train_vae(second, objectives.ELBO(), POINTS, POINTS[:9], SETTINGS, generator=stream(4)))
    assert untrained - loss(first) > 1
    assert loss(first) == pytest.approx(loss(second), abs=0.1)


@torch.no_grad()
def loss(vae) -> float:
    """The negative ELBO of all points, in nats."""
    noise = torch.randn(1, len(POINTS), 2, generator=stream(9))
    return objectives.ELBO()(vae.encoder, vae.decoder, POINTS, noise, 1.0).loss.mean().item()


def test_both_loops_move_a_gan_by_the_same_step():
    recipe = experiments.named("gan")
    first, second = (building.build_gan(recipe, gmm5(), POINTS, stream(3)) for _ in range(2))
    one = replace(SETTINGS, epochs=1, batch=len(POINTS), betas=(0.9, 0.999))
    next(usual.train_gan(*first, POINTS, len(POINTS), 2e-3, stream(4)))
    game = objectives.NonSaturating()
    list(train_gan(*second, game, POINTS, POINTS[:9], one, generator=stream(4)))
    for ours, theirs in zip(second, first, strict=True):  # other noise, so only nearly
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert (mine - its).abs().max() < 4.1e-3
            agree = ((mine - its).abs() < 5e-4).float().mean()
            assert agree > 0.7


def test_a_critic_step_leaves_the_generator_alone(monkeypatch):
    """Without its own optimiser's steps, nothing of the generator moves."""
    recipe = experiments.named("gan")
    network, critic = building.build_gan(recipe, gmm5(), POINTS, stream(3))
    before = [p.detach().clone() for p in network.parameters()]
    adam = torch.optim.Adam

    def only_the_critics(parameters, lr):
        optimiser = adam(list(parameters), lr=lr)
        if optimiser.param_groups[0]["params"][0] is next(network.parameters()):
            monkeypatch.setattr(optimiser, "step", lambda: None)
        return optimiser

    monkeypatch.setattr(torch.optim, "Adam", only_the_critics)
    next(usual.train_gan(network, critic, POINTS, 100, 2e-3, stream(4)))
    same = zip(before, network.parameters(), strict=True)
    assert all(torch.equal(old, new) for old, new in same)
