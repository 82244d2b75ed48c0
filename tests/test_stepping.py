"""The fast step against torch.optim, closed forms, and itself without its accelerations."""

import math

import pytest
import torch
from torch import nn
from torch.func import grad_and_value

from helpers import compiling, stepping
from helpers.devices import nothing_tiny
from helpers.stepping import Engine, Player, State, adam, make_update

BETAS = (0.8, 0.95)


def fresh(weights: torch.Tensor) -> State:
    """The state of Adam before its first step, (members, parameters)."""
    zeros = torch.zeros_like(weights)
    return State(weights, zeros, zeros.clone(), weights.clone())


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# --------------------------------------------------------------------------------------- Adam

START = tensor(0.5, -2.0, 3.0)


def slope(w: torch.Tensor) -> torch.Tensor:
    """The gradient of Σ cosh(w) + sin(3w)/2: curved, and its minimum is not at zero."""
    return torch.sinh(w) + 1.5 * torch.cos(3 * w)


def torchs_path(steps: int) -> torch.Tensor:
    w = START.clone().requires_grad_()
    optimiser = torch.optim.Adam([w], lr=0.03, betas=BETAS)
    path = []
    for _ in range(steps):
        w.grad = slope(w.detach())
        optimiser.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def our_path(steps: int, update) -> torch.Tensor:
    state, path = fresh(START[None].clone()), []
    for t in range(1, steps + 1):
        gradient = slope(state.weights)
        state = update(state, gradient, torch.tensor(float(t)), torch.tensor(0.03), BETAS, 0.0)
        path.append(state.weights[0])
    return torch.stack(path)


def without_correction(state, gradient, step, *rest):
    return adam(state, gradient, step + 1000, *rest)


def betas_swapped(state, gradient, step, rate, betas, keep):
    return adam(state, gradient, step, rate, betas[::-1], keep)


def counting_from_two(state, gradient, step, *rest):
    return adam(state, gradient, step + 1, *rest)


def test_adam_walks_torchs_path():
    torch.testing.assert_close(our_path(200, adam), torchs_path(200), atol=1e-6, rtol=0)


@pytest.mark.parametrize("wrong", [without_correction, betas_swapped, counting_from_two])
def test_a_wrong_adam_is_seen(wrong):
    assert (our_path(200, wrong) - torchs_path(200)).abs().max() > 1e-3


def test_the_average_is_a_weighted_sum_of_all_weights():
    """a_n = Π κ_t a_0 + Σ_t (1 − κ_t) Π_{s>t} κ_s w_t with κ_t = min(keep, (1 + t)/(10 + t))."""
    kept = [min(0.7, (1 + t) / (10 + t)) for t in range(1, 41)]
    assert kept[0] < 0.7 == kept[-1]  # both branches are walked
    state, path = fresh(START[None].clone()), []
    for t in range(1, 41):
        step, rate = torch.tensor(float(t)), torch.tensor(0.03)
        state = adam(state, slope(state.weights), step, rate, BETAS, 0.7)
        path.append(state.weights)
    expected = math.prod(kept) * START
    for t, weights in enumerate(path):
        expected = expected + (1 - kept[t]) * math.prod(kept[t + 1 :]) * weights[0]
    torch.testing.assert_close(state.average[0], expected, atol=1e-6, rtol=0)


def test_an_average_that_keeps_nothing_is_the_weights():
    state = fresh(START[None])
    state = adam(state, tensor(1, -2, 3)[None], torch.tensor(1.0), torch.tensor(0.1), BETAS, 0.0)
    assert torch.equal(state.average, state.weights)
    torch.testing.assert_close(state.weights[0], START - 0.1 * tensor(1, -1, 1))


# -------------------------------------------------------------------------------------- players


def networks(seed: int) -> tuple[nn.Module, nn.Module]:
    pair = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    generator = torch.Generator().manual_seed(seed)
    for network in pair:
        for p in network.parameters():
            nn.init.normal_(p, generator=generator)
    return pair


def test_bound_networks_are_the_networks():
    members = [networks(1), networks(2)]
    player, x = Player(members), torch.randn(5, 2)
    for (first, second), row in zip(members, player.state.weights, strict=True):
        bound = player.bind(row)
        torch.testing.assert_close(bound[1](bound[0](x)), second(first(x)))


def test_rows_hold_every_parameter_once():
    members = [networks(1), networks(2)]
    expected = [nn.utils.parameters_to_vector(nn.ModuleList(m).parameters()) for m in members]
    found = Player(members).state.weights
    assert torch.equal(found.sort().values, torch.stack(expected).sort().values)


def test_a_matrix_lies_transposed_and_comes_back_as_it_was():
    matrix = torch.arange(6.0).view(2, 3)
    assert stepping.packed(matrix).tolist() == [0, 3, 1, 4, 2, 5]
    for weights in (matrix, torch.arange(3.0), torch.arange(24.0).view(2, 3, 2, 2)):
        assert torch.equal(stepping.unpacked(stepping.packed(weights), weights.shape), weights)


def test_publishing_writes_each_average_into_its_own_member():
    members, others = [networks(1), networks(2)], [networks(3), networks(4)]
    player, wanted = Player(members), Player(others).state.weights
    player.state.average.copy_(wanted)
    player.publish()
    assert torch.equal(Player(members).state.weights, wanted)
    assert not torch.equal(player.state.weights, wanted)  # training goes on from its own weights


