"""The plain loop and its steps: which points, noise and numbers, and what torch.optim does.

Half of the tests run the loop around a step that only takes notes, half train small networks.
"""

import contextlib
import itertools
import math
from dataclasses import replace

import pytest
import torch
from steps import (
    GANS,
    SETTINGS,
    TRAIN,
    USUAL,
    VALIDATION,
    flat,
    gan,
    networks_of,
    rows,
    step,
    training,
    vae,
)
from torch import nn

from helpers import recipes
from helpers import training as core
from helpers.training import Diverged, Settings, geometric, linear, stream, train, train_all

FAMILIES = ("vae", "gan")
POINTS = torch.arange(22.0)[:, None].expand(22, 2)  # 22 points that tell which they are
BASE = Settings(epochs=3, batch=5, rate=linear(1, 0), weight=linear(0, 6))


class Notes:
    """A step that writes down what it is given; its losses are a function of the call's number."""

    names, latest = ("loss", "other"), None

    def __init__(self, losses=lambda call: {"loss": 0.0}, **values):
        self.model, self.calls, self.losses = nn.Identity(), [], losses
        self.settings = replace(BASE, **values)

    def noise(self, steps, batch, generator):
        return (torch.randn(steps, batch, 1, generator=generator),)

    def __call__(self, now, x, noise):
        self.calls.append((now, x.clone(), noise.clone()))
        losses = self.losses(len(self.calls) - 1)
        return {name: torch.tensor(value) for name, value in losses.items()}

    def validate(self, x, noise, *, weight):
        return {"weight": weight, "noise": noise.sum().item()}

    def publish(self):
        pass

    def state(self):
        return {"calls": len(self.calls)}

    def load_state(self, state):
        pass

    def names_seen(self):
        """The points of each step, by name."""
        return [x[:, 0].int().tolist() for _, x, _ in self.calls]


def run(notes, seed=0, **more):
    """A training that is only noted."""
    return train(notes, POINTS, POINTS[:7], generator=stream(seed), **more)


def run_all(several, seeds, **more):
    """Several at once, to their end: the snapshots of each."""
    found = [[] for _ in several]
    streams = [stream(seed) for seed in seeds]
    for snapshots in train_all(several, POINTS, POINTS[:7], generators=streams, **more):
        for member, snapshot in snapshots.items():
            found[member].append(snapshot)
    return found


# ------------------------------------------------------------------- what a step is given


def test_an_epoch_shows_each_point_at_most_once_in_a_new_order_with_new_noise():
    notes = Notes()
    list(run(notes))
    batches = notes.names_seen()
    passes = [list(itertools.chain(*batches[i : i + 4])) for i in (0, 4, 8)]
    assert len(batches) == 12  # 22 points make four batches of five; two points wait
    assert all(len(set(seen)) == 20 for seen in passes)
    assert passes[0] != passes[1] != passes[2]
    assert set().union(*passes) == set(range(22))  # those left out are not always the same
    assert all(torch.equal(x[:, 0], x[:, 1]) for _, x, _ in notes.calls)  # points stay whole
    values = torch.cat([noise.flatten() for *_, noise in notes.calls])
    assert len(values.unique()) == len(values) == 60


def test_the_scheduled_numbers_follow_the_steps():
    notes = Notes()
    list(run(notes))
    states = [now for now, *_ in notes.calls]
    assert [now.number for now in states] == list(range(1, 13))
    assert [now.step.item() for now in states] == list(range(1, 13))
    assert [now.rate.item() for now in states] == pytest.approx([1 - i / 12 for i in range(12)])
    assert [now.weight.item() for now in states] == pytest.approx([i / 2 for i in range(12)])


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (linear(2, 6), (2, 3, 4, 6)),
        (geometric(1, 16), (1, 2, 4, 16)),
        (core.cosine(2), (2, 1 + math.sqrt(0.5), 1, 0)),
    ],
)
def test_schedules_run_from_start_to_end(schedule, values):
    assert [schedule(p) for p in (0, 0.25, 0.5, 1)] == pytest.approx(values)


