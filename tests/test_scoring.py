"""Samples from files, and the scorecard: true samples pass, a missing mode is seen."""

import json
import math

import numpy as np
import pytest
import torch

from helpers import scoring, targets
from helpers.scoring import BadSamples, Row

TARGET = targets.gmm5()
N = 10_000  # the truth's ranges at this size are kept in the repository


def rng(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def train():
    return targets.draw(TARGET, rng(5)).train.points


def score(points, train):
    return {row.metric: row for row in scoring.score(TARGET, points, train, rng(1))}


def test_true_samples_are_inside_on_every_metric(train, capsys):
    rows = score(TARGET.sample(N, rng(11)), train)
    assert [name for name, row in rows.items() if not row.inside] == []
    assert capsys.readouterr().out == ""  # the ranges were there


def test_a_missing_mode_is_seen_by_the_metrics_that_can_see_it(train):
    drawn = TARGET.sample_labelled(2 * N, rng(11))
    rows = score(drawn.points[drawn.components != 0][:N], train)
    blind = {"modes covered", "coverage", "mode weight KL", "recall", "energy distance"}
    assert {name for name in blind if rows[name].inside} == set()
    assert rows["modes covered"].value == 4
    # the mixture without its weight .3 has KL log(1 / .7), less what strays into the gap
    assert rows["mode weight KL"].value == pytest.approx(math.log(1 / 0.7), abs=0.02)
    assert rows["within 3σ"].inside


ROWS = [
    Row("recall", "share", "higher", 0.5, 0.99, 0.98, 1.0, False, 0.0004),
    Row("MMD²", "1", "lower", math.nan, 0.0, -0.1, math.inf, False, 0.0),
    Row("density", "1", "closer to truth", 1.0, 1.0, 0.9, 1.1, True, 1.0),
]


def test_text_has_a_line_a_metric_with_its_mark():
    text = scoring.as_text(ROWS, 10_000, TARGET).splitlines()
    assert text[0] == "10,000 samples against gmm5"
    assert len(text) == 6
    assert text[2].split() == [
        "recall",
        "(share)",
        "0.5",
        "0.99",
        "0.98",
        "to",
        "1",
        "✗",
        "outside",
        "0.0004",
        "higher",
    ]
    assert text[4].split() == [
        "density",
        "1",
        "1",
        "0.9",
        "to",
        "1.1",
        "✓",
        "inside",
        "1",
        "closer",
        "to",
        "truth",
    ]
    assert text[5].startswith("1 of 3 metrics")


def test_json_is_strict_and_says_what_the_text_says():
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(scoring.as_json(ROWS), parse_constant=refuse)
    assert list(found) == ["recall", "MMD²", "density"]
    expected = {"value": 0.5, "truth_mean": 0.99, "low": 0.98, "high": 1.0, "inside": False}
    assert {k: found["recall"][k] for k in expected} == expected
    assert found["MMD²"]["value"] is None
    assert found["MMD²"]["high"] is None


def test_points_come_back(tmp_path):
    points = TARGET.sample(50, rng(1))
    scoring.write_points(tmp_path / "new" / "points.npy", points)
    assert torch.equal(scoring.read_points(tmp_path / "new" / "points.npy"), points)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["points.npy"]


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32])
def test_other_numbers_are_read_as_float32(tmp_path, kind):
    np.save(tmp_path / "x.npy", np.arange(40).reshape(20, 2).astype(kind))
    found = scoring.read_points(tmp_path / "x.npy")
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
        scoring.read_points(tmp_path / "x.npy")


@pytest.mark.parametrize("content", [b"0.1, 0.2\n", b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04oops"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(BadSamples, match=r"x\.npy: not a \.npy file of numbers"):
        scoring.read_points(tmp_path / "x.npy")


def test_archives_folders_and_missing_files_are_refused(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.savez(file, a=np.zeros(2))
    with pytest.raises(BadSamples, match="an archive of several arrays"):
        scoring.read_points(tmp_path / "x.npy")
    with pytest.raises(BadSamples, match=r"y\.npy: cannot be read \(No such file"):
        scoring.read_points(tmp_path / "y.npy")
    (tmp_path / "z.npy").mkdir()
    with pytest.raises(BadSamples, match=r"z\.npy: cannot be read"):
        scoring.read_points(tmp_path / "z.npy")


def test_numbers_are_shown_to_four_digits():
    assert scoring.shown(0.123456) == "0.1235"
    assert scoring.shown([1.0, math.nan]) == "1 nan"
    assert scoring.shown("quadrature") == "quadrature"
