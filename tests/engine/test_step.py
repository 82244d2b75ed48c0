"""The fused step against torch.optim, closed forms, and the plain steps, under every objective."""

import itertools
import math
import shutil
from dataclasses import replace

import pytest
import torch
from steps import (
    AVERAGED,
    OBJECTIVES,
    SETTINGS,
    USUAL,
    flat,
    gan,
    points,
    rows,
    step,
    training,
)
from torch import nn

from helpers.engine import compile as compiling
from helpers.engine import rewrites
from helpers.engine import step as steps
from helpers.engine.members import FAST
from helpers.engine.step import AdamState, FlatParameters, adam
from helpers.training import linear

BETAS = (0.8, 0.95)
START = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)


# --------------------------------------------------------------------------------------- Adam


def fresh(weights):
    """The state of Adam before its first step."""
    zeros = torch.zeros_like(weights)
    return AdamState(weights, zeros, zeros.clone(), weights.clone())


def slope(w):
    """The gradient of Σ cosh(w) + sin(3w)/2: curved, and its minimum is not at zero."""
    return torch.sinh(w) + 1.5 * torch.cos(3 * w)


def torchs_path(steps):
    w = START.clone().requires_grad_()
    optimiser, path = torch.optim.Adam([w], lr=0.03, betas=BETAS), []
    for _ in range(steps):
        w.grad = slope(w.detach())
        optimiser.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def our_states(steps, update=adam, keep=0.0):
    state, states = fresh(START.clone()), []
    for t in range(1, steps + 1):
        now = torch.tensor(float(t)), torch.tensor(0.03)
        state = update(state, slope(state.weights), *now, BETAS, keep)
        states.append(state)
    return states


def our_path(steps, update=adam):
    return torch.stack([state.weights for state in our_states(steps, update)])


WRONG = {
    "no correction": lambda s, g, step, *rest: adam(s, g, step + 1000, *rest),
    "betas swapped": lambda s, g, step, rate, betas, keep: adam(s, g, step, rate, betas[::-1], 0.0),
    "counting from two": lambda s, g, step, *rest: adam(s, g, step + 1, *rest),
}


def test_adam_walks_torchs_path():
    torch.testing.assert_close(our_path(200), torchs_path(200), atol=1e-6, rtol=0)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_adam_is_seen(wrong):
    assert (our_path(200, wrong) - torchs_path(200)).abs().max() > 1e-3


@pytest.mark.parametrize("keep", [0.7, 0.0])
def test_the_average_is_a_weighted_sum_of_all_weights(keep):
    """a_n = Π κ_t a_0 + Σ_t (1 − κ_t) Π_{s>t} κ_s w_t with κ_t = min(keep, (1 + t)/(10 + t))."""
    kept = [min(keep, (1 + t) / (10 + t)) for t in range(1, 41)]
    states = our_states(40, keep=keep)
    expected = math.prod(kept) * START
    for t, state in enumerate(states):
        expected = expected + (1 - kept[t]) * math.prod(kept[t + 1 :]) * state.weights
    torch.testing.assert_close(states[-1].average, expected, atol=1e-6, rtol=0)


# ----------------------------------------------------------------------------- flat parameters


class Spy(nn.Linear):
    """A layer that tells which object computes."""

    def __init__(self):
        super().__init__(3, 1)
        self.seen = []

    def __deepcopy__(self, memo):
        other = Spy()
        other.seen = self.seen
        return other

    def forward(self, x):
        self.seen.append(self)
        return super().forward(x)


@pytest.mark.parametrize("large", [False, True])
def test_bound_networks_are_the_networks_under_a_rows_weights(large):
    pair, others = gan(1), gan(2)
    row, x = FlatParameters(others, large).state().weights, points(5)
    for bound, network in zip(FlatParameters(pair, large).bind(row), others, strict=True):
        torch.testing.assert_close(bound(x), network(x))


@pytest.mark.parametrize("large", [False, True])
def test_a_bound_network_leaves_the_network_itself_alone(large):
    """Another thread may be sampling from it."""
    network = nn.Sequential(Spy())
    parameters = FlatParameters([network], large)
    parameters.bind(parameters.state().weights)[0](torch.ones(1, 3))
    assert network[0].seen
    assert network[0] not in network[0].seen


def test_a_row_holds_every_parameter_once_and_matrices_transposed():
    pair = gan(1)
    every = nn.utils.parameters_to_vector(p for net in pair for p in net.parameters())
    row = FlatParameters(pair).state().weights
    assert torch.equal(row.sort().values, every.detach().sort().values)
    matrix = torch.arange(6.0).view(2, 3)
    assert steps._packed(matrix).tolist() == [0, 3, 1, 4, 2, 5]
    for weights in (matrix, torch.arange(3.0), torch.arange(24.0).view(2, 3, 2, 2)):
        packed = steps._packed(weights)
        assert torch.equal(steps._unpacked(packed, weights.shape), weights)


def test_a_published_row_is_read_back():
    pair, wanted = gan(1), FlatParameters(gan(2)).state().weights
    FlatParameters(pair).publish(wanted)
    assert torch.equal(FlatParameters(pair).state().weights, wanted)


# ------------------------------------------------------------------- plain steps and fused ones


def as_they_stand(monkeypatch):
    """Fused steps without a compiler."""
    monkeypatch.setattr(steps, "accelerated", lambda function, device, large: function)


def traced(monkeypatch):
    """All that is done before PyTorch's compiler: the traced operations run as they are."""
    monkeypatch.setattr(compiling, "machine_code", lambda graph, inputs: graph)
    monkeypatch.setattr(compiling, "notice", lambda error: pytest.fail(str(error)))


