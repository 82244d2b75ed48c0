"""Samples from files and runs, and their scores as a table: a missing mode is seen."""

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
    points, target = samples.find(str(stem), 40, "")
    assert torch.equal(points, run.sample(40, stream(0)))
    assert target.name == "ring8"
    assert samples.find(str(stem), 40, "grid25")[1].name == "grid25"
    samples.write(tmp_path / "x.npy", points)
    again, target = samples.find(str(tmp_path / "x.npy"), 0, "")
    assert torch.equal(again, points)
    assert target.name == "gmm5"


def test_images_have_no_scorecard(tmp_path):
    samples.write(tmp_path / "x.npy", torch.zeros(20, 2))
    with pytest.raises(BadSamples, match=r"digits-28: these metrics are for the plane"):
        samples.find(str(tmp_path / "x.npy"), 10, "digits")


def test_a_run_of_images_is_described_beside_real_ones():
    class Run:
        stem = samples.Path("there", "seed5")
        metrics = {"fake": {"FID": 3.0}, "reference": {"FID": 1.0}}  # noqa: RUF012

    assert list(samples.described(Run)) == [
        f"saved {Run.stem}.zip",
        "  FID 3 (real 1)",
    ]


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32])
def test_other_numbers_are_read_as_float32(tmp_path, kind):
    np.save(tmp_path / "x.npy", np.arange(40).reshape(20, 2).astype(kind))
    found = samples.read(tmp_path / "x.npy")
    assert found.dtype == torch.float32
    assert found.tolist() == [[2.0 * i, 2.0 * i + 1] for i in range(20)]


ARRAYS = {
    "one column": (np.zeros(20), r"float64 of shape \(20,\), expected numbers of shape \(n, 2\)"),
    "three columns": (np.zeros((20, 3)), r"shape \(20, 3\), expected"),
    "few": (np.zeros((9, 2)), "9 points, expected .* of 10 at least"),
    "words": (np.full((20, 2), "a"), "<U1 of shape"),
    "complex": (np.zeros((20, 2), complex), "complex128 of shape"),
    "objects": (np.full((20, 2), None), "not a .npy file of numbers"),
    "not finite": (np.full((20, 2), np.nan), "20 of 20 points are not finite"),
    "too large": (np.full((20, 2), 1e300), "20 of 20 points are not finite"),
}


@pytest.mark.parametrize(("array", "message"), ARRAYS.values(), ids=ARRAYS)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(BadSamples, match=rf"x\.npy: .*{message}"):
        samples.read(tmp_path / "x.npy")


@pytest.mark.parametrize("content", [b"0.1, 0.2\n", b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04oops"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(BadSamples, match=r"x\.npy: not a \.npy file of numbers"):
        samples.read(tmp_path / "x.npy")


def test_archives_folders_and_missing_files_are_refused(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.savez(file, a=np.zeros(2))
    with pytest.raises(BadSamples, match="an archive of several arrays"):
        samples.read(tmp_path / "x.npy")
    with pytest.raises(BadSamples, match=r"y\.npy: cannot be read \(No such file"):
        samples.read(tmp_path / "y.npy")
    (tmp_path / "z.npy").mkdir()
    with pytest.raises(BadSamples, match=r"z\.npy: cannot be read"):
        samples.read(tmp_path / "z.npy")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), ([1.0, None, math.nan], "1 nan nan"), ("quadrature", "quadrature")],
)
def test_numbers_are_shown_to_four_digits(value, text):
    assert samples.shown(value) == text
