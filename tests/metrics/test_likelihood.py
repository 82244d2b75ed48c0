"""log p(x), checked on a linear Gaussian model whose marginal has a closed form."""

import math
from typing import NamedTuple

import pytest
import torch
from torch.distributions import MultivariateNormal

from helpers.metrics.likelihood import importance, quadrature, quadrature_with_error

SHIFT = torch.tensor([1.0, -2.0], dtype=torch.float64)
MAPS = {
    1: torch.tensor([[1.5], [-0.5]], dtype=torch.float64),
    2: torch.tensor([[1.5, 0.4], [-0.5, 0.9]], dtype=torch.float64),
    4: torch.tensor([[1.5, 0.4, 0.3, -1.0], [-0.5, 0.9, 0.1, 0.6]], dtype=torch.float64),
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Normal(NamedTuple):
    """N(mean, scale²) over independent coordinates."""

    mean: torch.Tensor
    scale: torch.Tensor | float

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.scale).log_prob(x).sum(-1)

    def sample(self, noise):
        return self.mean + self.scale * noise


class Posterior(NamedTuple):
    """The exact p(z | x) of a linear Gaussian model."""

    mean: torch.Tensor
    covariance: torch.Tensor

    def log_prob(self, z):
        return MultivariateNormal(self.mean, self.covariance).log_prob(z)

    def sample(self, noise):
        return self.mean + noise @ torch.linalg.cholesky(self.covariance).T


def decoder(latent, sigma):
    """p(x | z) = N(shift + A z, σ² I)."""
    return lambda z: Normal(SHIFT + z @ MAPS[latent].T, sigma)


def marginal(latent, sigma):
    """p(x) = N(shift, A Aᵀ + σ² I)."""
    a = MAPS[latent]
    return MultivariateNormal(SHIFT, a @ a.T + sigma**2 * torch.eye(2, dtype=torch.float64))


def exact_encoder(latent, sigma):
    """p(z | x) = N(S Aᵀ (x − shift) / σ², S), S = (I + AᵀA / σ²)⁻¹ (Bishop 2006, eq. 2.116)."""
    a = MAPS[latent]
    s = torch.linalg.inv(torch.eye(latent, dtype=torch.float64) + a.T @ a / sigma**2)
    return lambda x: Posterior((x - SHIFT) @ a @ s / sigma**2, s)


def points(latent, sigma, n=300):
    noise = torch.randn(n, 2, generator=rng(3), dtype=torch.float64)
    return SHIFT + noise @ marginal(latent, sigma).scale_tril.T


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("sigma", [1.0, 0.3])
def test_quadrature_is_the_exact_marginal(latent, sigma):
    x = points(latent, sigma)
    found = quadrature(decoder(latent, sigma), x, latent)
    assert torch.allclose(found, marginal(latent, sigma).log_prob(x), atol=1e-5)


def test_quadrature_in_single_precision_stays_close():
    x = points(2, 0.3)
    single = quadrature(lambda z: Normal(SHIFT.float() + z @ MAPS[2].T.float(), 0.3), x.float(), 2)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), marginal(2, 0.3).log_prob(x), atol=1e-4)


def test_quadrature_does_not_depend_on_how_points_are_split():
    x = points(2, 0.3)
    whole = quadrature(decoder(2, 0.3), x, 2, nodes=40)
    singly = torch.cat([quadrature(decoder(2, 0.3), one, 2, nodes=40) for one in x.split(1)])
    assert torch.allclose(whole, singly, atol=1e-12)


def test_a_decoder_that_ignores_its_code_gives_its_own_density():
    x = points(2, 1.0)
    found = quadrature(lambda z: Normal(SHIFT.expand(len(z), 2), 0.7), x, 2)
    assert torch.allclose(found, Normal(SHIFT, 0.7).log_prob(x), atol=1e-6)


@pytest.mark.parametrize("latent", [0, 3])
def test_quadrature_refuses_other_sizes_and_names_the_remedy(latent):
    with pytest.raises(ValueError, match=rf"latent = {latent}: .* use importance\(\)"):
        quadrature(decoder(2, 1.0), points(2, 1.0), latent)


def test_the_reported_error_is_small_exactly_where_the_rule_is_fine_enough():
    x = points(1, 0.05)
    truth = marginal(1, 0.05).log_prob(x).mean().item()
    fine, small = quadrature_with_error(decoder(1, 0.05), x, 1, nodes=1_000)
    rough, large = quadrature_with_error(decoder(1, 0.05), x, 1, nodes=40)
    assert fine == pytest.approx(truth, abs=1e-5)
    assert small < 1e-6
    assert large > 0.1
    assert abs(rough - truth) < large


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_importance_with_the_exact_posterior_is_exact_with_one_sample(latent):
    x = points(latent, 0.5)
    found = importance(exact_encoder(latent, 0.5), decoder(latent, 0.5), x, latent, 1, rng())
    assert torch.allclose(found, marginal(latent, 0.5).log_prob(x), atol=1e-9)


def prior_encoder(x):
    return Normal(torch.zeros(len(x), 2, dtype=x.dtype), torch.ones(2, dtype=x.dtype))


def test_one_sample_bound_averages_to_the_elbo_in_closed_form():
    x = points(2, 1.0, n=4_000)
    found = importance(prior_encoder, decoder(2, 1.0), x, 2, 1, rng()).double()
    # q is the prior, so the KL is zero and E_z log N(x; shift + Az, I) is all there is
    offset2 = (x - SHIFT).square().sum(-1) + MAPS[2].square().sum()
    elbo = -0.5 * offset2 - math.log(2 * math.pi)
    error = (found - elbo).std() / math.sqrt(len(x))
    assert abs((found - elbo).mean()) < 4 * error


def test_the_bound_rises_with_samples_towards_the_truth():
    x = points(2, 1.0, n=500)
    truth = marginal(2, 1.0).log_prob(x).mean().item()
    bounds = [
        importance(prior_encoder, decoder(2, 1.0), x, 2, k, rng()).mean().item()
        for k in (1, 10, 100, 3_000)  # the last is cut into several portions
    ]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(truth, abs=0.01)
    assert bounds[0] < truth - 0.5


def test_likelihoods_leave_no_gradient_behind():
    x = points(2, 1.0, n=5).requires_grad_()
    assert not quadrature(decoder(2, 1.0), x, 2, nodes=20).requires_grad
    assert not importance(prior_encoder, decoder(2, 1.0), x, 2, 3, rng()).requires_grad
