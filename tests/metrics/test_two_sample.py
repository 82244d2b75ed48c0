"""Two-sample scores, checked against POT, SciPy, scikit-learn, closed forms and plain loops."""

import math

import numpy as np
import ot
import pytest
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from helpers.metrics import two_sample
from helpers.metrics.two_sample import (
    c2st_accuracy,
    energy_distance,
    precision_recall_density_coverage,
    sliced_w2,
    w2_within_modes,
    wasserstein,
)
from helpers.targets import gmm5
from helpers.training import stream as rng


def normal(n, seed):
    return torch.randn(n, 2, generator=rng(seed))


def on_a_line(values):
    return torch.stack([values, torch.zeros_like(values)], -1)


@pytest.mark.parametrize("generator", [None, rng(0)])
def test_sliced_w2_of_a_shift_is_the_mean_of_its_projections(generator):
    x, shift = normal(500, 0), torch.tensor([3.0, -4.0])
    expected = 5 / math.sqrt(2)  # E (5 cos θ)² = 25 / 2, whatever the shift's direction
    assert sliced_w2(x, x + shift, generator=generator) == pytest.approx(expected, rel=1e-5)


def test_sliced_w2_agrees_with_pots_own_random_directions():
    x, y = normal(400, 0), 2 * normal(300, 1) + 1
    theirs = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), n_projections=1_000, seed=0)
    assert sliced_w2(x, y) == pytest.approx(theirs, rel=0.04)


def test_energy_distance_on_a_line_is_scipys_squared():
    u = torch.randn(300, generator=rng(0), dtype=torch.float64)
    v = 1 + 2 * torch.randn(200, generator=rng(1), dtype=torch.float64)
    expected = stats.energy_distance(u.numpy(), v.numpy()) ** 2
    assert energy_distance(on_a_line(u), on_a_line(v)) == pytest.approx(expected)


@pytest.mark.parametrize("order", [1, 2])
def test_a_shift_is_its_own_length_away(order):
    x = normal(200, 0)
    assert wasserstein(x, x + torch.tensor([3.0, 4.0]), order) == pytest.approx(5, rel=1e-5)


def test_on_a_line_order_one_agrees_with_scipy():
    x, y = torch.randn(150, generator=rng(1)), 1.5 * torch.randn(120, generator=rng(2))
    expected = stats.wasserstein_distance(x.numpy(), y.numpy())
    assert wasserstein(on_a_line(x), on_a_line(y), 1) == pytest.approx(expected, rel=1e-5)


def test_within_modes_weights_do_not_count_and_shape_does():
    target, even = gmm5(), torch.full((5,), 0.2).double()
    y = target.sample(6_000, rng(1))
    x = target.sample_given(even.multinomial(6_000, replacement=True, generator=rng(2)), rng(2))
    true = w2_within_modes(target, target.sample(6_000, rng(3)), y, rng(4))
    assert w2_within_modes(target, x, y, rng(4)) < 1.3 * true
    centre = target.means[target.classify(x)].float()
    assert w2_within_modes(target, centre + 0.7 * (x - centre), y, rng(4)) > 1.5 * true


def test_within_modes_a_shift_of_all_is_its_length_and_an_empty_mode_has_none():
    y = gmm5().means.float().repeat_interleave(20, 0)
    x = y + torch.tensor([0.06, 0.08])
    assert w2_within_modes(gmm5(), x, y) == pytest.approx(0.1, rel=1e-4)
    assert math.isnan(w2_within_modes(gmm5(), x[:80], y))


def by_loops(x, y, k):
    """Precision, recall, density and coverage, word for word from their definitions."""
    reach_x, reach_y = (
        NearestNeighbors(n_neighbors=k).fit(side).kneighbors()[0][:, -1] for side in (x, y)
    )
    in_real = [[np.linalg.norm(a - b) < r for b, r in zip(y, reach_y, strict=True)] for a in x]
    in_model = [[np.linalg.norm(a - b) < r for a, r in zip(x, reach_x, strict=True)] for b in y]
    precision = sum(any(row) for row in in_real) / len(x)
    recall = sum(any(row) for row in in_model) / len(y)
    density = sum(sum(row) for row in in_real) / (k * len(x))
    coverage = sum(any(row[j] for row in in_real) for j in range(len(y))) / len(y)
    return precision, recall, density, coverage


def test_exact_copies_have_the_density_one_of_the_authors_own_code():
    """Their balls are open: a point's k-th neighbour does not lie within (Naeem et al. 2020)."""
    x = normal(200, 0)
    assert precision_recall_density_coverage(x, x, 5).density == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 3])
def test_manifold_scores_agree_with_plain_loops(k):
    x, y = (1.5 * normal(50, 0) + 0.5).double(), normal(70, 1).double()
    found = precision_recall_density_coverage(x, y, k)
    assert found == pytest.approx(by_loops(x.numpy(), y.numpy(), k))


def test_a_collapsed_model_is_precise_but_covers_nothing():
    found = precision_recall_density_coverage(0.05 * normal(1_000, 0), normal(1_000, 1))
    assert found.precision > 0.99
    assert found.recall < 0.05
    assert found.coverage < 0.1


def test_equal_distributions_cannot_be_told():
    found = [c2st_accuracy(normal(2_000, s), normal(2_000, 50 + s)) for s in range(5)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.015)
    assert 0.4 < c2st_accuracy(normal(300, 0), normal(3_000, 1)) < 0.6  # cut to equal size


def test_a_shift_is_told_nearly_as_often_as_possible():
    best = stats.norm.cdf(1.0)  # the Bayes rate
    found = c2st_accuracy(normal(5_000, 0), normal(5_000, 1) + torch.tensor([2.0, 0.0]))
    assert best - 0.02 < found < best + 0.015


def test_folds_are_told_by_trees_that_did_not_see_them(monkeypatch):
    monkeypatch.setitem(two_sample.TREES, "min_samples_leaf", 1)  # learns its points by heart
    assert c2st_accuracy(normal(1_000, 3), normal(1_000, 4)) < 0.55
