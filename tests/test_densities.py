"""Densities of models: closed forms where the networks are trivial, both families by one call."""

import math

import pytest
import torch
from torch import nn

from helpers import densities
from helpers.models import Gaussian
from helpers.targets import GaussianMixture, gmm5

TARGET = gmm5()
ONE = GaussianMixture(
    "one", torch.ones(1).double(), torch.zeros(1, 2).double(), torch.eye(2).double()[None]
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Stretch:
    """A generator that multiplies its noise: N(0, 4 I)."""

    latent = 2

    def decode(self, z):
        return 2 * z


class Copier(nn.Module):
    """An encoder and a decoder that ignore their input: p(x) is N(mean, 1), whatever z is."""

    def __init__(self, latent):
        super().__init__()
        self.latent = latent
        self.encoder = self.posterior
        self.decoder = self.likelihood

    def posterior(self, x):
        zeros = torch.zeros(len(x), self.latent)
        return Gaussian(zeros, zeros)

    def likelihood(self, z):
        mean = torch.zeros(*z.shape[:-1], 2)
        return Gaussian(mean, torch.zeros(1))


@pytest.mark.parametrize(
    ("latent", "how"), [(1, "quadrature"), (2, "quadrature"), (3, "importance")]
)
def test_the_likelihood_of_a_model_that_ignores_its_code_is_a_gaussians(latent, how):
    test = TARGET.sample(200, rng(4))
    found = densities.exact_likelihood(Copier(latent), TARGET, test, rng(5))
    normal = torch.distributions.Normal(0.0, 1.0)
    nll = -normal.log_prob(test.double()).sum(-1).mean().item()
    truth = -TARGET.log_prob(test).mean().item()
    assert found["nll_by"].startswith(how)
    assert found["nll"] == pytest.approx(nll, rel=1e-4)
    assert found["nll_truth"] == pytest.approx(truth, rel=1e-6)
    assert found["kl"] == pytest.approx(nll - truth, rel=1e-4)


def test_a_generator_that_stretches_is_a_wider_gaussian():
    x = ONE.sample(300, rng(1))
    normal = torch.distributions.Normal(0.0, 2.0)
    expected = normal.log_prob(x.double()).sum(-1)
    assert torch.allclose(densities.log_density(Stretch())(x), expected, atol=1e-4)


def test_divergences_of_a_wider_gaussian_have_their_closed_form():
    points, samples = ONE.sample(4_000, rng(2)), 2 * ONE.sample(4_000, rng(3))
    found = densities.model_divergences(Stretch(), ONE, points, samples, coarser=4)
    forward = 2 * (math.log(2) + 1 / 8 - 0.5)
    assert found.forward.value == pytest.approx(forward, abs=4 * found.forward.error)
    assert found.reverse.value == pytest.approx(
        2 * (-math.log(2) + 2 - 0.5), abs=4 * found.reverse.error
    )
    assert found.unreached.value == 0


def test_a_vae_and_a_generator_of_the_same_density_are_as_far_from_the_target():
    points, samples = ONE.sample(500, rng(4)), ONE.sample(500, rng(5))
    copier, same = Copier(2), Stretch()
    same.decode = lambda z: z
    kinds = [
        densities.model_divergences(m, ONE, points, samples, coarser=4) for m in (copier, same)
    ]
    assert kinds[0].jensen_shannon.value == pytest.approx(kinds[1].jensen_shannon.value, abs=1e-4)


def test_other_latent_sizes_have_no_exact_density():
    with pytest.raises(ValueError, match="latent = 3"):
        densities.log_density(Copier(3))(torch.zeros(2, 2))
