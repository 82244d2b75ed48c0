"""Scores while a training runs: ten times, real beside fake."""

from types import SimpleNamespace

import pytest
import torch

from helpers.images import metrics
from helpers.images.datasets import ImageDataset
from helpers.images.readers import BadImages
from helpers.metrics.evaluator import evaluator
from helpers.targets import Draws, Labelled

DATASET = ImageDataset("digits", 8, 1)


def some(n, seed=0):
    return torch.rand(n, 64, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def evaluator_of(points):
    held = Labelled(points, torch.zeros(len(points), dtype=torch.long))
    return evaluator(DATASET, Draws(held, held, held))


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Pixels as features: quick, and honest enough to tell noise from grey; counts the calls."""
    sizes = []
    monkeypatch.setattr(metrics, "features", lambda x: sizes.append(len(x)) or x.flatten(1))
    return sizes


def test_images_are_scored_about_ten_times(asked):
    scores = evaluator_of(some(60))
    scored = [epoch for epoch in range(101) if scores.watch(epoch, 100, some(60, epoch + 1))]
    assert scored == [0, 1, *range(10, 101, 10)]
    assert len(asked) == len(scored) + 1  # the real ones once


def test_a_score_tells_grey_from_like():
    scores = evaluator_of(some(80))
    like, grey = scores.watch(0, 10, some(80, 9)), scores.watch(0, 10, torch.zeros(80, 64))
    assert abs(like["kid"]) < 0.2 * grey["kid"]
    assert like["diversity"] == pytest.approx(1, abs=0.1)
    assert grey["detail"] == grey["diversity"] == 0 < like["detail"]
    assert scores.line(like) == f"KID {like['kid']:.3g} (lower is better; real images ≈ 0)"
    row = {"epoch": 3, "seconds": 1.5, "loss": 3.25, "validation_kl": 1, "kid": None}
    assert scores.line(row) == "loss 3.25"


def test_too_few_held_out_images_are_refused_before_the_training():
    with pytest.raises(BadImages, match=r"^5 held-out images: too few to score by; give 6"):
        DATASET.evaluator(SimpleNamespace(validation=SimpleNamespace(points=some(5))))