def test_settings_are_those_of_the_recipe():
    numbers = {"penalty": 4, "penalty_end": 1, "beta1": 0.3, "average": 0.5}
    decays = recipes.GANRecipe(name="g", idea="", objective="wgan-gp", **numbers)
    found = core.settings(decays)
    assert found.weight(0.5) == pytest.approx(2)  # by a constant factor
    assert (found.betas, found.average) == ((0.3, 0.99), 0.5)
    assert core.settings(recipes.GANRecipe(name="g", idea="")).weight(0.5) == 0
    rising = core.settings(recipes.VAERecipe(name="v", idea="", beta_start=0, beta=4))
    assert rising.weight(0.5) == 2
    assert (rising.betas, rising.average) == ((0.9, 0.999), 0)


# ------------------------------------------------------------------------------ snapshots


def test_losses_are_means_over_the_epoch_and_validation_uses_its_end():
    snapshots = list(run(Notes(lambda call: {"loss": float(call)})))
    assert [s.losses["loss"] for s in snapshots] == [1.5, 5.5, 9.5]
    assert [s.validation["weight"] for s in snapshots] == [2, 4, 6]
    assert [s.epoch for s in snapshots] == [1, 2, 3]


def test_a_loss_is_the_mean_over_its_own_turns_and_none_without_a_turn():
    """Steps without it count for nothing, not as zero."""

    def every_seventh(call):
        return {"loss": 1.0} | ({"other": float(call)} if call % 7 == 6 else {})

    snapshots = list(run(Notes(every_seventh)))
    assert [s.losses["other"] for s in snapshots] == [None, 6, None]
    assert [s.losses["loss"] for s in snapshots] == [1, 1, 1]
    both = list(run(Notes(lambda call: every_seventh(call) | {"other": 8.0 * (call == 7)})))
    assert both[1].losses["other"] == 2  # 8, 0, 0, 0: a loss of zero is a loss


def test_the_probe_looks_at_the_model_after_each_epoch():
    notes = Notes()
    seen = [(id(notes.model), calls) for calls in (4, 8, 12)]
    snapshots = run(notes, probe=lambda model: {"seen": (id(model), len(notes.calls))})
    assert [s.probe["seen"] for s in snapshots] == seen


def test_time_is_counted_while_training_only(monkeypatch):
    ticks = itertools.count()  # each look at the clock is one second later
    monkeypatch.setattr(core.time, "perf_counter", lambda: float(next(ticks)))
    seconds = []
    for snapshot in run(Notes()):
        core.time.perf_counter()  # the caller takes its time
        seconds.append(snapshot.seconds)
    assert seconds == [1, 2, 3]


