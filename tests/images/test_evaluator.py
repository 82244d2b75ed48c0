"""Scores while a training runs and at its end: how often, on which images, by whose features."""

from types import SimpleNamespace

import pytest
import torch

from helpers import training
from helpers.images import classifier, metrics
from helpers.images.datasets import ImageDataset
from helpers.images.evaluator import ImageEvaluator
from helpers.images.readers import BadImages
from helpers.metrics.evaluator import evaluator
from helpers.targets import Draws, Labelled

DATASET = ImageDataset("digits", 8, 1)


def some(n, seed=0):
    return torch.rand(n, 64, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def evaluator_of(points):
    """Half of the points are to watch by, half to score the end by."""
    labelled = Labelled(points, torch.zeros(len(points), dtype=torch.long))
    half = len(points) // 2
    held_out = (Labelled(*(v[cut] for v in labelled)) for cut in (slice(half), slice(half, None)))
    return evaluator(DATASET, Draws(labelled, *held_out))


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
    for score in ("kid", "shape_kid"):
        assert abs(like[score]) < 0.2 * grey[score]
    assert like["diversity"] == pytest.approx(1, abs=0.1)
    assert grey["detail"] == grey["diversity"] == 0 < like["detail"]
    assert scores.line(like) == f"KID {like['kid']:.3g} (lower is better; real images ≈ 0)"
    row = {"epoch": 3, "seconds": 1.5, "loss": 3.25, "validation_kl": 1, "kid": None}
    assert scores.line(row) == "loss 3.25"


def test_too_few_held_out_images_are_refused_before_the_training():
    with pytest.raises(BadImages, match=r"^5 held-out images: too few to score by; give 6"):
        DATASET.evaluator(SimpleNamespace(validation=SimpleNamespace(points=some(5))))


class Judge:
    """A classifier of brightness, sure where it is extreme."""

    def judge(self, x):
        bright = ((x.mean(1, keepdim=True) + 1) / 2).clamp(0, 1)
        return classifier.Verdict(x.abs(), torch.cat([bright, 1 - bright], 1))


def parts(n, seed=0):
    zeros = torch.zeros(n, dtype=torch.long)
    return Draws(*(Labelled(some(n, seed + k), zeros) for k in range(3)))


def test_a_classifier_scores_oftener_and_says_what_it_recognises(asked):
    scores = ImageEvaluator((1, 8, 8), parts(40), Judge())
    assert scores.watched == 80  # all that is held out
    scored = [epoch for epoch in range(201) if scores.watch(epoch, 200, some(80, epoch + 9))]
    assert scored == [0, 1, *range(4, 201, 4)]
    mixed = torch.cat([torch.full((60, 64), 0.9), torch.zeros(20, 64)])
    assert scores.watch(0, 1, mixed)["sure"] == 0.75
    assert not asked  # the large network


def test_at_the_end_both_networks_compare_samples_and_other_real_images_with_held_out_ones():
    draws = parts(30)

    class Model(torch.nn.Module):
        latent = 64

        def decode(self, z):
            return z.clamp(-1, 1)

    scores = ImageEvaluator((1, 8, 8), draws, Judge())
    found = scores.final(Model(), draws.test.points, training.stream(3))
    z = torch.randn(60, 64, generator=training.stream(3))
    real = torch.cat([draws.validation.points, draws.test.points])
    for name, seen in ((metrics.FEATURES, lambda x: x), ("classifier", torch.abs)):
        sides = seen(real), seen(z.clamp(-1, 1)), seen(draws.train.points)
        for side, expected in metrics.image_scores(*sides, training.stream(0), name).items():
            for score, value in expected.items():
                assert found[side][score] == pytest.approx(value), (side, score)
