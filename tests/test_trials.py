"""Trials on disk: found by their id alone, never half-written, damage told in one line."""

import json
import os

import numpy as np
import pytest
from pages import order

from helpers import trials
from helpers.orders import BadOrder


def folder(written, trial):
    return written / "build" / "app" / trial


def put(written, trial, name, text):
    (folder(written, trial) / name).write_text(text, encoding="utf-8")


def test_an_order_comes_back_as_it_was_given():
    first = order("vae-iwae", samples=3)
    assert trials.order_of(trials.prepare(first)) == first


def test_the_newest_trial_is_listed_first(written):
    old, new = trials.prepare(order()), trials.prepare(order("vae"))
    os.utime(folder(written, old) / "order.json", (1, 1))
    assert trials.listed() == [new, old]
    (written / "build" / "app" / "films").mkdir()
    assert trials.listed() == [new, old]


@pytest.mark.parametrize(
    "name", ["../../etc-01234567", "gan/../x-01234567", "", "gan", "a b-01234567"]
)
def test_nothing_but_an_id_becomes_a_path(written, name):
    for use in (trials.folder, trials.read, trials.order_of, trials.stop):
        with pytest.raises(trials.BadTrial, match="not the name of a training"):
            use(name)
    assert not (written / "build" / "app").exists()


def test_an_id_that_nobody_gave_is_told():
    with pytest.raises(trials.BadTrial, match="no such training"):
        trials.read("gan-01234567")


BROKEN = {
    "status": (trials.read, ["", "{", "[]", '{"state": "training", "colour": 1}']),
    "order": (trials.order_of, ["", "null", "{}", '{"recipe": {"family": "cat"}}']),
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, (_, ts) in BROKEN.items() for t in ts])
def test_a_damaged_record_is_told(written, name, text):
    trial = trials.prepare(order())
    put(written, trial, f"{name}.json", text)
    with pytest.raises(trials.BadTrial, match="damaged"):
        BROKEN[name][0](trial)


def test_what_is_enormous_leaves_no_folder(written):
    with pytest.raises(BadOrder):
        trials.start(order(epochs=100_000))
    assert trials.listed() == []


def test_no_more_trainings_at_once_than_there_are_cores_for(written):
    mine = {"pid": os.getpid(), "born": trials._born(os.getpid())}
    for _ in range(trials.AT_ONCE):
        put(written, trials.prepare(order()), "process.json", json.dumps(mine))
    with pytest.raises(trials.BadTrial, match="2 trainings are under way"):
        trials.start(order())


def test_a_process_that_is_gone_is_told_in_one_line(written):
    trial = trials.prepare(order())
    put(written, trial, "process.json", '{"pid": 1, "born": 0.5}')  # the pid is another's now
    trials.write(trial, "status", {"state": "training", "epoch": 3, "epochs": 9, "seconds": 6.0})
    status = trials.read(trial)
    assert (status.state, status.epoch) == ("failed", 3)
    assert "ended after epoch 3 without finishing" in status.line
    assert "\n" not in status.line


def test_the_time_left_follows_the_time_spent():
    assert trials.Status("training", 3, 9, 6.0).left == 12
    assert trials.Status("starting", 0, 9).left is None


def test_who_asks_to_stop_sees_that_it_was_heard(written):
    trial = trials.prepare(order())
    trials.stop(trial)
    assert trials.asked_to_stop(trial)
    assert trials.read(trial).state == "stopping"


@pytest.mark.parametrize("raw", [None, b"", b"PK\x03\x04 no archive"])
def test_a_preview_that_is_missing_or_damaged_is_none(written, raw):
    trial = trials.prepare(order())
    if raw is not None:
        (folder(written, trial) / "preview.npz").write_bytes(raw)
    assert trials.preview(trial) is None


def test_a_preview_is_what_was_seen(written):
    trial = trials.prepare(order())
    with (folder(written, trial) / "preview.npz").open("wb") as file:
        np.savez(file, samples=np.ones((3, 2), np.float16))
    assert trials.preview(trial)["samples"].dtype == np.float32