def test_a_saved_state_is_taken_up_in_place():
    player = Player([networks(1)])
    before = [t.data_ptr() for t in player.state]
    player.restore([torch.full_like(t, i) for i, t in enumerate(player.state)])
    assert [t.data_ptr() for t in player.state] == before
    assert [t.unique().item() for t in player.state] == [0, 1, 2, 3]


# --------------------------------------------------------------------------------- whole steps


UNCOMPILED = Engine(fast=False)


def train(members, x, y, engine: Engine = UNCOMPILED, steps: int = 5):
    """Least squares by `make_update`: x (members, n, 2), y (n, 1) shared; weights and reports."""
    player = Player(members, engine.large)

    def loss(row, x, y):
        first, second = player.bind(row)
        value = (second(first(x)) - y).square().mean()
        return value, torch.stack([value, value + 1])

    update = make_update(loss, 1, BETAS, 0.5, engine)
    for t in range(1, steps + 1):
        report = update(player.state, torch.tensor(float(t)), torch.tensor(0.02), x, y)
    return player.state, report


@pytest.fixture
def data(generator):
    return torch.randn(3, 16, 2, generator=generator), torch.randn(16, 1, generator=generator)


def test_stacked_members_equal_single_ones(data):
    x, y = data
    together, reports = train([networks(s) for s in (1, 2, 3)], x, y)
    for i, seed in enumerate((1, 2, 3)):
        alone, report = train([networks(seed)], x[i : i + 1], y)
        torch.testing.assert_close(reports[i], report[0], atol=1e-5, rtol=1e-5)
        for ours, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[i], theirs[0], atol=1e-5, rtol=1e-4)


def test_a_whole_step_is_torchs_forward_backward_and_adam(data):
    x, y = data
    state, report = train([networks(1)], x[:1], y)
    model = nn.Sequential(*networks(1))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02, betas=BETAS)
    for _ in range(5):
        optimiser.zero_grad()
        loss = (model(x[0]) - y).square().mean()
        loss.backward()
        optimiser.step()
    expected = torch.cat([stepping.packed(p.detach()) for p in model.parameters()])
    torch.testing.assert_close(state.weights[0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(report[0], torch.stack([loss, loss + 1]).detach())


def gradient_of(x_members, y):
    """Least squares of a line, w·x, as a loss of a row and its inputs."""

    def loss(row, x, y):
        value = (x @ row - y).square().mean()
        return value, value.detach()

    return loss


def rows(members: int) -> State:
    generator = torch.Generator().manual_seed(3)
    return fresh(torch.randn(members, 2, generator=generator))


def test_members_in_turn_and_members_batched_take_the_same_steps(data):
    x, y = data
    loss = gradient_of(x, y)
    slope = grad_and_value(loss, has_aux=True)
    turns = stepping.in_turns(stepping.whole(slope, BETAS, 0.5, UNCOMPILED), 1)
    at_once = stepping.whole(stepping.batched(slope, 1), BETAS, 0.5, UNCOMPILED)
    one, other = rows(3), rows(3)
    for t in range(1, 6):
        now = torch.tensor(float(t)), torch.tensor(0.02)
        first, second = turns(one, *now, x, y[:, 0]), at_once(*other, *now, x, y[:, 0])
        torch.testing.assert_close(first, second)
    for ours, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not torch.equal(one.weights, rows(3).weights)


def test_no_bit_depends_on_the_number_of_threads(data):
    x, y = data
    one, told = train([networks(s) for s in (1, 2, 3)], x, y, Engine())
    two, also = train([networks(s) for s in (1, 2, 3)], x, y, Engine(threads=2))
    assert torch.equal(told, also)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_threads_wait_for_each_other_where_nothing_compiles(data, monkeypatch, capsys):
    monkeypatch.setattr(compiling, "machine_code", lambda graph, inputs: 1 / 0)
    compiling.notice.cache_clear()
    x, y = data
    one, _ = train([networks(s) for s in (1, 2, 3)], x, y)
    two, _ = train([networks(s) for s in (1, 2, 3)], x, y, Engine(threads=3))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert capsys.readouterr().out.startswith("Steps run uncompiled (ZeroDivisionError)")
    compiling.notice.cache_clear()


@pytest.mark.parametrize("threads", [1, 2])
def test_tiny_numbers_are_zero_in_every_thread(threads):
    """1e-30 · 1e-10 is a number too small for a normal one: kept as such, it would slow all."""

    def step(first, second, third, fourth, now, rate, x):
        return x * 1e-10

    state, now = fresh(torch.zeros(2, 1)), (torch.tensor(1.0), torch.tensor(1.0))
    update = stepping.in_turns(step, 0, threads)
    with nothing_tiny():
        assert update(state, *now, torch.full((2, 1), 1e-30)).tolist() == [[0], [0]]


def test_a_recorded_step_is_the_step(data):
    """On a CPU a recording is the step itself: that the right places are filled is what counts."""
    x, y = data
    slope = grad_and_value(gradient_of(x, y), has_aux=True)
    step = stepping.whole(stepping.batched(slope, 1), BETAS, 0.5, UNCOMPILED)

    def record(step, state):
        report = torch.empty(3)
        return report, lambda: report.copy_(step())

    recorded = compiling.replayed(step, 4, record)
    one, other = rows(3), rows(3)
    for t in range(1, 6):
        now = torch.tensor(float(t)), torch.tensor(0.02 / t)
        first, second = recorded(*one, *now, t * x, y[:, 0]), step(*other, *now, t * x, y[:, 0])
        assert torch.equal(first, second)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(one, other, strict=True))
