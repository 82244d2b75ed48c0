"""The loop alone, around a step that only takes notes: which points, which noise, which numbers."""

import itertools

import pytest
import torch
from torch import nn

from helpers import loop
from helpers.loop import Course, Diverged, Settings, epochs
from helpers.schedules import Linear

POINTS = torch.arange(22.0)[:, None].expand(22, 2)  # 22 points that tell who they are


class Notes:
    """A course without players whose step writes down what it is given."""

    def __init__(self, members: int = 1, losses=None):
        self.calls = []
        self.losses = losses or (lambda member, call: 0.0)
        models = [nn.Identity() for _ in range(members)]
        parts = (("loss",), self.noise, self.step, self.validate)
        self.course = Course([], models, *parts)

    def noise(self, steps, generator):
        return (torch.randn(steps, 5, 1, generator=generator),)

    def step(self, now, x, noise):
        call = len(self.calls)
        self.calls.append((now, x.clone(), noise.clone()))
        return torch.tensor([[self.losses(m, call)] for m in range(len(x))])

    def validate(self, member, weight):
        return {"weight": weight}


def run(notes: Notes, seeds=(0,), resume=None, probe=loop.no_probe, **settings):
    """Three epochs of batches of five, unless told otherwise, as a list of snapshots."""
    settings = Settings(**{"epochs": 3, "batch": 5, **settings})
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return epochs(notes.course, POINTS, settings, generators, probe, resume)


def names_seen(calls, member: int = 0) -> list[list[int]]:
    """The points of each step, by name."""
    return [x[member, :, 0].int().tolist() for _, x, _ in calls]


def test_an_epoch_shows_each_point_at_most_once_in_a_new_order():
    notes = Notes()
    list(run(notes))
    batches = names_seen(notes.calls)
    passes = [list(itertools.chain(*batches[i : i + 4])) for i in (0, 4, 8)]
    assert len(batches) == 12  # 22 points make four batches of five; two points wait
    assert all(len(set(seen)) == 20 for seen in passes)
    assert passes[0] != passes[1] != passes[2]
    assert set().union(*passes) == set(range(22))  # those left out are not always the same


def test_points_stay_whole():
    notes = Notes()
    list(run(notes))
    assert all(torch.equal(x[..., 0], x[..., 1]) for _, x, _ in notes.calls)


def test_each_member_sees_what_it_would_see_alone():
    together = Notes(2)
    list(run(together, seeds=(4, 9)))
    for member, seed in enumerate((4, 9)):
        alone = Notes()
        list(run(alone, seeds=(seed,)))
        assert names_seen(together.calls, member) == names_seen(alone.calls)
        for ours, theirs in zip(together.calls, alone.calls, strict=True):
            assert torch.equal(ours[2][member], theirs[2][0])


def test_noise_is_new_at_every_step():
    notes = Notes()
    list(run(notes))
    values = torch.cat([noise.flatten() for *_, noise in notes.calls])
    assert len(values.unique()) == len(values) == 60


def test_the_scheduled_numbers_follow_the_steps():
    notes = Notes()
    list(run(notes, rate=Linear(1, 0), weight=Linear(0, 6)))
    clocks = [now for now, *_ in notes.calls]
    assert [now.step.item() for now in clocks] == list(range(1, 13))
    assert [now.rate.item() for now in clocks] == pytest.approx([1 - i / 12 for i in range(12)])
    assert [now.weight.item() for now in clocks] == pytest.approx([i / 2 for i in range(12)])
    assert [now.number for now in clocks] == list(range(1, 13))


def test_losses_are_means_over_the_epoch_and_validation_uses_its_end():
    notes = Notes(2, lambda member, call: call + 100.0 * member)
    snapshots = list(run(notes, seeds=(0, 1), weight=Linear(0, 6)))
    assert [s.losses["loss"] for s, _ in snapshots] == [1.5, 5.5, 9.5]
    assert [s.losses["loss"] for _, s in snapshots] == [101.5, 105.5, 109.5]
    assert [s.validation["weight"] for s, _ in snapshots] == [2, 4, 6]
    assert [s.epoch for s, _ in snapshots] == [1, 2, 3]


def test_the_probe_looks_at_each_members_model():
    notes = Notes(2)
    snapshots = list(run(notes, seeds=(0, 1), probe=lambda model: {"me": id(model)}))
    for pair in snapshots:
        assert [s.probe["me"] for s in pair] == [id(m) for m in notes.course.models]


def test_time_is_counted_while_training_only(monkeypatch):
    ticks = itertools.count()  # each look at the clock is one second later
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(ticks)))
    snapshots = []
    for (snapshot,) in run(Notes()):
        loop.time.perf_counter()  # the caller takes its time
        snapshots.append(snapshot)
    assert [s.seconds for s in snapshots] == [1, 2, 3]


def test_resuming_continues_the_order_and_the_noise():
    whole, part, rest = Notes(), Notes(), Notes()
    list(run(whole))
    (snapshot,) = next(run(part))
    resumed = list(run(rest, seeds=(77,), resume=snapshot.checkpoint()))
    assert [s.epoch for (s,) in resumed] == [2, 3]
    calls = part.calls + rest.calls
    assert names_seen(calls) == names_seen(whole.calls)
    assert [c[0] for c in calls] == [c[0] for c in whole.calls]
    assert all(torch.equal(a[2], b[2]) for a, b in zip(calls, whole.calls, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_epoch_and_a_remedy(value):
    notes = Notes(2, lambda member, call: value if (member, call) == (1, 5) else 0.0)
    training = run(notes, seeds=(0, 1))
    assert next(training)[0].epoch == 1
    with pytest.raises(Diverged, match=f"epoch 2: the loss loss is .*{value}.*lower the learning"):
        next(training)


def test_denormal_numbers_count_as_zero_while_training_and_not_after():
    def tiny() -> float:
        return (torch.tensor(1e-30) * 1e-10).item()

    notes = Notes(losses=lambda member, call: tiny() * 1e38)
    ((snapshot,),) = run(notes, epochs=1)
    assert snapshot.losses["loss"] == 0
    assert tiny() > 0


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch 23 exceeds the 22 training points; lower it"):
        next(run(Notes(), batch=23))
    assert next(run(Notes(), batch=5))


def test_repeated_noise_leaves_the_stream_where_it_is(generator):
    first, second = loop.repeated(generator, 4, 2), loop.repeated(generator, 4, 2)
    assert torch.equal(first, second)
    assert torch.equal(first, torch.randn(4, 2, generator=generator))
