"""The process that trains: it tells how far it is, stops when asked, and dies without a mess."""

import json
import threading
import time

import psutil
import pytest
from pages import PATIENCE, digits, order, shrink_all, trained

from helpers import runs, trials, worker
from helpers.loop import Diverged

ENDLESS = {"epochs": 10_000, "batch": 20_000}


def until(condition):
    """Wait for what must come."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.05)
    return found


@pytest.fixture
def small(monkeypatch):
    shrink_all(monkeypatch)


@pytest.mark.parametrize("make", [order, digits], ids=["plane", "images"])
def test_a_finished_trial_is_a_run(small, written, make):
    trial = trained(make())
    status = trials.read(trial)
    assert (status.state, status.epoch, status.epochs) == ("complete", 2, 2)
    assert status.losses["epoch"] == [1, 2]
    assert all(len(values) == 2 for values in status.losses.values())
    run = runs.read(written / "build" / "app" / trial / "run")
    assert run.record["complete"]
    assert run.recipe == trials.order_of(trial).recipe
    assert len(trials.preview(trial)["samples"]) > 0


def test_the_status_is_whole_whenever_it_is_read(small, written):
    trial = trials.prepare(order(epochs=30))
    seen, done = [], threading.Event()

    def read():
        while not done.is_set():
            seen.append(trials.read(trial).epoch)  # raises where it is half-written

    reader = threading.Thread(target=read)
    reader.start()
    worker.train(trial)
    done.set()
    reader.join()
    assert seen == sorted(seen)
    assert not list((written / "build" / "app" / trial).glob(".*"))


def test_stopping_keeps_what_was_learned(small, monkeypatch, generator):
    trial = trials.prepare(order(epochs=50))
    show = worker.show

    def and_stop(name, frame):
        show(name, frame)
        if trials.read(trial).epoch >= 2:  # the status of the epoch before
            trials.stop(trial)

    monkeypatch.setattr(worker, "show", and_stop)
    worker.train(trial)
    status = trials.read(trial)
    assert (status.state, status.epoch) == ("stopped", 3)
    run = runs.read(trials.folder(trial) / "run")
    assert run.history["epoch"] == [0, 1, 2, 3]
    assert run.sample(10, generator).isfinite().all()


def test_asked_at_the_last_epoch_it_is_complete(small):
    trial = trials.prepare(order(epochs=1))
    trials.stop(trial)
    worker.train(trial)
    assert trials.read(trial).state == "complete"


def test_what_cannot_be_trained_is_told(small):
    status = trials.read(trained(order(batch=99_999)))
    assert status.state == "failed"
    assert "batch 99999 exceeds the 600 training points" in status.line


@pytest.mark.parametrize("error", [Diverged("a\n  loss"), MemoryError(), OSError("disk\nfull")])
def test_what_goes_wrong_on_the_way_takes_one_line(small, monkeypatch, error):
    def fail(self, recorder):
        raise error

    monkeypatch.setattr(worker.Watch, "__call__", fail)
    status = trials.read(trained(order()))
    assert status.state == "failed"
    assert status.line
    assert "\n" not in status.line


def test_a_long_history_is_told_in_few_points():
    rows = [{"epoch": i, "loss": float(i), "validation_loss": 0.0} for i in range(1, 5_001)]
    curves = worker.curves(rows)
    assert len(curves["loss"]) <= worker.POINTS
    assert curves["epoch"][-1] == 5_000
    assert set(curves) == {"epoch", "loss"}


def test_a_killed_process_is_told_in_one_line():
    trial = trials.start(order(**ENDLESS))
    until(lambda: trials.read(trial).epoch)
    known = json.loads((trials.folder(trial) / "process.json").read_text("utf-8"))
    psutil.Process(known["pid"]).kill()
    status = until(lambda: not (now := trials.read(trial)).active and now)
    assert status.state == "failed"
    assert "without finishing; train again" in status.line
    assert "\n" not in status.line
