"""Training both families: against torch.optim line by line, and against itself in other ways."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from helpers import compiling, loop, models, objectives, rewriting
from helpers.loop import Diverged, Settings, clocks
from helpers.rewriting import LARGE
from helpers.schedules import Constant, Cosine, Linear
from helpers.stepping import packed
from helpers.targets import from_definition
from helpers.training import Game, train_gan, train_gans, train_vae, train_vaes

FAMILIES = ("vae", "gan")
STANDARD = models.Standard(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.5]))
PLAIN = Settings(epochs=4, batch=32, rate=Cosine(5e-3), betas=(0.5, 0.9), fast=False)
GAMES = {
    "non-saturating": objectives.NonSaturating(),
    "least squares": objectives.LeastSquares(),
    "Wasserstein": objectives.WassersteinGP(),
    "relativistic": objectives.Relativistic(),
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int = 270, seed: int = 0) -> torch.Tensor:
    """Points of one Gaussian with unit variance, away from the origin: eight batches and a rest."""
    eye = [[1, 0], [0, 1]]
    target = from_definition({"weights": [1], "means": [[2, -1]], "covariances": [eye]})
    return target.sample(n, seeded(seed))


TRAIN, VALIDATION = points(), points(40, seed=1)


def vae(seed: int) -> models.VAE:
    encoder = models.Encoder(STANDARD, (8,), 2)
    decoder = models.Decoder(STANDARD, (8,), 2, "scale")
    models.initialise(encoder.net, seeded(seed), encoder.standardise(TRAIN))
    models.initialise(decoder.net, seeded(seed + 100), torch.zeros(1, 2))
    return models.VAE(encoder, decoder, 2)


def gan(seed: int) -> nn.ModuleList:
    pair = models.Generator(STANDARD, (8,), 2), models.Critic(STANDARD, (12,))
    models.initialise(pair[0].net, seeded(seed), torch.zeros(1, 2))
    models.initialise(pair[1].net, seeded(seed + 100), pair[1].standardise(TRAIN))
    return nn.ModuleList(pair)


def flat(model: nn.Module) -> torch.Tensor:
    """All weights in the order in which a player's row holds them."""
    return torch.cat([packed(p.detach()) for p in model.parameters()])


def start(family: str, seed: int, settings=PLAIN, objective=None, fresh=None, **more):
    """A fresh model and its training, not yet begun; `fresh` seeds the weights."""
    model = {"vae": vae, "gan": gan}[family](seed if fresh is None else fresh)
    data = (TRAIN, VALIDATION, settings)
    if family == "vae":
        objective = objective or objectives.ELBO()
        return model, train_vae(model, objective, *data, generator=seeded(seed), **more)
    objective = objective or objectives.NonSaturating()
    return model, train_gan(*model, objective, *data, generator=seeded(seed), **more)


def finish(*args, **more):
    """The same, run to its end: the model and its snapshots."""
    model, training = start(*args, **more)
    return model, list(training)


# ------------------------------------------------------------------------------ reproducibility


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_decides_every_bit(family):
    runs = [finish(family, seed, fresh=5) for seed in (1, 1, 2)]
    losses = [[(s.losses, s.validation) for s in snapshots] for _, snapshots in runs]
    assert torch.equal(flat(runs[0][0]), flat(runs[1][0]))
    assert losses[0] == losses[1]
    assert not torch.equal(flat(runs[0][0]), flat(runs[2][0]))


@pytest.mark.parametrize("family", FAMILIES)
def test_training_leaves_the_global_stream_alone(family):
    _, training = start(family, 1)
    before = torch.random.get_rng_state()
    list(training)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_resumed_training_is_the_uninterrupted_one(family, average):
    settings = replace(PLAIN, average=average, weight=Linear(0, 1))
    whole, all_snapshots = finish(family, 3, settings)
    _, training = start(family, 3, settings)
    checkpoint = [s.checkpoint() for s in itertools.islice(training, 2)][-1]
    next(training)  # going on must not change what was saved
    again, rest = finish(family, 3, settings, fresh=44, resume=checkpoint)
    assert [s.epoch for s in rest] == [3, 4]
    assert torch.equal(flat(again), flat(whole))
    for ours, theirs in zip(rest, all_snapshots[2:], strict=True):
        assert (ours.losses, ours.validation) == (theirs.losses, theirs.validation)


