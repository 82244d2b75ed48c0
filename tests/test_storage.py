"""The files of a run: whole or not at all, and refused with one line when damaged."""

import json

import numpy as np
import pytest
import torch

from helpers import storage
from helpers.storage import BadRun

RECORD = {key: {} for key in ("recipe", "target", "code", "metrics", "history")} | {
    "seed": 5,
    "complete": True,
}
WEIGHTS = {"model": {"a": torch.arange(3.0)}}
STATE = {"epoch": 2, "seconds": 0.5, "players": [[torch.ones(2)]], "streams": [], "kept": []}


class Failure(RuntimeError):
    """A disk that is full."""


def fail(*_, **options):
    raise Failure


@pytest.fixture
def stem(tmp_path):
    stem = tmp_path / "run" / "seed5"
    storage.write(stem, RECORD, WEIGHTS)
    return stem


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_comes_back(stem):
    record = storage.read_record(stem)
    assert {k: v for k, v in record.items() if k != "weights"} == RECORD
    weights = storage.read_weights(stem, record["weights"])
    assert torch.equal(weights["model"]["a"], WEIGHTS["model"]["a"])


def test_a_run_written_twice_is_the_same_bytes(stem):
    before = contents(stem.parent)
    storage.write(stem, RECORD, WEIGHTS)
    assert contents(stem.parent) == before


def half_then_fail(path):
    path.write_text("half", encoding="utf-8")
    raise Failure


def test_a_failure_in_the_middle_leaves_the_earlier_file_and_no_rubbish(stem):
    before = contents(stem.parent)
    with pytest.raises(Failure):
        storage.replace_file(stem.with_suffix(".json"), half_then_fail)
    assert contents(stem.parent) == before


@pytest.mark.parametrize("broken", ["torch.save", "json.dumps", "os.replace"])
def test_a_failed_save_leaves_the_earlier_run(stem, monkeypatch, broken):
    before = contents(stem.parent)
    monkeypatch.setattr(f"helpers.storage.{broken}", fail)
    with pytest.raises(Failure):
        storage.write(stem, {**RECORD, "seed": 6}, {"model": {"a": torch.zeros(3)}})
    assert contents(stem.parent) == before


def test_new_weights_beside_an_old_record_are_refused(stem):
    record = storage.read_record(stem)
    storage.write(stem, RECORD, {"model": {"a": torch.zeros(3)}})
    with pytest.raises(BadRun, match=r"seed5\.pt: not the weights that the record .*train the run"):
        storage.read_weights(stem, record["weights"])


def damage(path, how):
    raw = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": raw[: len(raw) // 2], "text": b"hello", "empty": b""}[how])


@pytest.mark.parametrize("how", ["gone", "cut", "text", "empty"])
def test_damaged_weights_are_refused(stem, how):
    digest = storage.read_record(stem)["weights"]
    damage(stem.with_suffix(".pt"), how)
    with pytest.raises(BadRun, match=r"seed5\.pt: .*; train the run again"):
        storage.read_weights(stem, digest)


@pytest.mark.parametrize("how", ["cut", "text", "empty"])
def test_a_damaged_record_is_refused(stem, how):
    damage(stem.with_suffix(".json"), how)
    with pytest.raises(BadRun, match=r"seed5\.json: not a run's record .*; train the run again"):
        storage.read_record(stem)


def test_a_missing_record_says_how_to_make_one(stem):
    with pytest.raises(BadRun, match=r"seed6\.json: no such run; `python -m helpers train RECIPE`"):
        storage.read_record(stem.with_name("seed6"))


@pytest.mark.parametrize("value", [7, [], "recipe", None, {}, sorted(storage.PARTS)])
def test_json_that_is_no_record_is_refused(stem, value):
    stem.with_suffix(".json").write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(BadRun, match="not a run's record"):
        storage.read_record(stem)


def test_each_part_is_missed_by_name(stem):
    record = storage.read_record(stem)
    for part in storage.PARTS:
        rest = {k: v for k, v in record.items() if k != part}
        stem.with_suffix(".json").write_text(json.dumps(rest), encoding="utf-8")
        with pytest.raises(BadRun, match=f"it has no {part}"):
            storage.read_record(stem)


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    shapes = {"samples": (4, 2), "codes": (3, 1)}
    return [{k: rng.normal(size=s).astype(np.float16) for k, s in shapes.items()} for _ in range(3)]


def test_frames_come_back_epoch_by_epoch(stem, frames):
    storage.write_frames(stem, frames)
    found = storage.read_frames(stem)
    assert len(found) == 3
    for one, other in zip(found, frames, strict=True):
        assert set(one) == set(other)
        assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("how", ["gone", "cut", "text", "empty"])
def test_damaged_frames_are_refused(stem, frames, how):
    storage.write_frames(stem, frames)
    damage(stem.with_suffix(".probes.npz"), how)
    with pytest.raises(BadRun, match=r"seed5\.probes\.npz: .*; train the run again"):
        storage.read_frames(stem)


def test_a_checkpoint_comes_back_and_can_be_cleared_away(stem):
    assert storage.read_checkpoint(stem) is None
    storage.write_checkpoint(stem, STATE)
    found = storage.read_checkpoint(stem)
    assert found["epoch"] == 2
    assert torch.equal(found["players"][0][0], torch.ones(2))
    storage.write_checkpoint(stem, None)
    storage.write_checkpoint(stem, None)
    assert storage.read_checkpoint(stem) is None


@pytest.mark.parametrize("how", ["cut", "text", "empty"])
def test_a_damaged_checkpoint_is_refused(stem, how):
    storage.write_checkpoint(stem, STATE)
    damage(stem.with_suffix(".checkpoint.pt"), how)
    with pytest.raises(BadRun, match=r"checkpoint\.pt: .*damaged; train without --resume"):
        storage.read_checkpoint(stem)


@pytest.mark.parametrize("value", [{"epoch": 1}, 3, [1, 2]])
def test_a_checkpoint_of_something_else_is_refused(stem, value):
    torch.save(value, stem.with_suffix(".checkpoint.pt"))
    with pytest.raises(BadRun, match="damaged"):
        storage.read_checkpoint(stem)
