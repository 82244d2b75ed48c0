"""The judge: accuracy on held-out images, the order of planted faults, what is kept of it."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from helpers.images import classifier, metrics
from helpers.images.datasets import ImageDataset
from helpers.targets import Draws, Labelled

DIGITS = ImageDataset.named("digits")


@pytest.fixture(scope="module")
def held_out():
    return [torch.cat(parts) for parts in zip(*DIGITS.draws()[1:], strict=True)]


@pytest.fixture(scope="module")
def judge():
    return classifier.of(DIGITS)


def test_the_judge_of_digits_recognises_held_out_ones(judge, held_out):
    x, labels = held_out
    verdict = judge.judge(x)
    assert (verdict.probabilities.argmax(1) == labels).float().mean() > 0.97
    assert torch.allclose(verdict.probabilities, judge(x).softmax(-1), atol=1e-6)
    assert verdict.features.shape == (1_000, 64)
    assert verdict.features.square().mean() == pytest.approx(1, rel=0.15)
    assert verdict.sure.float().mean() > 0.95
    counts = judge(x).argmax(1).bincount(minlength=10)
    assert torch.allclose(verdict.shares, counts / 1_000)


def test_it_orders_planted_faults(judge, held_out):
    x, _ = held_out
    real = DIGITS.draws().train.points[:1_000]
    images, noise = DIGITS.fold(real), torch.randn(real.shape, generator=torch.Generator())

    def score(fake):
        return metrics.fid(judge.judge(x).features, judge.judge(fake.clamp(-1, 1)).features)

    blurred = avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    twice = avg_pool2d(blurred, 3, 1, 1, count_include_pad=False)
    collapsed = real[torch.arange(1_000) % 10]
    for mild, strong in (
        (blurred.flatten(1), twice.flatten(1)),
        (real + 0.3 * noise, real + 0.6 * noise),
        (real[torch.arange(1_000) % 50], collapsed),
    ):
        assert 1.2 * score(real) < score(mild) < score(strong)


def squares(n, seed):
    """Bright squares left or right: a dataset that anyone could tell apart."""
    labels = torch.randint(2, (n,), generator=torch.Generator().manual_seed(seed))
    x = torch.full((n, 1, 8, 8), -1.0)
    for image, label in zip(x, labels, strict=True):
        image[0, 2:6, 4 * label : 4 * label + 4] = 1
    return Labelled(x.flatten(1), labels)


class Squares:
    source, size, shape, name = "squares", 8, (1, 8, 8), "squares-8"

    def draws(self):
        return Draws(squares(200, 0), squares(50, 1), squares(50, 2))


def test_what_is_kept_is_read_back_and_what_is_damaged_trained_again(written, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 60)
    x, labels = squares(100, 9)
    first = classifier.of.__wrapped__(Squares())
    assert (first(x).argmax(1) == labels).all()
    path = next((written / "data" / "classifiers").iterdir())
    monkeypatch.setattr(classifier, "fit", None)  # nothing can be trained
    assert torch.equal(classifier.of.__wrapped__(Squares())(x), first(x))
    monkeypatch.undo()
    monkeypatch.setenv("FIVE_GAUSSIANS_OUT", str(written))
    monkeypatch.setattr(classifier, "STEPS", 60)
    path.write_bytes(path.read_bytes()[:-50])
    assert torch.equal(classifier.of.__wrapped__(Squares())(x), first(x))