@pytest.mark.parametrize("critic_steps", [5, 12])  # of 8 batches an epoch
def test_a_resumed_game_keeps_its_turns_and_its_last_loss(critic_steps):
    settings = replace(PLAIN, critic_steps=critic_steps)
    whole, snapshots = finish("gan", 3, settings)
    _, training = start("gan", 3, settings)
    checkpoint = [s.checkpoint() for s in itertools.islice(training, 2)][-1]
    again, rest = finish("gan", 3, settings, fresh=44, resume=checkpoint)
    assert torch.equal(flat(again), flat(whole))
    assert [s.losses for s in rest] == [s.losses for s in snapshots[2:]]


def test_resuming_what_is_finished_gives_back_its_networks():
    whole, snapshots = finish("vae", 3, replace(PLAIN, average=0.9))
    again, rest = finish("vae", 3, PLAIN, fresh=44, resume=snapshots[-1].checkpoint())
    assert rest == []
    assert torch.equal(flat(again), flat(whole))


def test_vaes_trained_together_equal_vaes_trained_alone():
    seeds = (1, 2, 3)
    together, generators = [vae(s) for s in seeds], [seeded(s) for s in seeds]
    data = (objectives.ELBO(), TRAIN, VALIDATION, PLAIN)
    *_, last = train_vaes(together, *data, generators=generators)
    for model, snapshot, seed in zip(together, last, seeds, strict=True):
        alone, snapshots = finish("vae", seed)
        torch.testing.assert_close(flat(model), flat(alone), atol=1e-4, rtol=0)
        assert snapshot.losses == pytest.approx(snapshots[-1].losses, abs=1e-4)


def test_gans_trained_together_equal_gans_trained_alone():
    seeds = (1, 2, 3)
    together, generators = [gan(s) for s in seeds], [seeded(s) for s in seeds]
    data = (objectives.NonSaturating(), TRAIN, VALIDATION, PLAIN)
    *_, last = train_gans([tuple(m) for m in together], *data, generators=generators)
    for model, snapshot, seed in zip(together, last, seeds, strict=True):
        alone, snapshots = finish("gan", seed)
        torch.testing.assert_close(flat(model), flat(alone), atol=1e-4, rtol=0)
        assert snapshot.losses == pytest.approx(snapshots[-1].losses, abs=1e-4)


# ----------------------------------------------------------------------- the textbook, in full


def textbook_batches(generator: torch.Generator, *shape: int):
    """One epoch of batches in the training's order, before its noise of the given shape."""
    order = torch.randperm(len(TRAIN), generator=generator)[:256]
    return TRAIN[order].view(8, 32, 2), torch.randn(8, *shape, generator=generator)


