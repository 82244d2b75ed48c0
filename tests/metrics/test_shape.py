"""Shapes of modes: known distortions of single Gaussians come back as their own numbers."""

import math

import pytest
import torch
from scipy import stats

from helpers.metrics import shape
from helpers.targets import GaussianMixture

APART = GaussianMixture(
    "apart",
    torch.tensor([0.5, 0.5], dtype=torch.float64),
    torch.tensor([[-20.0, 0.0], [20.0, 5.0]], dtype=torch.float64),
    torch.tensor([[[1.0, 0.3], [0.3, 0.5]], [[0.2, 0.0], [0.0, 0.2]]], dtype=torch.float64),
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def moved(n, shift=0.0, scale=1.0):
    """True points, each distorted within its own component's standard coordinates."""
    x, component = APART.sample_labelled(n, rng(1))
    root = APART.scale_tril[component]
    inner = torch.linalg.solve_triangular(
        root, (x.double() - APART.means[component])[..., None], upper=False
    )
    inner = scale * inner + torch.tensor([[shift], [0.0]], dtype=torch.float64)
    return (APART.means[component] + (root @ inner)[..., 0]).float()


def test_radii_of_the_truth_follow_chi_squared():
    values = [shape.radius_chi2(APART, APART.sample(4_000, rng(s))) for s in range(30)]
    assert torch.tensor(values).mean() == pytest.approx(1, abs=4 * math.sqrt(2 / 38 / 30))


def test_radius_p_values_of_the_truth_are_uniform_and_of_a_fault_tiny():
    values = [shape.radius_p_value(APART, APART.sample(2_000, rng(s))) for s in range(60)]
    least = [1 - (1 - v / 2) ** 2 for v in values if v < 1]  # undo the correction for two modes
    assert stats.kstest(least, stats.uniform(scale=max(least)).cdf).pvalue > 1e-3
    assert shape.radius_p_value(APART, moved(2_000, scale=0.8)) < 1e-6


def test_a_shift_in_standard_deviations_is_the_mean_error():
    assert shape.mean_error(APART, moved(20_000, shift=0.5)) == pytest.approx(0.5, abs=0.03)


def test_a_scale_is_the_covariance_error():
    # S = s² I, so the Frobenius norm of S − I is √2 (s² − 1)
    expected = math.sqrt(2) * (1.2**2 - 1)
    assert shape.covariance_error(APART, moved(40_000, scale=1.2)) == pytest.approx(
        expected, abs=0.05
    )


def test_errors_shrink_with_more_true_points():
    few, many = (APART.sample(n, rng(2)) for n in (300, 30_000))
    for error in (shape.mean_error, shape.covariance_error):
        assert error(APART, many) < 0.5 * error(APART, few)


def test_a_mode_without_points_has_no_errors():
    x = APART.sample(500, rng(3))
    alone = x[x[:, 0] < 0]
    assert math.isnan(shape.mean_error(APART, alone))
    assert math.isnan(shape.covariance_error(APART, alone))


def test_only_what_lies_between_counts_as_a_bridge():
    x = APART.sample(980, rng(5))
    before = shape.bridge_mass(APART, torch.cat([x, torch.full((20, 2), 50.0)]))
    halfway = ((APART.means[0] + APART.means[1]) / 2).float().expand(20, 2)
    assert before <= 0.012  # beyond 3σ by chance
    assert shape.bridge_mass(APART, torch.cat([x, halfway])) == pytest.approx(before + 0.02)