def test_time_is_read_when_the_device_has_done_what_it_was_asked(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    for name in ("cpu", "cuda:1"):
        core.read_clock(torch.device(name))
    assert waited == [torch.device("cuda:1")]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_epoch_and_a_remedy(value):
    snapshots = run(Notes(lambda call: {"loss": value if call == 5 else 0.0}))
    assert next(snapshots).epoch == 1
    with pytest.raises(Diverged, match=f"epoch 2: the loss loss is .*{value}.*lower the learning"):
        next(snapshots)


def test_denormal_numbers_count_as_zero_while_training_and_not_after():
    def tiny():
        return (torch.tensor(1e-30) * 1e-10).item()

    for threads in (1, 2):  # each thread must be told
        both = [Notes(lambda call: {"loss": tiny() * 1e38}, epochs=1) for _ in range(2)]
        for (snapshot,) in run_all(both, (0, 1), threads=threads):
            assert snapshot.losses["loss"] == 0
    assert tiny() > 0


# -------------------------------------------------------------------------------- resuming


def test_resuming_continues_the_order_and_the_noise():
    whole, part, rest = Notes(), Notes(), Notes()
    all_of_it = list(run(whole))
    snapshot = next(run(part))
    resumed = list(run(rest, seed=0, resume=snapshot.checkpoint()))
    assert rows(resumed) == rows(all_of_it[1:])
    calls = part.calls + rest.calls
    assert [now for now, *_ in calls] == [now for now, *_ in whole.calls]
    for one, other in zip(calls, whole.calls, strict=True):
        assert torch.equal(one[1], other[1])
        assert torch.equal(one[2], other[2])


@pytest.mark.parametrize("name", USUAL.values())
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_resumed_training_is_the_uninterrupted_one(name, average):
    settings = replace(SETTINGS, average=average, weight=linear(0, 1))
    whole = step(name, 3, settings)
    snapshots = list(training(whole, 3))
    broken = training(step(name, 3, settings), 3)
    checkpoint = [s.checkpoint() for s in itertools.islice(broken, 2)][-1]
    next(broken)  # going on must not change what was saved
    again = step(name, 44, settings)
    rest = list(training(again, 3, resume=checkpoint))
    assert rows(rest) == rows(snapshots[2:])
    assert torch.equal(flat(again), flat(whole))
    finished = step(name, 44, settings)
    assert list(training(finished, resume=snapshots[-1].checkpoint())) == []
    assert torch.equal(flat(finished), flat(whole))


@pytest.mark.parametrize("turn", [5, 12])  # of 8 batches an epoch
def test_a_resumed_gan_keeps_its_turns(turn):
    settings = replace(SETTINGS, discriminator_steps=turn)
    whole = step("wgan-gp", 3, settings)
    snapshots = list(training(whole, 3))
    checkpoint = next(training(step("wgan-gp", 3, settings), 3)).checkpoint()
    again = step("wgan-gp", 44, settings)
    assert rows(training(again, 3, resume=checkpoint)) == rows(snapshots[1:])
    assert torch.equal(flat(again), flat(whole))
    without = [s.epoch for s in snapshots if s.losses["generator"] is None]
    assert without == ([] if turn == 5 else [1, 4])  # its turns are steps 12 and 24 of 32
    assert all(s.losses["discriminator"] is not None for s in snapshots)


# ------------------------------------------------------------------------- several members


@pytest.mark.parametrize("threads", [1, 3])
def test_no_number_of_a_member_depends_on_its_company(threads):
    """Neither batches nor noise, nor the held-out points' noise, also when some end sooner."""
    lengths, seeds = (3, 1, 2), (4, 9, 2)
    together = [Notes(epochs=epochs) for epochs in lengths]
    found = run_all(together, seeds, threads=threads)
    assert [len(snapshots) for snapshots in found] == list(lengths)
    for notes, snapshots, epochs, seed in zip(together, found, lengths, seeds, strict=True):
        alone = Notes(epochs=epochs)
        assert rows(snapshots) == rows(run(alone, seed))
        assert notes.names_seen() == alone.names_seen()
        pairs = zip(notes.calls, alone.calls, strict=True)
        assert all(torch.equal(one[2], other[2]) for one, other in pairs)
    assert len({snapshots[0].validation["noise"] for snapshots in found}) == 3


def test_each_member_resumes_from_its_own_epoch():
    whole = run_all([Notes(), Notes()], (4, 9))
    resumes = [next(run(Notes(), 4)).checkpoint(), None]
    resumed = run_all([Notes(), Notes()], (4, 9), resumes=resumes)
    assert rows(resumed[0]) == rows(whole[0][1:])
    assert rows(resumed[1]) == rows(whole[1])


@pytest.mark.parametrize("name", USUAL.values())
def test_members_on_threads_have_the_bits_that_they_have_alone(name):
    seeds = (1, 2, 3)
    together = [step(name, seed) for seed in seeds]
    streams = [stream(seed) for seed in seeds]
    with core.threads(1):
        *_, last = train_all(together, TRAIN, VALIDATION, generators=streams, threads=3)
        for member, seed in enumerate(seeds):
            alone = step(name, seed)
            *_, snapshot = training(alone, seed)
            assert torch.equal(flat(together[member]), flat(alone))
            assert rows([last[member]]) == rows([snapshot])


# --------------------------------------------------------------------- randomness of a training


@pytest.mark.parametrize("name", USUAL.values())
def test_a_seed_decides_every_bit_and_the_global_stream_none(name):
    several = [step(name, 5) for _ in range(3)]
    before = torch.random.get_rng_state()
    found = [rows(training(one, seed)) for one, seed in zip(several, (1, 1, 2), strict=True)]
    assert torch.equal(flat(several[0]), flat(several[1]))
    assert found[0] == found[1]
    assert not torch.equal(flat(several[0]), flat(several[2]))
    assert torch.equal(torch.random.get_rng_state(), before)


# ----------------------------------------------------------------------- the textbook, in full


def textbook_batches(seed, *shape):
    """One epoch of batches in the training's order, before its noise of the given shape."""
    generator = stream(seed)
    order = torch.randperm(len(TRAIN), generator=generator)[:256]
    return TRAIN[order].view(8, 32, 2), torch.randn(8, *shape, generator=generator)


def test_a_vae_is_trained_as_the_textbook_trains_it():
    settings = replace(SETTINGS, epochs=1, rate=linear(5e-3, 5e-3), weight=linear(0.5, 0.5))
    ours = step("elbo", 7, settings)
    (snapshot,) = training(ours, 7)
    (model,) = vae(7)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3, betas=(0.5, 0.9))
    losses = []
    for x, noise in zip(*textbook_batches(7, 1, 32, 2), strict=True):
        q = model.encoder(x)
        p = model.decoder(q.mean + q.log_scale.exp() * noise[0])
        normal = torch.distributions.Normal(p.mean, p.log_scale.exp().expand_as(p.mean))
        kl = 0.5 * (q.mean**2 + (2 * q.log_scale).exp() - 1 - 2 * q.log_scale).sum(1)
        loss = (0.5 * kl - normal.log_prob(x).sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    expected = torch.cat([p.detach().flatten() for p in model.parameters()])
    torch.testing.assert_close(flat(ours), expected, atol=1e-5, rtol=0)
    assert snapshot.losses["loss"] == pytest.approx(sum(losses) / 8, abs=1e-5)


def textbook_gan(seed, turn):
    """One epoch of alternating steps: cross-entropy, `detach`, two optimisers."""
    pair, entropy = gan(seed), nn.BCEWithLogitsLoss()
    generator, discriminator = pair
    of, on = (torch.optim.Adam(m.parameters(), lr=5e-3, betas=(0.5, 0.9)) for m in pair)
    ones, zeros, losses = torch.ones(32), torch.zeros(32), []
    for i, (x, z) in enumerate(zip(*textbook_batches(seed, 32, 2), strict=True)):
        fake = generator(z)
        on.zero_grad()
        real_and_fake = (discriminator(x), ones), (discriminator(fake.detach()), zeros)
        sum(entropy(*each) for each in real_and_fake).backward()
        on.step()
        if (i + 1) % turn == 0:
            of.zero_grad()
            loss = entropy(discriminator(fake), ones)
            loss.backward()
            of.step()
            losses.append(loss.item())
    return pair, losses


@pytest.mark.parametrize("turn", [1, 2, 5, 9])
def test_a_gan_is_trained_as_the_textbook_trains_it(turn):
    settings = replace(SETTINGS, epochs=1, rate=linear(5e-3, 5e-3), discriminator_steps=turn)
    ours = step("non-saturating", 7, settings)
    (snapshot,) = training(ours, 7)
    expected, losses = textbook_gan(7, turn)
    weights = torch.cat([p.detach().flatten() for net in expected for p in net.parameters()])
    torch.testing.assert_close(flat(ours), weights, atol=1e-5, rtol=0)
    if turn == 9:  # more than an epoch has
        assert snapshot.losses["generator"] is None
    else:
        mean = sum(losses) / len(losses)
        assert snapshot.losses["generator"] == pytest.approx(mean, abs=1e-5)


def test_validation_of_a_vae_is_its_objective_on_the_same_noise_each_time():
    of = step("elbo", 2, replace(SETTINGS, weight=linear(0.3, 0.3)))
    *_, last = training(of, 2)
    noise = torch.randn(1, 40, 2, generator=stream(2))
    with torch.no_grad():
        q = of.model.encoder(VALIDATION)
        error = -of.model.decoder(q.sample(noise[0])).log_prob(VALIDATION).mean().item()
        kl = q.kl_to_prior().mean().item()
    expected = {"loss": error + 0.3 * kl, "reconstruction": error, "kl": kl}
    assert last.validation == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", GANS)
def test_validation_of_a_gan_is_of_the_average_and_leaves_the_penalty_out(name):
    of = step(name, 2, replace(SETTINGS, epochs=1, weight=linear(50, 50), average=0.9))
    (snapshot,) = training(of, 2)
    generator, discriminator = networks_of(of)
    with torch.no_grad():
        fake = generator(torch.randn(40, 2, generator=stream(2)))
        parts = discriminator, VALIDATION, fake
        value = GANS[name].discriminator(*parts, torch.tensor(0.5), torch.tensor(0.0))
        expected = {"discriminator": value.item(), "generator": GANS[name].generator(*parts).item()}
    assert snapshot.validation == pytest.approx(expected, abs=1e-5)


# -------------------------------------------------------------------------------- does it learn?


def test_a_vae_comes_close_to_the_entropy_of_one_gaussian_and_not_below():
    """For N(μ, I) the best a unit-variance VAE can do is to ignore its codes: loss = entropy."""
    settings = replace(SETTINGS, epochs=40, rate=core.cosine(2e-2), betas=(0.9, 0.999))
    snapshots = list(training(step("elbo", 1, settings)))
    truth = torch.distributions.Normal(torch.tensor([2.0, -1.0]), 1.0)
    surprise = -truth.log_prob(TRAIN).sum(1).mean().item()  # the entropy, seen on these points
    first, last = (snapshots[i].losses["loss"] for i in (0, -1))
    assert first > surprise + 0.15
    assert surprise - 0.04 < last < surprise + 0.06


def test_a_generator_finds_where_the_data_are():
    settings = replace(SETTINGS, epochs=30, average=0.98, rate=core.cosine(1e-2), betas=(0.0, 0.99))
    away, z = gan(1), torch.randn(2000, 2, generator=stream(0))
    away[0].net[-1].bias.data += 1.5  # by one and a half scales
    of = core.GANStep(*away, GANS["non-saturating"], settings)
    distances = [off_centre(of.model, z)]
    list(training(of))
    distances += [off_centre(of.model, z)]
    assert distances[0] > 3
    assert distances[1] < 0.4


@torch.no_grad()
def off_centre(generator, z):
    """How far the mean of what is generated lies from that of the data."""
    return (generator(z).mean(0) - TRAIN.mean(0)).norm().item()


# ------------------------------------------------------------------------------ what is refused


def attempt(name="elbo", resume=None, **values):
    """The first epoch of a training."""
    next(training(step(name, settings=replace(SETTINGS, **values)), resume=resume))


def of_another_family():
    """A checkpoint that a VAE cannot go on from."""
    return next(training(step("wgan-gp"))).checkpoint()


HUGE = linear(1e30, 1e30)
REFUSED = {
    "batch": (lambda: attempt(batch=271), "batch 271 exceeds the 270 training points; lower it"),
    "rate": (lambda: attempt("wgan-gp", rate=HUGE), "epoch 1: .* not finite; lower the learning"),
    "steps": (
        lambda: attempt(resume=of_another_family()),
        "interrupted with the steps of GANStep, not of VAEStep; resume with the same",
    ),
    "device": (lambda: core.choose_device("abacus"), "device 'abacus': not present; choose auto"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line(call, message):
    with pytest.raises((ValueError, Diverged), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"), [(1, 1, "cuda"), (0, 1, "mps"), (0, 0, "cpu"), (1, 0, "cuda")]
)
def test_auto_is_the_fastest_device_that_is_there(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    assert core.choose_device().type == chosen
    assert core.choose_device("cpu").type == "cpu"


def test_threads_are_as_before_after_the_block():
    before = torch.get_num_threads()
    with contextlib.suppress(KeyboardInterrupt), core.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before
