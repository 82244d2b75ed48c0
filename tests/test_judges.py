"""Judges: a mixture's scores after every epoch, a gallery's ten times, real beside fake."""

import pytest
import torch

from helpers import judges, probes
from helpers.galleries import Gallery
from helpers.metrics import images
from helpers.targets import Draws, Labelled, gmm5

GALLERY = Gallery("digits", 8, 1)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def some(n, seed=0):
    return torch.rand(n, 64, generator=rng(seed)) * 2 - 1


def draws(points):
    held = Labelled(points, torch.zeros(len(points), dtype=torch.long))
    return Draws(held, held, held)


@pytest.fixture
def flat_features(monkeypatch):
    """Pixels as features: quick, and honest enough to tell noise from grey."""
    asked = []

    def features(x):
        asked.append(len(x))
        return x.flatten(1)

    monkeypatch.setattr(images, "features", features)
    return asked


def test_a_mixture_is_scored_every_time():
    target = gmm5()
    judge = judges.judge_of(target, draws(target.sample(100, rng())))
    x = target.sample(2_000, rng(1))
    assert judge.watch(7, 250, x) == probes.quality(target, x)
    assert "within 3σ" in judge.line(judge.watch(7, 250, x))


def test_images_are_scored_about_ten_times(flat_features):
    judge = judges.judge_of(GALLERY, draws(some(60)))
    scored = [epoch for epoch in range(101) if judge.watch(epoch, 100, some(60, epoch + 1))]
    assert scored == [0, 1, *range(10, 101, 10)]
    assert len(flat_features) == len(scored) + 1  # the real ones once


def test_a_score_tells_grey_from_like(flat_features):
    judge = judges.judge_of(GALLERY, draws(some(80)))
    like, grey = judge.watch(0, 10, some(80, 9)), judge.watch(0, 10, torch.zeros(80, 64))
    assert abs(like["kid"]) < 0.2 * grey["kid"]
    assert grey["detail"] == 0 < like["detail"]
    assert judge.line(like).startswith("KID")


def test_an_epoch_without_score_shows_its_losses():
    judge = judges.judge_of(GALLERY, draws(some(10)))
    row = {"epoch": 3, "seconds": 1.5, "loss": 3.25, "kl": 0.5, "validation_kl": 1, "kid": None}
    assert judge.line(row) == "loss 3.25, kl 0.5"
