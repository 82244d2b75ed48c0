"""The parts of the ELBO's gap, on a linear decoder whose posterior is known."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from helpers.metrics import amortisation, density
from helpers.models import Gaussian

SIGMA = 0.6
APART = torch.tensor([[1.5, 0.0], [0.0, 0.7]])  # codes act on coordinates of their own
MIXED = torch.tensor([[1.2, 0.9], [0.9, 0.8]])  # so that z₁ and z₂ depend on each other given x
X = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))


def model(matrix, shift=0.0, factor=1.0):
    """A VAE x = A z + σ ε whose encoder is off: by a shift, and by a factor in its scale."""

    def decoder(z):
        return Gaussian(z @ matrix.T, torch.tensor([math.log(SIGMA)]))

    def encoder(x):
        exact = posterior(matrix, x)
        spread = torch.diagonal(exact.covariance_matrix, dim1=-2, dim2=-1).sqrt()
        return Gaussian(exact.mean + shift, (factor * spread).log())

    return SimpleNamespace(encoder=encoder, decoder=decoder, latent=2)


def posterior(matrix, x):
    """p(z | x) of the linear model (Bishop 2006, eq. 2.116)."""
    covariance = torch.linalg.inv(torch.eye(2) + matrix.T @ matrix / SIGMA**2)
    mean = x @ matrix @ covariance / SIGMA**2
    return MultivariateNormal(mean, covariance.expand(len(x), 2, 2))


def as_torch(q):
    return MultivariateNormal(q.mean, torch.diag_embed((2 * q.log_scale).exp()))


def test_the_gap_is_the_divergence_from_the_posterior():
    vae = model(MIXED, shift=0.3, factor=1.4)
    found = amortisation.gaps(vae, X)
    expected = kl_divergence(as_torch(vae.encoder(X)), posterior(MIXED, X))
    torch.testing.assert_close(found.log_p - found.encoder, expected, rtol=1e-3, atol=1e-4)


def test_an_encoder_that_is_off_costs_amortisation_alone_where_the_form_is_right():
    vae = model(APART, shift=0.3, factor=1.4)
    found = amortisation.gaps(vae, X)
    assert found.approximation.abs().max() < 1e-3
    expected = kl_divergence(as_torch(vae.encoder(X)), posterior(APART, X))
    torch.testing.assert_close(found.amortisation, expected, rtol=1e-2, atol=1e-3)


def test_a_diagonal_form_costs_what_it_must_where_codes_depend_on_each_other():
    """The best has the posterior's mean and the inverse of its precisions as variances."""
    exact = posterior(MIXED, X)
    precision = torch.diagonal(torch.linalg.inv(exact.covariance_matrix), dim1=-2, dim2=-1)
    ideal = MultivariateNormal(exact.mean, torch.diag_embed(1 / precision))
    found = amortisation.gaps(model(MIXED), X)
    torch.testing.assert_close(
        found.approximation, kl_divergence(ideal, exact), rtol=1e-2, atol=1e-3
    )


def test_moments_of_the_posterior_are_those_of_its_closed_form():
    q = amortisation.posterior_moments(model(MIXED).decoder, X, 160)
    exact = posterior(MIXED, X)
    torch.testing.assert_close(q.mean, exact.mean, rtol=1e-3, atol=1e-4)
    spread = torch.diagonal(exact.covariance_matrix, dim1=-2, dim2=-1)
    torch.testing.assert_close((2 * q.log_scale).exp(), spread, rtol=1e-3, atol=1e-5)


def test_the_search_gains_nothing_from_a_decoders_kinks():
    """Scored on as many nodes as it takes; the best is never below the encoder's own."""

    def decoder(z):
        bent = torch.stack([(4 * z[:, :, 0]).abs(), (3 * z[:, :, 1]).relu()], -1)
        return Gaussian(bent, torch.tensor([math.log(0.3)]))

    starts = [Gaussian(torch.full((30, 2), 0.3), torch.full((30, 2), -1.0))]
    q, value = amortisation.best(decoder, X, starts)
    finer = amortisation.elbo(q, decoder, X, 2 * amortisation.SCORED)
    assert (value - finer).abs().mean() < 0.02
    assert (value >= amortisation.elbo(starts[0], decoder, X)).all()


def test_the_best_of_several_starts_is_kept(monkeypatch):
    monkeypatch.setattr(amortisation, "STEPS", 1)
    vae, far = model(APART), Gaussian(torch.full((30, 2), 5.0), torch.zeros(30, 2))
    q, value = amortisation.best(vae.decoder, X, [far, vae.encoder(X)])
    log_p = density.quadrature(vae.decoder, X, 2)
    assert (log_p - value).mean().item() == pytest.approx(0, abs=0.02)
    assert (q.mean - vae.encoder(X).mean).abs().max() < 0.2