def test_a_vae_is_trained_as_the_textbook_trains_it():
    settings = replace(PLAIN, epochs=1, rate=Constant(5e-3), weight=Constant(0.5))
    ours, (snapshot,) = finish("vae", 7, settings)
    model = vae(7)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3, betas=(0.5, 0.9))
    losses = []
    for x, noise in zip(*textbook_batches(seeded(7), 1, 32, 2), strict=True):
        q = model.encoder(x)
        p = model.decoder(q.mean + q.log_scale.exp() * noise[0])
        normal = torch.distributions.Normal(p.mean, p.log_scale.exp().expand_as(p.mean))
        kl = 0.5 * (q.mean**2 + (2 * q.log_scale).exp() - 1 - 2 * q.log_scale).sum(1)
        loss = (0.5 * kl - normal.log_prob(x).sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    torch.testing.assert_close(flat(ours), flat(model), atol=1e-5, rtol=0)
    assert snapshot.losses["loss"] == pytest.approx(sum(losses) / 8, abs=1e-5)


def textbook_gan(seed: int, critic_steps: int) -> nn.ModuleList:
    """One epoch of alternating steps: cross-entropy, `detach`, two optimisers."""
    model, entropy = gan(seed), nn.BCEWithLogitsLoss()
    generator, critic = model
    turns, judge = (
        torch.optim.Adam(m.parameters(), lr=5e-3, betas=(0.5, 0.9)) for m in (generator, critic)
    )
    ones, zeros = torch.ones(32), torch.zeros(32)
    for i, (x, z) in enumerate(zip(*textbook_batches(seeded(seed), 32, 2), strict=True)):
        fake = generator(z)
        judge.zero_grad()
        (entropy(critic(x), ones) + entropy(critic(fake.detach()), zeros)).backward()
        judge.step()
        if (i + 1) % critic_steps == 0:
            turns.zero_grad()
            entropy(critic(fake), ones).backward()
            turns.step()
    return model


@pytest.mark.parametrize("critic_steps", [1, 2, 4, 5])
def test_a_gan_is_trained_as_the_textbook_trains_it(critic_steps):
    settings = replace(PLAIN, epochs=1, rate=Constant(5e-3), critic_steps=critic_steps)
    (generator, critic), _ = finish("gan", 7, settings)
    expected = textbook_gan(7, critic_steps)
    torch.testing.assert_close(flat(generator), flat(expected[0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(flat(critic), flat(expected[1]), atol=1e-5, rtol=0)


# --------------------------------------------------------------------------------- the schedule


def test_the_generator_moves_once_in_five():
    pair = gan(1)
    game = Game([pair[0]], [pair[1]], objectives.WassersteinGP(), replace(PLAIN, critic_steps=5))
    moved = []
    for now in clocks(PLAIN, 0, 15, TRAIN.device):
        before = [player.state.weights.clone() for player in (game.generator, game.critic)]
        game.step(now, TRAIN[None, :32], TRAIN[None, 32:64], torch.full((1, 32, 1), 0.5))
        after = (game.generator.state.weights, game.critic.state.weights)
        moved.append([not torch.equal(a, b) for a, b in zip(before, after, strict=True)])
    assert [i for i, (generator, _) in enumerate(moved) if generator] == [4, 9, 14]
    assert all(critic for _, critic in moved)


def test_networks_carry_the_average_while_training_goes_on_from_the_weights():
    model, snapshots = finish("vae", 2, replace(PLAIN, average=0.9))
    weights, _, _, average = snapshots[-1].checkpoint()["players"][0]
    assert torch.equal(flat(model), average[0])
    assert (weights - average).abs().max() > 1e-4


def test_a_critic_is_never_averaged():
    (generator, critic), snapshots = finish("gan", 2, replace(PLAIN, average=0.9))
    theirs, judges = snapshots[-1].checkpoint()["players"]
    assert torch.equal(flat(generator), theirs[3][0])
    assert torch.equal(flat(critic), judges[0][0])
    assert not torch.equal(flat(generator), theirs[0][0])


def test_validation_of_a_vae_is_its_objective_on_the_same_noise_each_time():
    model, snapshots = finish("vae", 2, replace(PLAIN, weight=Constant(0.3)))
    noise = torch.randn(1, 40, 2, generator=seeded(2))
    with torch.no_grad():
        q = model.encoder(VALIDATION)
        error = -model.decoder(q.sample(noise[0])).log_prob(VALIDATION).mean().item()
        kl = q.kl_to_prior().mean().item()
    expected = {"loss": error + 0.3 * kl, "reconstruction": error, "kl": kl}
    assert snapshots[-1].validation == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", GAMES)
def test_validation_of_a_gan_leaves_the_penalty_out(name):
    settings = replace(PLAIN, epochs=1, weight=Constant(50.0))
    (generator, critic), (snapshot,) = finish("gan", 2, settings, GAMES[name])
    with torch.no_grad():
        fake = generator(torch.randn(40, 2, generator=seeded(2)))
        half = torch.full((40, 1), 0.5)
        value = GAMES[name].critic(critic, VALIDATION, fake, half, torch.tensor(0.0)).item()
    assert snapshot.validation["critic"] == pytest.approx(value, abs=1e-5)


# -------------------------------------------------------------------------------- does it learn?


def test_a_vae_comes_close_to_the_entropy_of_one_gaussian_and_not_below():
    """For N(μ, I) the best a unit-variance VAE can do is to ignore its codes: loss = entropy."""
    settings = replace(PLAIN, epochs=40, rate=Cosine(2e-2), betas=(0.9, 0.999))
    _, snapshots = finish("vae", 1, settings)
    truth = torch.distributions.Normal(torch.tensor([2.0, -1.0]), 1.0)
    surprise = -truth.log_prob(TRAIN).sum(1).mean().item()  # the entropy, seen on these points
    first, last = (snapshots[i].losses["loss"] for i in (0, -1))
    assert first > surprise + 0.15
    assert surprise - 0.04 < last < surprise + 0.06


def test_a_generator_finds_where_the_data_are():
    settings = replace(PLAIN, epochs=30, average=0.98, rate=Cosine(1e-2), betas=(0.0, 0.99))
    (generator, critic), z = gan(1), torch.randn(2000, 2, generator=seeded(0))
    generator.net[-1].bias.data += 1.5  # away by one and a half scales
    data = (objectives.NonSaturating(), TRAIN, VALIDATION, settings)
    distances = [off_centre(generator, z)]
    list(train_gan(generator, critic, *data, generator=seeded(1)))
    distances += [off_centre(generator, z)]
    assert distances[0] > 3
    assert distances[1] < 0.4


@torch.no_grad()
def off_centre(generator: nn.Module, z: torch.Tensor) -> float:
    """How far the mean of what is generated lies from that of the data."""
    return (generator(z).mean(0) - TRAIN.mean(0)).norm().item()


# --------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("family", FAMILIES)
def test_a_huge_learning_rate_is_reported_with_a_remedy(family):
    _, training = start(family, 1, replace(PLAIN, rate=Constant(1e30)))
    with pytest.raises(Diverged, match=r"epoch 1: the \w+ loss is .*not finite; lower the learn"):
        list(training)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_larger_than_the_data_is_refused(family):
    _, training = start(family, 1, replace(PLAIN, batch=1000))
    with pytest.raises(ValueError, match="batch 1000 exceeds the 270 training points; lower it"):
        next(training)


# ----------------------------------------------------------------------- fast steps and plain ones

VAES = {
    "ELBO": objectives.ELBO(),
    "autoencoder": objectives.Autoencoder(),
    "IWAE": objectives.IWAE(samples=3),
}
LONG = replace(PLAIN, epochs=25, weight=Constant(0.1), average=0.9)  # 200 steps


def together(name: str, settings: Settings, seeds=(2, 3), train=TRAIN) -> torch.Tensor:
    """Losses of every epoch and member, (epochs, members, names), of a training in one pass.

    Not from seed 1: a unit of its Wasserstein critic is at first exactly balanced, and the size
    of Adam's first step is then that of a rounding error's sign.
    """
    generators = [seeded(seed) for seed in seeds]
    data = (train, VALIDATION, settings)
    if name in VAES:
        training = train_vaes([vae(s) for s in seeds], VAES[name], *data, generators=generators)
    else:
        pairs = [tuple(gan(s)) for s in seeds]
        training = train_gans(pairs, GAMES[name], *data, generators=generators)
    rows = [[[*snapshot.losses.values()] for snapshot in snapshots] for snapshots in training]
    return torch.tensor(rows)


@pytest.fixture(scope="module", params=[*VAES, *GAMES])
def compiled_losses(request):
    """An objective's name and its losses under compiled steps."""
    compiling.notice.cache_clear()
    losses = together(request.param, replace(LONG, fast=True))
    if compiling.notice.cache_info().currsize:
        pytest.skip("no C++ compiler here: there is nothing to compare")
    return request.param, losses


def test_compiled_steps_are_the_plain_ones_over_200_steps(compiled_losses):
    name, losses = compiled_losses
    torch.testing.assert_close(losses, together(name, LONG), rtol=1e-4, atol=1e-5)


def test_a_compiled_member_alone_is_the_same_to_the_last_bit(compiled_losses):
    name, _ = compiled_losses
    alone = together(name, replace(LONG, epochs=2, fast=True), seeds=(3,))
    same_clock = together(name, replace(LONG, epochs=2, fast=True))
    assert torch.equal(alone[:, 0], same_clock[:, 1])


@pytest.mark.parametrize("name", [*VAES, *GAMES])
def test_large_batches_take_other_roads_to_the_same_losses(monkeypatch, name):
    """Compiled, folded, in other words and on two threads, against plain steps: 200 of them.

    At the base recipes' own rate: at five times that, plain steps that differ in one rounding
    part by as much.
    """
    many, compiling_now = points(4 * LARGE), compiling.notice.cache_info().misses
    settings = replace(LONG, batch=LARGE, epochs=50, rate=Cosine(1e-3))
    found = together(name, replace(settings, fast=True, threads=2), train=many)
    if compiling.notice.cache_info().misses > compiling_now:
        pytest.skip("no C++ compiler here: there is nothing to compare")
    monkeypatch.setattr(loop, "LARGE", 2 * LARGE)
    torch.testing.assert_close(found, together(name, settings, train=many), rtol=1e-4, atol=1e-5)
    assert settings.large is False


def test_a_wrong_road_is_seen(monkeypatch):
    """A sum that leaves out its last group is seen in the losses."""
    many, settings = points(4 * LARGE), replace(LONG, batch=LARGE, epochs=12, fast=True)
    right = together("ELBO", settings, train=many)

    def forgetful(x, dim, keepdim=False, **more):
        few = x.dim() != 2 or list(dim) != [0] or len(x) < LARGE
        return NotImplemented if few else x[: -2 * rewriting.GROUP].sum(0, keepdim)

    monkeypatch.setattr(rewriting, "column_sums", forgetful)
    wrong = together("ELBO", settings, train=many)
    assert not torch.allclose(wrong, right, rtol=1e-4, atol=1e-5)
