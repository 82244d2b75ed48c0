"""Scores while a training runs: ten times, real beside fake."""

import pytest
import torch

from helpers.images import metrics
from helpers.images.datasets import ImageDataset, ImageEvaluator
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
    assert scores.line(like) == f"KID {like['kid']:.3g}"


def test_an_epoch_without_score_shows_its_losses():
    row = {"epoch": 3, "seconds": 1.5, "loss": 3.25, "kl": 0.5, "validation_kl": 1, "kid": None}
    assert evaluator_of(some(10)).line(row) == "loss 3.25, kl 0.5"


def test_the_end_is_scored_on_decoded_latents_beside_real_images():
    class Model(torch.nn.Module):
        latent = 64

        def decode(self, z):
            return z.tanh()

    held_out, test, rng = some(40), some(40, 1), torch.Generator()
    found = evaluator_of(held_out).final(Model(), test, rng.manual_seed(3))
    x = torch.randn(40, 64, generator=rng.manual_seed(3)).tanh()
    expected = metrics.image_scores(held_out, x, test, rng.manual_seed(0))
    assert found == expected


def test_too_few_held_out_images_are_refused_before_the_training():
    with pytest.raises(BadImages, match=r"^5 held-out images: too few to score by; give 6"):
        ImageEvaluator(DATASET.shape, some(5))
