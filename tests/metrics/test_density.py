"""log p(x) on linear Gaussian models, whose marginal has a closed form; masses of known maps."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from helpers.metrics import density
from helpers.metrics.density import (
    grid_mass,
    importance,
    pushforward_grid_mass,
    quadrature,
    quadrature_with_error,
    sampled_grid_mass,
    total_variation,
)
from helpers.models import Gaussian, PlaneGaussian
from helpers.targets import gmm5

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


def prior_encoder(x):
    return Normal(torch.zeros(len(x), 2, dtype=x.dtype), torch.ones(2, dtype=x.dtype))


def points(latent, sigma, n=300):
    noise = torch.randn(n, 2, generator=rng(3), dtype=torch.float64)
    return SHIFT + noise @ marginal(latent, sigma).scale_tril.T


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("sigma", [1.0, 0.3])
def test_quadrature_is_the_exact_marginal(latent, sigma):
    x = points(latent, sigma).requires_grad_()
    found = quadrature(decoder(latent, sigma), x, latent)
    assert torch.allclose(found, marginal(latent, sigma).log_prob(x), atol=1e-5)
    assert not found.requires_grad


def test_quadrature_does_not_depend_on_how_points_are_split():
    x = points(2, 0.3)
    whole = quadrature(decoder(2, 0.3), x, 2, nodes=40)
    singly = torch.cat([quadrature(decoder(2, 0.3), one, 2, nodes=40) for one in x.split(1)])
    assert torch.allclose(whole, singly, atol=1e-12)


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


class Ignorant(nn.Module):
    """A VAE whose networks ignore their input: p(x) is N(0, I), whatever z is."""

    def __init__(self, latent):
        super().__init__()
        self.latent = latent
        self.encoder = lambda x: Gaussian(torch.zeros(len(x), latent), torch.zeros(1))
        self.decoder = lambda z: Gaussian(torch.zeros(*z.shape[:-1], 2), torch.zeros(1))


class Stretch:
    """A generator that multiplies its noise: N(0, 4 I)."""

    latent = 2

    def decode(self, z):
        return 2 * z


@pytest.mark.parametrize(
    ("latent", "how"), [(1, "quadrature"), (2, "quadrature"), (3, "importance, K = 2,000")]
)
def test_the_likelihood_of_a_vae_that_ignores_its_code_is_a_gaussians(latent, how):
    test = gmm5().sample(200, rng(4))
    found = density.exact_likelihood(Ignorant(latent), gmm5(), test, rng(5))
    nll = -Normal(torch.zeros(2), 1.0).log_prob(test.double()).mean().item()
    truth = -gmm5().log_prob(test).mean().item()
    assert found["nll_by"] == how
    assert found["nll"] == pytest.approx(nll, rel=1e-4)
    assert found["nll_truth"] == pytest.approx(truth, rel=1e-6)
    assert found["kl"] == pytest.approx(nll - truth, rel=1e-4)


@pytest.mark.parametrize(("model", "scale"), [(Ignorant(1), 1.0), (Stretch(), 2.0)])
def test_one_call_gives_the_density_of_either_kind(model, scale):
    x = scale * torch.randn(300, 2, generator=rng(1))
    expected = Normal(torch.zeros(2), scale).log_prob(x).double()
    found = density.log_density(model, coarser=2)(x).double()
    assert torch.allclose(found, expected, atol=1e-4)


MATRIX = torch.tensor([[1.5, 0.4], [-0.3, 0.8]])


def linear(z):
    return z @ MATRIX.T


def test_a_linear_maps_mass_is_the_gaussians():
    gaussian = MultivariateNormal(torch.zeros(2), MATRIX @ MATRIX.T)
    found = pushforward_grid_mass(linear, 6.0, 60, nodes=1_500)
    assert total_variation(found, grid_mass(gaussian.log_prob, 6.0, 60)) < 3e-3
    assert found.sum().item() == pytest.approx(1, abs=2e-4)


def test_a_fold_keeps_all_mass_on_its_side():
    found = pushforward_grid_mass(torch.abs, 5.0, 40, nodes=1_000)
    assert found[20:, 20:].sum().item() == pytest.approx(1, abs=1e-5)
    assert found[:20].sum() == 0


def test_a_map_onto_a_line_loses_nothing():
    """No grid of points would ever meet such a density."""
    found = pushforward_grid_mass(lambda z: z * torch.tensor([1.0, 0.0]), 6.0, 30, nodes=600)
    assert found.sum().item() == pytest.approx(1, abs=1e-6)
    assert int((found.sum(0) > 0).sum()) == 1


def test_what_lands_outside_is_missing_and_x_comes_first():
    found = pushforward_grid_mass(lambda z: z, 1.0, 10, nodes=2_000)
    assert found.sum().item() == pytest.approx(math.erf(1 / math.sqrt(2)) ** 2, abs=2e-3)
    corner = torch.tensor([0.5, -0.5])
    found = pushforward_grid_mass(lambda z: z * 0.01 + corner, 1.0, 2, nodes=100)
    assert found[1, 0].item() == pytest.approx(1)


def test_finer_cells_hide_less_and_what_is_outside_counts():
    apart = [
        total_variation(
            pushforward_grid_mass(linear, 8.0, n, 800), grid_mass(gmm5().log_prob, 8.0, n)
        )
        for n in (4, 8, 32)
    ]
    assert apart == sorted(apart)
    assert apart[-1] > 0.5
    assert total_variation(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.3])) == pytest.approx(0.2)


def test_the_error_of_a_mass_falls_with_the_step():
    coarse, fine = (density.grid_mass_error(linear, 6.0, 40, nodes) for nodes in (100, 800))
    assert fine < coarse / 3


def full_decoder(z):
    """A covariance of its own for every code; its marginal has no closed form."""
    below = 0.3 * z[:, 0]
    return PlaneGaussian(2 * z, 0.2 * z - 1, below)


class Unpruned(NamedTuple):
    """The same likelihood under another name, which every code is summed for."""

    like: PlaneGaussian

    def log_prob(self, x):
        return self.like.log_prob(x)


def test_full_covariances_are_integrated_as_log_prob_gives_them():
    x = 4 * torch.randn(300, 2, generator=rng(1), dtype=torch.float64)  # far out, too
    expected = quadrature(lambda z: Unpruned(full_decoder(z)), x, 2, 80)
    torch.testing.assert_close(quadrature(full_decoder, x, 2, 80), expected)


def test_sums_of_exponentials_are_torchs_also_where_nothing_is_left():
    values = torch.tensor([[0.0, -3.0, -1e4], [-2e5, -2e5, -3e5], [5.0, 4.0, -90.0]])
    torch.testing.assert_close(density._log_sum_exp(values.clone()), values.logsumexp(-1))


def test_as_many_nodes_are_taken_as_a_decoder_needs():
    x = torch.randn(600, 2, generator=rng(1))
    wide, narrow = (lambda z, s=s: Gaussian(z, torch.tensor([math.log(s)])) for s in (1.0, 0.03))
    assert density.enough(wide, x, 2) == density.NODES[2] // 4
    assert density.enough(narrow, x, 2) == density.NODES[2]


def test_counted_cells_hold_a_gaussians_mass():
    def draw(n, generator):
        return torch.randn(n, 2, generator=generator)

    found = sampled_grid_mass(draw, 4.0, 8, 200_000, rng(3))  # cells of side 1
    edges = torch.special.ndtr(torch.arange(-4, 5, dtype=torch.float64)).diff()
    expected = torch.outer(edges, edges)
    error = (expected * (1 - expected) / 200_000).sqrt()
    assert ((found - expected).abs() < 5 * error + 1e-9).all()
