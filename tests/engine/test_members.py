"""Several members at once: on threads with the bits they have alone, stacked with their numbers."""

import io
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from steps import (
    AVERAGED,
    SETTINGS,
    TRAIN,
    USUAL,
    VALIDATION,
    flat,
    gan,
    rows,
    step,
    training,
    typed,
)

from helpers import training as core
from helpers.engine import compile as compiling
from helpers.engine import members
from helpers.engine import step as steps
from helpers.engine.members import FAST, train_members, train_stacked
from helpers.training import Diverged, linear, stream

SEEDS = (1, 2, 3)


def together(name, settings=SETTINGS, way=train_members, **more):
    """Members of an objective trained at once: their steps, and the snapshots of each."""
    first = step(name, SEEDS[0], settings, FAST)
    several = [first, *(step(name, seed, settings, FAST, like=first) for seed in SEEDS[1:])]
    found = [[] for _ in SEEDS]
    options = {"generators": [stream(seed) for seed in SEEDS], **more}
    for snapshots in way(several, typed(TRAIN), typed(VALIDATION), **options):
        for member, snapshot in snapshots.items():
            found[member].append((*rows([snapshot]), snapshot))
    return several, found


@pytest.fixture
def uncompiled(monkeypatch):
    """Steps as they stand."""
    for module in (steps, members):
        monkeypatch.setattr(module, "accelerated", lambda function, device, large: function)


# ----------------------------------------------------------------------------------- on threads


@pytest.mark.parametrize("name", USUAL.values())
def test_threads_wait_for_each_other_where_nothing_compiles(name, monkeypatch, capsys):
    """A plain function puts weights into networks: one thread must not see another's."""
    monkeypatch.setattr(compiling, "machine_code", lambda graph, inputs: 1 / 0)
    compiling._say.cache_clear()
    several, found = together(name, threads=3)
    for member, seed in enumerate(SEEDS):
        alone = step(name, seed, engine=FAST)
        assert [row for row, _ in found[member]] == rows(training(alone, seed))
        assert torch.equal(flat(several[member]), flat(alone))
    assert capsys.readouterr().out.startswith("Steps run uncompiled (ZeroDivisionError")
    compiling._say.cache_clear()


def test_one_function_at_a_time_runs_plain(monkeypatch):
    """Both updates of a GAN use both its networks, so they share one lock."""
    monkeypatch.setattr(compiling, "machine_code", lambda graph, inputs: 1 / 0)
    monkeypatch.setattr(compiling, "notice", lambda error: None)
    inside, most = [], []

    def slow(x):
        inside.append(x)
        time.sleep(0.002)
        most.append(len(inside))
        inside.pop()
        return x + 1

    functions = [compiling.compiled(slow), compiling.compiled(slow)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda i: functions[i % 2](torch.ones(1)), range(20)))
    assert max(most) == 1


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")
def test_compiled_members_on_threads_have_the_bits_that_they_have_alone():
    several, found = together("wgan-gp", AVERAGED, threads=2)
    for member, seed in enumerate(SEEDS[:2]):
        alone = step("wgan-gp", seed, AVERAGED, FAST, like=several[0])
        assert [row for row, _ in found[member]] == rows(training(alone, seed))
        assert torch.equal(flat(several[member]), flat(alone))


# ------------------------------------------------------------------------- in one batched pass


@pytest.mark.parametrize("name", ["elbo", "iwae", "non-saturating", "wgan-gp"])
def test_a_stacked_training_equals_single_trainings(name, uncompiled, double):
    """On a CPU as a stand-in, in double precision: the same numbers, not the same bits."""
    several, found = together(name, AVERAGED, train_stacked)
    for member, seed in enumerate(SEEDS):
        alone = step(name, seed, AVERAGED)
        for (row, _), expected in zip(found[member], rows(training(alone, seed)), strict=True):
            assert row[0] == expected[0]
            assert row[1] == pytest.approx(expected[1], rel=1e-7)
            assert row[2] == pytest.approx(expected[2], rel=1e-7)
        torch.testing.assert_close(flat(several[member]), flat(alone), rtol=1e-7, atol=1e-9)


def test_a_stacked_epoch_without_a_turn_has_no_generators_loss(uncompiled):
    _, found = together("wgan-gp", replace(SETTINGS, discriminator_steps=12), train_stacked)
    losses = [row[1]["generator"] for row, _ in found[1]]
    assert [loss is None for loss in losses] == [True, False, False, True]


@pytest.mark.parametrize("way", [train_members, train_stacked])
def test_a_members_checkpoint_holds_its_own_state_only(way, uncompiled):
    """As large as that of a training alone, and that training goes on from it."""
    several, found = together("non-saturating", AVERAGED, way)
    *_, snapshot = training(step("non-saturating", 2, AVERAGED, FAST), 2)
    sizes = [size(member[-1][1].checkpoint()) for member in found]
    assert sizes == [size(snapshot.checkpoint())] * 3
    again = step("non-saturating", 44, AVERAGED, FAST)
    assert list(training(again, resume=found[1][-1][1].checkpoint())) == []
    assert torch.equal(flat(again), flat(several[1]))


def size(checkpoint):
    """Bytes of a checkpoint when saved."""
    buffer = io.BytesIO()
    torch.save({**checkpoint, "seconds": 0.0}, buffer)
    return len(buffer.getvalue())


def test_a_stacked_member_that_diverges_stops_all(uncompiled):
    rate = replace(SETTINGS, rate=linear(1e30, 1e30))
    with pytest.raises(Diverged, match=r"epoch 1: .* lower the learning rate"):
        together("elbo", rate, train_stacked)


# ------------------------------------------------------------------------------- which of the two


def frozen(name, seed):
    """A step whose generator has constants of its own."""
    pair = gan(seed)
    weight = pair[0].net[0].weight
    del pair[0].net[0].weight
    pair[0].net[0].register_buffer("weight", weight.detach())
    return FAST.steps["gan"](*pair, None, SETTINGS)


@pytest.mark.parametrize(
    ("device", "seeds", "make", "resumes", "batched"),
    [
        ("cuda", (1, 2), step, None, True),
        ("cuda", (1, 2), step, [None, None], True),
        ("cpu", (1, 2), step, None, False),
        ("cuda", (1,), step, None, False),
        ("cuda", (1, 2), step, [None, {"epoch": 1}], False),
        ("cuda", (1, 2), frozen, None, False),
    ],
)
def test_members_are_batched_where_that_is_quicker_and_possible(
    monkeypatch, uncompiled, device, seeds, make, resumes, batched
):
    monkeypatch.setattr(members, "train_stacked", lambda *_, **more: "batched")
    monkeypatch.setattr(core, "train_all", lambda *_, **more: "in turn")
    several = [make("wgan-gp", seed) for seed in seeds]
    data = SimpleNamespace(device=torch.device(device))
    found = train_members(several, data, data, generators=[], resumes=resumes)
    assert found == ("batched" if batched else "in turn")
