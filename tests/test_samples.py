"""Samples from files and runs, and their scores as a table: a missing mode is seen."""

import io
import math

import numpy as np
import pytest
import torch
from small import recipe, shrink

from helpers import recorder, samples, targets
from helpers.metrics import scorecard
from helpers.samples import BadSamples
from helpers.training import stream


def test_a_missing_mode_is_seen_by_the_metrics_that_can_see_it():
    n, target = 10_000, targets.gmm5()  # the truth's ranges at this size are committed
    drawn = target.sample_labelled(2 * n, stream(11))
    points = drawn.points[drawn.components != 0][:n]
    rows = samples.score(target, points, stream(1))
    assert list(rows) == [metric.name for metric in scorecard.DEFAULT]
    blind = {"modes covered", "coverage", "mode weight KL", "recall", "energy distance"}
    assert {name for name in blind if rows[name]["inside"]} == set()
    assert rows["modes covered"]["value"] == 4
    # the mixture without its weight .3 has KL log(1 / .7), less what strays into the gap
    assert rows["mode weight KL"]["value"] == pytest.approx(math.log(1 / 0.7), abs=0.02)
    assert rows["within 3σ"]["inside"]
    rows = samples.score(target, drawn.points[:n], stream(1))
    assert all(row["inside"] for row in rows.values())  # of true samples


def row(unit, *numbers, inside, better="lower"):
    names = ("value", "truth_mean", "low", "high", "p")
    numbers = dict(zip(names, numbers, strict=True))
    return {"unit": unit, "better": better, "inside": inside, **numbers}


def test_text_has_a_line_a_metric_with_its_mark():
    rows = {
        "recall": row("share", 0.5, 0.99, 0.98, 1.0, 0.0004, inside=False, better="higher"),
        "W2": row("data units", math.nan, 0.0, -0.1, math.inf, 0.0, inside=False),
        "copying z": row("1", 1.0, 1.0, 0.9, 1.1, 1.0, inside=True),
    }
    text = samples.as_text(rows, 10_000, "gmm5").splitlines()
    assert text[0] == "10,000 samples against gmm5"
    assert len(text) == 6
    found = [" ".join(line.split()) for line in text]
    assert found[2] == "recall (share) 0.5 0.99 0.98 to 1 ✗ outside 0.0004 higher"
    assert found[3] == "W2 nan 0 -0.1 to inf ✗ outside 0 lower"
    assert found[4] == "copying z 1 1 0.9 to 1.1 ✓ inside 1 lower"
    assert found[5].startswith("1 of 3 metrics")


def test_a_run_is_scored_against_its_own_target_unless_told_otherwise(tmp_path, monkeypatch):
    shrink(monkeypatch)
    stem = tmp_path / "seed5"
    (run,) = recorder.train(recipe(epochs=1), targets.ring8(), stems=[stem])
    points, target = samples.find(str(stem), 40, None)
    assert torch.equal(points, run.sample(40, stream(0)))
    assert target.name == "ring8"
    assert samples.find(str(stem), 40, "grid25")[1].name == "grid25"
    samples.write(tmp_path / "x.npy", points)
    again, target = samples.find(str(tmp_path / "x.npy"), None, None)
    assert torch.equal(again, points)
    assert target.name == "gmm5"
    with pytest.raises(BadSamples, match=r"digits-28: these metrics are for the plane"):
        samples.find(str(tmp_path / "x.npy"), None, "digits")
    with pytest.raises(BadSamples, match=r"-n 10: all points of .*x\.npy are scored; leave it out"):
        samples.find(str(tmp_path / "x.npy"), 10, None)
    with pytest.raises(BadSamples, match=r"-n 5: too few to score; give 10 or more"):
        samples.find(str(stem), 5, None)


def saved(array, save=np.save):
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


SOUND = saved(np.zeros((20, 2)))
NO_FILE = "not a .npy file of numbers"
WRONG = {  # what lies in the file, and the words that must answer
    "one column": (saved(np.zeros(20)), r"float64 of shape \(20,\), expected .* shape \(n, 2\)"),
    "few": (saved(np.zeros((9, 2))), "9 points, expected .* of 10 at least"),
    "words": (saved(np.full((20, 2), "a")), "<U1 of shape"),
    "complex": (saved(np.zeros((20, 2), complex)), "complex128 of shape"),
    "objects": (saved(np.full((20, 2), None)), NO_FILE),
    "not finite": (saved(np.full((20, 2), np.nan)), "20 of 20 points are not finite"),
    "too large": (saved(np.full((20, 2), 1e300)), "20 of 20 points are not finite"),
    "an archive": (saved(np.zeros(2), np.savez), "an archive of several arrays"),
    "text": (b"0.1, 0.2\n", NO_FILE),
    "empty": (b"", NO_FILE),
    "cut": (b"\x93NUMPY\x01\x00", NO_FILE),
    "no archive": (b"PK\x03\x04oops", NO_FILE),
    "a header of 7 TiB": (
        saved(np.zeros((20, 2))).replace(b"(20, 2)", b"(480000000000, 2)", 1),
        NO_FILE,
    ),
    "a header without end": (
        saved(np.zeros((20, 2))).replace(b"(20, 2)", b"(" * 60 + b"20, 2)"),
        NO_FILE,
    ),
    "missing": (None, r"cannot be read \(No such file"),
}


def test_other_numbers_are_read_as_float32(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40).reshape(20, 2))
    found = samples.read(tmp_path / "x.npy")
    assert found.dtype == torch.float32
    assert found.tolist() == [[2.0 * i, 2.0 * i + 1] for i in range(20)]


@pytest.mark.parametrize(("raw", "message"), WRONG.values(), ids=WRONG)
def test_other_files_are_refused(tmp_path, raw, message):
    if raw is not None:
        (tmp_path / "x.npy").write_bytes(raw)
    with pytest.raises(BadSamples, match=rf"x\.npy: .*{message}"):
        samples.read(tmp_path / "x.npy")