def folded(monkeypatch):
    """Traced with the rules of large batches, and with ActNorms folded."""
    traced(monkeypatch)
    for module in (steps, rewrites):
        monkeypatch.setattr(module, "LARGE", 64)


LARGE_BATCH = replace(AVERAGED, batch=64)
EQUAL = {"rel": 1e-7, "abs": 1e-9}


@pytest.mark.parametrize("form", [as_they_stand, traced, folded])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_fused_steps_are_the_plain_ones(name, form, monkeypatch, double):
    """In double precision, where steps in another order of summation do not part."""
    settings = LARGE_BATCH if form is folded else AVERAGED
    plain = step(name, 2, settings)
    expected = rows(training(plain, 2))
    form(monkeypatch)
    fused = step(name, 2, settings, FAST)
    for found, row in zip(rows(training(fused, 2)), expected, strict=True):
        assert found[0] == row[0]
        assert found[1] == pytest.approx(row[1], **EQUAL)
        assert found[2] == pytest.approx(row[2], **EQUAL)
    torch.testing.assert_close(flat(fused), flat(plain), rtol=1e-7, atol=1e-9)


def test_a_wrong_rewrite_is_seen(monkeypatch, double):
    """A sum that leaves out its last group of rows parts the losses."""
    folded(monkeypatch)
    right = list(training(step("elbo", 2, LARGE_BATCH, FAST), 2))

    def forgetful(x, dim, keepdim=False, **more):
        few = x.dim() != 2 or list(dim) != [0] or len(x) < 64
        return NotImplemented if few else x[: -rewrites.GROUP].sum(0, keepdim)

    monkeypatch.setattr(rewrites, "column_sums", forgetful)
    wrong = list(training(step("elbo", 2, LARGE_BATCH, FAST), 2))
    assert wrong[-1].losses != pytest.approx(right[-1].losses, rel=1e-4)


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")
@pytest.mark.parametrize(("name", "batch"), [("iwae", rewrites.LARGE), ("wgan-gp", 32)])
def test_compiled_steps_are_the_plain_ones(name, batch, monkeypatch):
    """In single precision, as they are used: a large VAE's one function, a small GAN's two."""
    monkeypatch.setattr(compiling, "notice", lambda error: pytest.fail(str(error)))
    settings, data = replace(AVERAGED, batch=batch), points(max(270, 4 * batch))
    found, plain = step(name, 2, settings, FAST), step(name, 2, settings)
    pairs = zip(training(found, 2, data), training(plain, 2, data), strict=True)
    for one, other in pairs:
        assert one.losses == pytest.approx(other.losses, rel=1e-3, abs=1e-4)
        assert one.validation == pytest.approx(other.validation, rel=1e-3, abs=1e-4)
    torch.testing.assert_close(flat(found), flat(plain), rtol=1e-3, atol=1e-3)


# -------------------------------------------------------------------------- states of fused steps


@pytest.mark.parametrize("name", USUAL.values())
def test_a_resumed_fused_training_is_the_uninterrupted_one(name, monkeypatch):
    as_they_stand(monkeypatch)
    whole, again = (step(name, seed, AVERAGED, FAST) for seed in (3, 44))
    snapshots = list(training(whole, 3))
    broken = training(step(name, 3, AVERAGED, FAST), 3)
    checkpoint = [s.checkpoint() for s in itertools.islice(broken, 2)][-1]
    next(broken)  # going on must not change what was saved
    places = [values.data_ptr() for side in again.sides for values in side.state]
    assert rows(training(again, 3, resume=checkpoint)) == rows(snapshots[2:])
    assert torch.equal(flat(again), flat(whole))
    finished = step(name, 44, AVERAGED, FAST)
    assert list(training(finished, resume=snapshots[-1].checkpoint())) == []
    assert torch.equal(flat(finished), flat(whole))
    assert places == [values.data_ptr() for side in again.sides for values in side.state]


def test_a_fused_generator_carries_its_average_and_goes_on_from_its_weights(monkeypatch):
    as_they_stand(monkeypatch)
    of = step("non-saturating", 2, replace(AVERAGED, rate=linear(5e-3, 5e-3)), FAST)
    *_, last = training(of)
    judged, generated = last.checkpoint()["state"]["sides"]
    weights = [FlatParameters([net]).state().weights for net in (of.discriminator, of.model)]
    assert torch.equal(weights[0], judged[0])  # a discriminator is never averaged
    assert torch.equal(weights[1], generated[3])
    assert (generated[0] - generated[3]).abs().max() > 1e-4


@pytest.mark.parametrize(("batch", "large"), [(rewrites.LARGE - 1, False), (rewrites.LARGE, True)])
def test_a_batch_decides_which_rules_its_steps_follow(batch, large, monkeypatch):
    told = []
    monkeypatch.setattr(steps, "accelerated", lambda f, device, large: told.append(large))
    step("elbo", 1, replace(SETTINGS, batch=batch), FAST)
    assert told == [large]


def test_steps_of_several_members_share_what_is_compiled(monkeypatch):
    made = []
    monkeypatch.setattr(steps, "accelerated", lambda f, device, large: made.append(f) or f)
    first = step("wgan-gp", 1, engine=FAST)
    other = step("wgan-gp", 2, engine=FAST, like=first)
    assert len(made) == 2  # the discriminator's and the generator's
    assert [side.update for side in other.sides] == [side.update for side in first.sides]
