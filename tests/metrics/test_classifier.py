"""The classifier test: half for the same, the Bayes rate for what is known to differ."""

import pytest
import torch

from helpers.metrics.classifier import telling_accuracy


def normal(n, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, generator=generator) + torch.tensor([shift, 0.0])


def test_equal_distributions_cannot_be_told():
    found = [telling_accuracy(normal(2_000, s), normal(2_000, 50 + s)) for s in range(5)]
    assert torch.tensor(found).mean() == pytest.approx(0.5, abs=0.015)


def test_a_shift_is_told_nearly_as_often_as_possible():
    best = torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(1.0)).item()
    found = telling_accuracy(normal(5_000, 0), normal(5_000, 1, shift=2.0))
    assert best - 0.02 < found < best + 0.015


def test_sides_of_unequal_size_are_cut_to_the_smaller():
    small, large = normal(300, 0), normal(3_000, 1)
    assert 0.4 < telling_accuracy(small, large) < 0.6


def test_no_fold_is_tested_by_trees_that_saw_it():
    pairs = normal(400, 0).repeat_interleave(5, 0)  # copies would be learned by heart
    assert telling_accuracy(normal(2_000, 3), normal(2_000, 4)) < 0.55
    assert telling_accuracy(pairs, normal(2_000, 5)) > 0.55
