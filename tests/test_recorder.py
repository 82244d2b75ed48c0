"""Recording one training: what is kept, when it is saved, and what an interruption leaves."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small import recipe, shrink

from helpers import probes, runs, storage, targets
from helpers.recorder import Recorder, probe_of, short, stream

TARGET = targets.gmm5()
NOTHING = {"players": [], "streams": [], "kept": []}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def recorder():
    return make(recipe(epochs=60))


def make(it, **options):
    data = runs.data(TARGET)
    networks = runs.fresh(it, TARGET, data.train.points, stream(5))
    return Recorder(it, TARGET, data, 5, networks, **options)


def snapshot(recorder, epoch):
    """What a training yields; the weights hold the epoch's number, so that one can tell."""
    with torch.no_grad():
        for p in recorder.model.parameters():
            p.fill_(epoch / 100)
    return SimpleNamespace(
        epoch=epoch,
        losses={"critic": epoch / 3, "generator": 2.0},
        validation={"critic": 3.0},
        probe=recorder.probe(recorder.model),
        seconds=4.0 * epoch,
        checkpoint=lambda: {"epoch": epoch, "seconds": 4.0, **NOTHING},
    )


def test_the_history_starts_untrained_and_has_a_row_an_epoch(recorder):
    with recorder:
        for epoch in (1, 2):
            recorder.keep(snapshot(recorder, epoch))
    history = runs.read(recorder.stem).history
    assert history["epoch"] == [0, 1, 2]
    assert history["seconds"] == [0, 4, 8]
    assert history["critic"] == [None, 0.333333, 0.666667]
    assert history["validation_critic"] == [None, 3, 3]
    samples = recorder.probe(recorder.model)["samples"]
    expected = {k: short(v) for k, v in probes.quality(TARGET, samples).items()}
    assert {name: history[name][-1] for name in expected} == expected


def test_seconds_are_shared_among_members():
    recorder = make(recipe(), members=4)
    recorder.keep(snapshot(recorder, 1))
    assert recorder.rows[-1]["seconds"] == 1.0


def test_a_run_is_saved_every_25_epochs(recorder):
    for epoch in range(1, 25):
        recorder.keep(snapshot(recorder, epoch))
    assert not recorder.stem.with_suffix(".json").exists()
    recorder.keep(snapshot(recorder, 25))
    assert storage.read_record(recorder.stem)["complete"] is False
    assert storage.read_checkpoint(recorder.stem)["epoch"] == 25
    assert len(storage.read_frames(recorder.stem)) == 25


def test_a_complete_run_has_scores_and_no_checkpoint():
    recorder = make(recipe(epochs=2))
    with recorder:
        recorder.keep(snapshot(recorder, 1))
        recorder.save()
        assert storage.read_checkpoint(recorder.stem) is not None
        recorder.keep(snapshot(recorder, 2))
    record = storage.read_record(recorder.stem)
    assert record["complete"]
    assert {"share", "weight_kl", "log_likelihood", "modes"} <= set(record["metrics"])
    assert storage.read_checkpoint(recorder.stem) is None


def test_nothing_is_written_where_nothing_was_trained(recorder):
    with pytest.raises(KeyboardInterrupt), recorder:
        raise KeyboardInterrupt
    assert not recorder.stem.with_suffix(".json").exists()


def interrupt_at(recorder, monkeypatch, place):
    def stop(*_):
        raise KeyboardInterrupt

    if place == "in the step":
        snapshot(recorder, 3)  # the networks have moved on, and nobody was told
        raise KeyboardInterrupt
    if place == "while scoring":
        monkeypatch.setattr("helpers.probes.quality", stop)
    if place == "before the state":
        rows = SimpleNamespace(append=stop)
        recorder.rows, kept = rows, recorder.rows
    try:
        recorder.keep(snapshot(recorder, 3))
    finally:
        if place == "before the state":
            recorder.rows = kept


@pytest.mark.parametrize("place", ["in the step", "while scoring", "before the state"])
def test_an_interruption_anywhere_leaves_the_last_whole_epoch(recorder, monkeypatch, place):
    for epoch in (1, 2):
        recorder.keep(snapshot(recorder, epoch))
    with pytest.raises(KeyboardInterrupt), recorder:
        interrupt_at(recorder, monkeypatch, place)
    run = runs.read(recorder.stem)
    assert run.history["epoch"] == [0, 1, 2]
    assert len(run.frames) == 2
    assert all((p == 0.02).all() for p in run.model.parameters())
    assert storage.read_checkpoint(recorder.stem)["epoch"] == 2


def test_frames_are_what_the_probe_saw_in_half_precision(recorder):
    seen = snapshot(recorder, 1)
    recorder.keep(seen)
    expected = seen.probe["samples"][: probes.FILMED].numpy().astype(np.float16)
    assert np.array_equal(recorder.frames[0]["samples"], expected)


def test_taking_up_brings_back_history_and_frames(recorder):
    with recorder:
        for epoch in (1, 2):
            recorder.keep(snapshot(recorder, epoch))
    later = make(recorder.recipe)
    assert later.take_up()["epoch"] == 2
    assert [row["epoch"] for row in later.rows] == [0, 1, 2]
    assert len(later.frames) == 2
    before = recorder.stem.with_suffix(".pt").read_bytes()
    with later:
        pass  # interrupted before the first new epoch: nothing to save, nothing lost
    assert recorder.stem.with_suffix(".pt").read_bytes() == before


@pytest.mark.parametrize(
    ("values", "what"), [({"epochs": 61}, "epochs"), ({"learning_rate": 0.5}, "learning rate")]
)
def test_another_recipe_cannot_take_up(recorder, values, what):
    with recorder:
        recorder.keep(snapshot(recorder, 1))
    with pytest.raises(storage.BadRun, match=f"with another {what}; resume with the same numbers"):
        make(recipe(**{"epochs": 60, **values})).take_up()


def test_the_line_tells_where_it_stands(recorder):
    recorder.keep(snapshot(recorder, 1))
    assert recorder.line().startswith("gan-custom, seed 5: epoch   1 of 60, within 3σ ")


def test_six_digits_are_kept():
    assert short(1 / 3) == 0.333333
    assert short(123456789.0) == 123457000.0
    assert short(None) is None


def test_all_runs_share_a_probe():
    one, two = (probe_of(recipe(), runs.data(TARGET)) for _ in range(2))
    assert torch.equal(one.noise, two.noise)
    assert torch.equal(one.points, runs.data(TARGET).validation.points[: probes.FILMED])
