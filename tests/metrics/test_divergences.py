"""Divergences between Gaussians, whose values are known, and of models with holes."""

import math

import pytest
import torch

from helpers.metrics.divergences import divergences
from helpers.targets import GaussianMixture

ONE = GaussianMixture(
    "one", torch.ones(1).double(), torch.zeros(1, 2).double(), torch.eye(2).double()[None]
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def against(shift, scale=1.0, n=40_000):
    """Divergences of N(shift, scale² I) from the standard normal."""
    moved = torch.distributions.Normal(torch.tensor([shift, 0.0]).double(), scale)
    x = torch.tensor([shift, 0.0]) + scale * torch.randn(n, 2, generator=rng(1))
    return divergences(ONE, lambda p: moved.log_prob(p.double()).sum(-1), ONE.sample(n, rng(2)), x)


def close(estimate, value):
    return abs(estimate.value - value) < 4 * estimate.error + 1e-9


def test_two_gaussians_have_their_closed_forms():
    found = against(0.8, 1.5)
    forward = 2 * (math.log(1.5) + 1 / (2 * 1.5**2) - 0.5) + 0.8**2 / (2 * 1.5**2)
    backward = 2 * (-math.log(1.5) + 1.5**2 / 2 - 0.5) + 0.8**2 / 2
    assert close(found.forward, forward)
    assert close(found.reverse, backward)


def test_total_variation_of_a_shift_is_a_normal_probability():
    found = against(1.0)
    normal = torch.distributions.Normal(0.0, 1.0)
    assert close(found.total_variation, (2 * normal.cdf(torch.tensor(0.5)) - 1).item())


def test_equal_densities_are_zero_apart():
    assert [e.value for e in against(0.0)] == pytest.approx([0] * 5, abs=1e-5)


def test_jensen_shannon_reaches_log_two_for_what_never_meets():
    assert against(60.0).jensen_shannon.value == pytest.approx(math.log(2), abs=1e-6)


def test_a_hole_is_counted_and_makes_the_forward_divergence_infinite():
    def half(p):
        return torch.where(p[:, 0] > 0, ONE.log_prob(p) + math.log(2), -math.inf)

    x = ONE.sample(20_000, rng(3))
    found = divergences(ONE, half, ONE.sample(20_000, rng(4)), x[x[:, 0] > 0])
    assert found.forward.value == math.inf
    assert close(found.unreached, 0.5)
    assert close(found.total_variation, 0.5)
    assert found.reverse.value == pytest.approx(math.log(2), abs=1e-5)


def test_a_smaller_divergence_is_not_taken_for_a_larger():
    assert against(0.2).total_variation.value < against(0.5).total_variation.value
