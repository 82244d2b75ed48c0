"""Convolutional twins: shapes, likelihoods against torch.distributions, and the shared step."""

import itertools

import pytest
import torch
from torch.distributions import Bernoulli as Coin
from torch.distributions import ContinuousBernoulli

from helpers import convolutions, models, objectives
from helpers.loop import Settings
from helpers.training import train_gan, train_vae

GREY, COLOUR, LARGE = (1, 28, 28), (3, 32, 32), (3, 64, 64)
CHANNELS = {GREY: (4, 8), COLOUR: (4, 8, 8), LARGE: (4, 4, 8, 8)}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def small(shape, variance="bernoulli", latent=3):
    encoder = convolutions.ConvEncoder(shape, CHANNELS[shape], latent)
    decoder = convolutions.ConvDecoder(shape, CHANNELS[shape][::-1], latent, variance)
    for network in (encoder, decoder):
        convolutions.initialise(network.net, rng(1))
    return models.VAE(encoder, decoder, latent)


@pytest.mark.parametrize("shape", CHANNELS)
def test_one_definition_fits_every_size(shape):
    pixels = shape[0] * shape[1] * shape[2]
    vae = small(shape)
    x = torch.rand(5, pixels, generator=rng()) * 2 - 1
    posterior = vae.encoder(x)
    assert posterior.mean.shape == posterior.log_scale.shape == (5, 3)
    assert vae.decode(posterior.mean).shape == (5, pixels)
    assert vae.decoder(torch.zeros(7, 5, 3)).log_prob(x).shape == (7, 5)
    generator = convolutions.ConvGenerator(shape, CHANNELS[shape][::-1], 3)
    assert generator(torch.zeros(5, 3)).shape == (5, pixels)
    assert convolutions.ConvCritic(shape, CHANNELS[shape])(x).shape == (5,)


@pytest.mark.parametrize(("shape", "halvings"), [((1, 28, 28), 3), ((1, 28, 30), 1), (GREY, 6)])
def test_sizes_that_do_not_halve_are_refused_in_one_line(shape, halvings):
    with pytest.raises(convolutions.BadShape, match="cannot be halved") as caught:
        convolutions.ConvEncoder(shape, (2,) * halvings, 2)
    assert "\n" not in str(caught.value)


def test_black_and_white_pixels_have_a_coins_likelihood():
    logits = torch.randn(6, 20, generator=rng())
    x = (torch.rand(6, 20, generator=rng(1)) < 0.5).float()
    expected = Coin(logits=logits).log_prob(x).sum(-1)
    assert torch.allclose(convolutions.Bernoulli(logits).log_prob(2 * x - 1), expected, atol=1e-5)


def test_greys_lack_only_the_continuous_bernoullis_constant():
    logits = torch.randn(20, generator=rng())
    oracle = ContinuousBernoulli(logits=logits)
    grey = torch.rand(20, generator=rng(1))
    mine = convolutions.Bernoulli(logits[:, None]).log_prob(2 * grey[:, None] - 1)
    constant = oracle.log_prob(grey) - mine
    again = oracle.log_prob(1 - grey) - convolutions.Bernoulli(logits[:, None]).log_prob(
        1 - 2 * grey[:, None]
    )
    assert torch.allclose(constant, again, atol=1e-4)


def test_a_draw_is_white_as_often_as_the_mean_says():
    likelihood = convolutions.Bernoulli(torch.tensor([-2.0, 0.0, 1.5]))
    x = likelihood.sample(torch.randn(40_000, 3, generator=rng()))
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    assert torch.allclose(x.mean(0), likelihood.mean, atol=0.02)


def test_pixel_norm_scales_each_pixel_alone():
    h = torch.randn(2, 5, 3, 3, generator=rng())
    out = convolutions.PixelNorm()(h)
    assert torch.allclose(out.square().mean(1), torch.ones(2, 3, 3), atol=1e-4)
    assert torch.allclose(out[0], convolutions.PixelNorm()(h[:1])[0])


@pytest.mark.parametrize("variance", ["unit", "scale"])
def test_gaussian_decoders_mean_lies_where_pixels_do(variance):
    vae = small(COLOUR, variance)
    mean = vae.decode(10 * torch.randn(50, 3, generator=rng()))
    assert mean.abs().max() <= 1
    learned = [name for name, _ in vae.decoder.named_parameters() if "log_scale" in name]
    assert bool(learned) == (variance == "scale")


def test_weights_come_from_the_stream_and_keep_the_size_of_a_signal():
    net = convolutions.halving(LARGE, (16, 16, 16, 16), 8, torch.nn.ReLU())
    convolutions.initialise(net, rng(3))
    h = torch.randn(64, 3 * 64 * 64, generator=rng())
    sizes = [h.square().mean().item()]
    for layer in net[:-2]:
        h = layer(h)
        if isinstance(layer, torch.nn.ReLU):
            sizes.append(h.square().mean().item())
    assert all(0.4 < b / a < 2.5 for a, b in itertools.pairwise(sizes))
    again = convolutions.halving(LARGE, (16, 16, 16, 16), 8, torch.nn.ReLU())
    convolutions.initialise(again, rng(3))
    assert torch.equal(net[1].weight, again[1].weight)


def _bars(n):
    """Images with one bright row, its height the only thing to learn."""
    rows = torch.arange(n) % 16
    x = -torch.ones(n, 1, 16, 16)
    x[torch.arange(n), 0, rows] = 1
    return x.flatten(1)


def test_the_planes_loop_and_objective_train_a_vae_on_images():
    shape, x = (1, 16, 16), _bars(256)
    CHANNELS[shape] = (8, 8)
    vae = small(shape, latent=2)
    settings = Settings(epochs=12, batch=32, fast=False)
    losses = [
        s.losses["reconstruction"]
        for s in train_vae(vae, objectives.ELBO(), x, x[:8], settings, generator=rng())
    ]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    "objective", [objectives.NonSaturating(), objectives.WassersteinGP(), objectives.Relativistic()]
)
def test_every_game_can_be_played_with_images(objective):
    """Penalties differentiate through convolutions, and a slope counts every pixel."""
    shape, x = (1, 16, 16), _bars(64)
    generator = convolutions.ConvGenerator(shape, (8, 8), 2)
    critic = convolutions.ConvCritic(shape, (8, 8))
    for network in (generator, critic):
        convolutions.initialise(network.net, rng(1))
    before = generator(torch.ones(1, 2)).clone()
    settings = Settings(epochs=1, batch=32, betas=(0.0, 0.99), fast=False)
    (last,) = train_gan(generator, critic, objective, x, x[:8], settings, generator=rng())
    assert set(last.losses) == {"critic", "generator"}
    assert not torch.equal(before, generator(torch.ones(1, 2)))
    slope = objectives.input_gradient(critic, x[:3])
    assert slope.shape == (3, 256)


def test_an_image_vae_shows_means():
    parts = small(GREY)
    vae = convolutions.ImageVAE(parts.encoder, parts.decoder, 3)
    z = torch.randn(4, 3, generator=rng())
    assert torch.equal(vae.draw(z, rng(1)), vae.decode(z))
