"""Perturbed latents follow the laws that their names promise."""

import pytest
import torch
from scipy import stats

from helpers.metrics.perturbations import PERTURBATIONS, heavy_tails, scale, shift, towards_uniform


@pytest.fixture
def z(generator):
    """Latents of the prior, (20,000, 2)."""
    return torch.randn(20_000, 2, generator=generator)


@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=lambda p: p.name)
def test_the_first_strength_is_the_prior_itself(perturbation, z, generator):
    assert torch.equal(perturbation.apply(z, perturbation.strengths[0], generator), z)


def test_a_shift_moves_by_its_length_and_a_scale_multiplies(z, generator):
    moved = shift(z, 2.0, generator) - z
    assert torch.allclose(moved.norm(dim=1), torch.tensor(2.0), atol=1e-5)
    assert torch.equal(scale(z, 3.0, generator), 3 * z)


def test_heavy_tails_are_students_with_one_scale_a_point(z, generator):
    t = heavy_tails(z, 0.2, generator)
    assert stats.kstest(t[:, 0].numpy(), stats.t(5).cdf).pvalue > 1e-3
    assert stats.kstest(t[:, 0].numpy(), stats.norm.cdf).pvalue < 1e-6  # and no longer Gaussian
    assert torch.allclose(*(t / z).unbind(1), rtol=1e-3)


def test_uniform_has_the_priors_variance_and_replaces_its_share(z, generator):
    u = towards_uniform(z, 1.0, generator)
    half = 3**0.5
    assert stats.kstest(u[:, 1].numpy(), stats.uniform(-half, 2 * half).cdf).pvalue > 1e-3
    replaced = (towards_uniform(z, 0.4, generator) != z).any(1).double().mean()
    assert abs(replaced - 0.4) < 0.02
