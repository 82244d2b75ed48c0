"""A folded network is the network, in what it says and in every slope."""

import pytest
import torch
from torch import nn
from torch.func import grad

from helpers import folding, models
from helpers.folding import folded, merged, normed, plain

STANDARD = models.Standard(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.5]))


@pytest.fixture
def critic(generator) -> models.Critic:
    network = models.Critic(STANDARD, (5, 7))
    models.initialise(network.net, generator, torch.randn(64, 2, generator=generator))
    return network.double()


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in network.named_parameters()}


def slopes(bind, weights, x):
    return grad(lambda w: bind(w)(x).square().sum())(weights)


def test_only_linear_layers_with_an_actnorm_behind_them_are_named(critic):
    assert normed(critic) == [("net.0", "net.1"), ("net.3", "net.4")]
    assert normed(critic.net) == [("0", "1"), ("3", "4")]
    assert normed(models.Decoder(STANDARD, (4,), 2, "unit")) == []
    assert normed(nn.Sequential(nn.ReLU(), models.ActNorm(3), nn.Linear(3, 3))) == []


def test_a_folded_network_says_the_same_with_the_same_slopes(critic, generator):
    x = torch.randn(9, 2, generator=generator, dtype=torch.float64)
    weights = {name: w + 0.1 for name, w in weights_of(critic).items()}  # not its own
    torch.testing.assert_close(folded(critic)(weights)(x), plain(critic)(weights)(x))
    found, expected = slopes(folded(critic), weights, x), slopes(plain(critic), weights, x)
    assert set(found) == set(weights)
    for name in weights:
        torch.testing.assert_close(found[name], expected[name])


def without_shift(weights, pairs):
    return merged({n: w * (not n.endswith("shift")) for n, w in weights.items()}, pairs)


def without_scaled_bias(weights, pairs):
    left = merged(weights, pairs)
    for layer, norm in pairs:
        left[f"{layer}.bias"] = weights[f"{layer}.bias"] + weights[f"{norm}.shift"]
    return left


@pytest.mark.parametrize("wrong", [without_shift, without_scaled_bias])
def test_a_wrong_fold_is_seen(monkeypatch, critic, generator, wrong):
    x = torch.randn(9, 2, generator=generator, dtype=torch.float64)
    monkeypatch.setattr(folding, "merged", wrong)
    weights = weights_of(critic)
    assert (folded(critic)(weights)(x) - critic(x)).abs().max() > 1e-3


def test_the_network_itself_is_left_alone(critic):
    before = {name: w.clone() for name, w in weights_of(critic).items()}
    folded(critic)
    assert isinstance(critic.net[1], models.ActNorm)
    assert all(torch.equal(w, before[name]) for name, w in weights_of(critic).items())
