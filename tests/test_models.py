"""The networks: sizes counted by hand, densities against torch.distributions, fresh weights."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from helpers import models

STANDARD = models.Standard(torch.tensor([0.5, -1.0]), torch.tensor([2.0, 3.0]))


def gaussian(generator, n=40, d=3) -> models.Gaussian:
    draws = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return models.Gaussian(draws[0], 0.7 * draws[1])


def plane_gaussian(generator, n=40) -> models.PlaneGaussian:
    draws = torch.randn(5, n, generator=generator, dtype=torch.float64)
    return models.PlaneGaussian(draws[:2].T, 0.7 * draws[2:4].T, draws[4])


def as_torch(p: models.Gaussian | models.PlaneGaussian):
    """The same distribution as torch writes it."""
    if isinstance(p, models.Gaussian):
        return Independent(Normal(p.mean, p.log_scale.exp()), 1)
    lower = torch.diag_embed(p.log_diagonal.exp())
    lower[..., 1, 0] = p.below
    return MultivariateNormal(p.mean, scale_tril=lower)


# -------------------------------------------------------------------------------------- sizes


def test_parameter_counts_are_the_assignments():
    encoder = models.Encoder(STANDARD, (128, 64), 2)
    decoder = models.Decoder(STANDARD, (64, 128), 2, "unit")
    assert models.parameters(models.VAE(encoder, decoder, 2)) == 18_054
    assert models.parameters(models.Generator(STANDARD, (64, 64), 2)) == 4_482
    assert models.parameters(models.Critic(STANDARD, (128, 128))) == 17_537


@pytest.mark.parametrize(("variance", "more"), [("unit", 0), ("scale", 1), ("full", 3 * (5 + 1))])
def test_a_decoders_variance_costs_what_it_should(variance, more):
    plain = 2 * 5 + 5 + 5 * 2 + 2
    assert models.parameters(models.Decoder(STANDARD, (5,), 2, variance)) == plain + more


def test_frozen_parameters_are_not_counted():
    layer = nn.Linear(3, 4)
    layer.bias.requires_grad_(False)
    assert models.parameters(layer) == 12


# ---------------------------------------------------------------------------------- densities


@pytest.mark.parametrize("make", [gaussian, plane_gaussian])
def test_log_density_is_that_of_torch(make, generator):
    p = make(generator)
    x = p.mean + 2 * torch.randn(p.mean.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(p.log_prob(x), as_torch(p).log_prob(x))


def test_one_scale_for_all_dimensions_counts_once_in_each():
    p = models.Gaussian(torch.zeros(4, 2), torch.tensor([0.3]))
    spread = as_torch(models.Gaussian(p.mean, torch.full((4, 2), 0.3)))
    x = torch.tensor([[0.0, 1], [2, 3], [-1, 0], [1, 1]])
    torch.testing.assert_close(p.log_prob(x), spread.log_prob(x))


def test_kl_to_the_prior_is_that_of_torch(generator):
    p = gaussian(generator)
    prior = Independent(Normal(torch.zeros_like(p.mean), 1.0), 1)
    torch.testing.assert_close(p.kl_to_prior(), kl_divergence(as_torch(p), prior))


@pytest.mark.parametrize("make", [gaussian, plane_gaussian])
def test_samples_have_the_mean_and_covariance(make, generator):
    p = make(generator, n=1)
    d, n = p.mean.shape[-1], 100_000
    x = p.sample(torch.randn(n, d, generator=generator, dtype=torch.float64))
    covariance = as_torch(p).covariance_matrix[0] if d == 2 else as_torch(p).variance[0].diag()
    size = covariance.diagonal().max().item()
    torch.testing.assert_close(x.mean(0), p.mean[0], atol=5 * math.sqrt(size / n), rtol=0)
    torch.testing.assert_close(x.T.cov(), covariance, atol=8 * size / math.sqrt(n), rtol=0)


def test_gradient_flows_through_a_sample(generator):
    """d/dm E z² = 2m and d/ds E z² = 2e^{2s}, seen through the reparameterisation."""
    mean, log_scale = (torch.tensor([v], requires_grad=True) for v in (0.8, -0.3))
    noise = torch.randn(200_000, 1, generator=generator)
    models.Gaussian(mean, log_scale).sample(noise).square().mean().backward()
    assert mean.grad.item() == pytest.approx(2 * 0.8, abs=0.02)
    assert log_scale.grad.item() == pytest.approx(2 * math.exp(-0.6), abs=0.02)


# ------------------------------------------------------------------------------------- layers


def test_actnorm_measures_mean_zero_and_variance_one(generator):
    h = torch.randn(500, 4, generator=generator) * torch.tensor([0.1, 1, 5, 30]) + 7
    layer = models.ActNorm(4)
    layer.measure(h)
    torch.testing.assert_close(layer(h).mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(layer(h).var(0), torch.ones(4), atol=1e-4, rtol=0)
    assert all(p.requires_grad for p in layer.parameters())


def test_every_actnorm_of_a_fresh_network_is_measured(generator):
    net = models.mlp((2, 8, 6, 1), nn.ReLU(), normalise=True)
    u = torch.randn(300, 2, generator=generator)
    models.initialise(net, generator, u)
    for layer in net:
        u = layer(u)
        if isinstance(layer, models.ActNorm):
            torch.testing.assert_close(u.mean(0), torch.zeros(u.shape[1]), atol=1e-4, rtol=0)
            torch.testing.assert_close(u.std(0), torch.ones(u.shape[1]), atol=1e-4, rtol=0)


def test_fresh_weights_come_from_the_generator_alone():
    net, u = models.mlp((2, 64, 64, 1), nn.ReLU()), torch.zeros(1, 2)
    before = torch.random.get_rng_state()
    draws = []
    for seed in (1, 1, 2):
        models.initialise(net, torch.Generator().manual_seed(seed), u)
        draws.append(nn.utils.parameters_to_vector(net.parameters()))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_fresh_weights_fill_the_range_of_their_fan_in(generator):
    net = models.mlp((2, 100, 100, 1), nn.ReLU())
    models.initialise(net, generator, torch.zeros(1, 2))
    weight = net[2].weight.detach()  # fan-in 100: uniform on ±0.1, so std 0.1/√3
    assert 0.0999 < weight.abs().max().item() <= 0.1
    assert weight.std().item() == pytest.approx(0.1 / math.sqrt(3), rel=0.03)


def test_layers_alternate_as_asked():
    kinds = [type(layer) for layer in models.mlp((2, 3, 4, 1), nn.ReLU(), normalise=True)]
    hidden = [nn.Linear, models.ActNorm, nn.ReLU]
    assert kinds == [*hidden, *hidden, nn.Linear]


# ----------------------------------------------------------------------------------- networks


def test_standardising_and_restoring_cancel(generator):
    network = models.Generator(STANDARD, (4,), 2)
    x = torch.randn(20, 2, generator=generator)
    torch.testing.assert_close(network.restore(network.standardise(x)), x)
    torch.testing.assert_close(network.standardise(STANDARD.location), torch.zeros(2))


def test_encoder_reads_standardised_points_and_halves_the_log_variance(generator):
    encoder = models.Encoder(STANDARD, (8,), 3)
    x = torch.randn(5, 2, generator=generator)
    out = encoder.net((x - STANDARD.location) / STANDARD.scale)
    torch.testing.assert_close(encoder(x).mean, out[:, :3])
    torch.testing.assert_close(torch.exp(2 * encoder(x).log_scale), out[:, 3:].exp())


def test_a_silent_full_decoder_starts_at_a_tenth_of_the_data():
    decoder = models.Decoder(STANDARD, (4,), 2, "full")
    for p in decoder.net.parameters():
        nn.init.zeros_(p)
    p = as_torch(decoder(torch.zeros(1, 2)))
    torch.testing.assert_close(p.mean[0], STANDARD.location)
    torch.testing.assert_close(p.stddev[0], models.SHARP * STANDARD.scale)


def test_unit_variance_is_a_squared_error(generator):
    decoder = models.Decoder(STANDARD, (4,), 2, "unit")
    z, x = torch.randn(2, 6, 2, generator=generator)
    error = 0.5 * (x - decoder(z).mean).square().sum(-1) + math.log(2 * math.pi)
    torch.testing.assert_close(-decoder(z).log_prob(x), error)


@pytest.mark.parametrize("variance", ["unit", "scale", "full"])
def test_a_vae_draws_with_its_decoders_noise(variance, generator):
    decoder = models.Decoder(STANDARD, (4,), 2, variance)
    vae = models.VAE(models.Encoder(STANDARD, (4,), 2), decoder, 2)
    z = torch.tensor([[0.3, -0.2]]).expand(40_000, 2)
    with torch.no_grad():
        drawn, spread = vae.draw(z, generator), as_torch(decoder(z[:1])).stddev[0]
        torch.testing.assert_close(drawn.std(0), spread, rtol=0.03, atol=0)
        torch.testing.assert_close(vae.decode(z[:1]), decoder(z[:1]).mean)


@pytest.mark.parametrize(("activation", "slope"), [("leaky", 0.2), ("relu", 0.0)])
def test_a_generators_activation_has_the_slope_it_says(activation, slope):
    network = models.Generator(STANDARD, (4,), 2, activation)
    assert network.net[1](torch.tensor(-1.0)).item() == pytest.approx(-slope)
    z = torch.zeros(3, 2)
    assert torch.equal(network.draw(z), network.decode(z))


def test_a_critic_gives_one_number_a_point(generator):
    critic = models.Critic(STANDARD, (8,))
    x = torch.randn(7, 2, generator=generator)
    expected = critic.net((x - STANDARD.location) / STANDARD.scale).squeeze(1)
    assert critic(x).shape == (7,)
    torch.testing.assert_close(critic(x), expected)
