"""Two-sample scores, checked against libraries, closed forms and plain loops."""

import math

import numpy as np
import ot
import pytest
import torch
from scipy import stats
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors

from helpers.metrics import samples


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, seed):
    return torch.randn(n, 2, generator=rng(seed))


def on_a_line(values):
    return torch.stack([values, torch.zeros_like(values)], -1)


def test_thin_keeps_distinct_points_of_the_set():
    x = torch.arange(20.0).view(10, 2)
    kept = samples.thin(x, 6, rng())
    assert len({tuple(row) for row in kept.tolist()}) == 6
    assert {tuple(row) for row in kept.tolist()} <= {tuple(row) for row in x.tolist()}


def test_thin_without_a_generator_takes_the_first():
    x = normal(10, 0)
    assert torch.equal(samples.thin(x, 4), x[:4])
    assert torch.equal(samples.thin(x, 10), x)


def test_nearest_training_distance_agrees_with_scikit_learn():
    x, train = normal(200, 0), normal(300, 1)
    distance, _ = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(x)
    assert samples.nearest_training_distance(x, train) == pytest.approx(distance.mean(), rel=1e-5)


def test_nearest_training_distance_of_recited_points_is_zero():
    train = normal(50, 0)
    assert samples.nearest_training_distance(train[:20], train) == 0


def test_nearest_training_distance_has_its_poisson_mean():
    n = 20_000  # uniform points of density n: P(distance > r) = exp(−πnr²), mean 1 / (2√n)
    train = torch.rand(n, 2, generator=rng(0))
    inner = 0.1 + 0.8 * torch.rand(n, 2, generator=rng(1))
    found = samples.nearest_training_distance(inner, train)
    assert found == pytest.approx(1 / (2 * math.sqrt(n)), rel=0.02)


def test_sliced_w2_of_a_shift_is_the_mean_of_its_projections():
    x = normal(500, 0)
    shift = torch.tensor([3.0, -4.0])
    expected = 5 / math.sqrt(2)  # E (5 cos θ)² = 25 / 2, whatever the shift's direction
    assert samples.sliced_w2(x, x + shift) == pytest.approx(expected, rel=1e-5)
    assert samples.sliced_w2(x, x + shift, generator=rng()) == pytest.approx(expected, rel=1e-5)


def test_sliced_w2_agrees_with_pots_own_random_directions():
    x, y = normal(400, 0), 2 * normal(300, 1) + 1
    theirs = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), n_projections=1_000, seed=0)
    assert samples.sliced_w2(x, y) == pytest.approx(theirs, rel=0.04)


def test_sliced_w2_cap_looks_at_that_many_points():
    x, y = normal(400, 0), normal(400, 1)
    capped = samples.sliced_w2(x, y, cap=100)
    assert capped == pytest.approx(samples.sliced_w2(x[:100], y[:100]))
    assert capped != pytest.approx(samples.sliced_w2(x, y))


def test_energy_distance_on_a_line_is_scipys_squared():
    u = torch.randn(300, generator=rng(0), dtype=torch.float64)
    v = 1 + 2 * torch.randn(200, generator=rng(1), dtype=torch.float64)
    expected = stats.energy_distance(u.numpy(), v.numpy()) ** 2
    assert samples.energy_distance(on_a_line(u), on_a_line(v)) == pytest.approx(expected)


def test_energy_distance_of_two_points_is_twice_their_distance():
    x, y = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    assert samples.energy_distance(x, y) == pytest.approx(10)


def test_energy_distance_cap_looks_at_that_many_points():
    x, y = normal(300, 0), normal(300, 1)
    capped = samples.energy_distance(x, y, cap=50)
    assert capped == pytest.approx(samples.energy_distance(x[:50], y[:50]))


def test_mmd_is_gretton_equation_3_with_scikit_learns_kernel():
    x, y = normal(60, 0).double(), 1 + normal(40, 1).double()
    pooled = torch.cat([x, y]).numpy()
    median2 = np.median([((a - b) ** 2).sum() for i, a in enumerate(pooled) for b in pooled[:i]])
    gamma = 1 / (2 * median2)
    xx, yy, xy = (rbf_kernel(a, b, gamma=gamma) for a, b in ((x, x), (y, y), (x, y)))
    expected = (xx.sum() - 60) / (60 * 59) + (yy.sum() - 40) / (40 * 39) - 2 * xy.mean()
    assert samples.mmd(x, y, 1, rng()).statistic == pytest.approx(expected)


def test_mmd_is_unbiased_and_its_p_value_uniform_under_the_null():
    tests = [
        samples.mmd(normal(60, seed), normal(60, 1_000 + seed), 99, rng(seed))
        for seed in range(100)
    ]
    statistic = np.array([t.statistic for t in tests])
    assert abs(statistic.mean()) < 4 * statistic.std() / math.sqrt(100)
    # ranks among 100 labellings, so steps of .01: far finer than the test can see
    assert stats.kstest([t.p_value for t in tests], "uniform").pvalue > 0.001


def test_mmd_p_value_of_a_plain_difference_is_the_least_possible():
    assert samples.mmd(normal(100, 0), 2 + normal(100, 1), 49, rng()).p_value == 1 / 50


def test_mmd_of_one_repeated_point_is_zero_and_proves_nothing():
    x = torch.ones(20, 2)
    assert samples.mmd(x, x, 9, rng()) == samples.MMD(0.0, 1.0)


def by_loops(x, y, k):
    """Precision, recall, density and coverage, word for word from their definitions."""
    reach_x, reach_y = (
        NearestNeighbors(n_neighbors=k).fit(side).kneighbors()[0][:, -1] for side in (x, y)
    )
    in_real = [[np.linalg.norm(a - b) <= r for b, r in zip(y, reach_y, strict=True)] for a in x]
    in_model = [[np.linalg.norm(a - b) <= r for a, r in zip(x, reach_x, strict=True)] for b in y]
    precision = sum(any(row) for row in in_real) / len(x)
    recall = sum(any(row) for row in in_model) / len(y)
    density = sum(sum(row) for row in in_real) / (k * len(x))
    coverage = sum(any(row[j] for row in in_real) for j in range(len(y))) / len(y)
    return precision, recall, density, coverage


@pytest.mark.parametrize("k", [1, 3])
def test_manifold_scores_agree_with_plain_loops(k):
    x, y = (1.5 * normal(50, 0) + 0.5).double(), normal(70, 1).double()
    found = samples.precision_recall_density_coverage(x, y, k)
    assert found == pytest.approx(by_loops(x.numpy(), y.numpy(), k))


def test_density_and_coverage_of_the_truth_have_their_expected_values():
    n, k = 4_000, 5
    found = samples.precision_recall_density_coverage(normal(n, 0), normal(n, 1), k)
    # Naeem et al. 2020, eq. 9 and lemma 1: ∏ (n − i)/(2n − i), i = 1..k, and one
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    assert found.coverage == pytest.approx(expected, abs=0.012)
    assert found.density == pytest.approx(1, abs=0.04)


def test_a_collapsed_model_is_precise_but_covers_nothing():
    y = normal(1_000, 1)
    x = 0.05 * normal(1_000, 0)
    found = samples.precision_recall_density_coverage(x, y)
    assert found.precision > 0.99
    assert found.recall < 0.05
    assert found.coverage < 0.1


def test_manifold_scores_name_the_remedy_when_points_are_too_few():
    with pytest.raises(ValueError, match=r"5 and 9 points with k = 5; give each side more"):
        samples.precision_recall_density_coverage(normal(5, 0), normal(9, 1))
