"""Convolutional networks: shapes, likelihoods against torch.distributions, and the shared step."""

import itertools

import pytest
import torch
from torch.distributions import Bernoulli as Coin
from torch.distributions import ContinuousBernoulli

from helpers import experiments, objectives, recipes, training
from helpers.images import models
from helpers.images.datasets import ImageDataset
from helpers.models import BadNetwork, start_from_decoder

GREY, COLOUR, LARGE = (1, 28, 28), (3, 32, 32), (3, 64, 64)
CHANNELS = {GREY: (4, 8), COLOUR: (4, 8, 8), LARGE: (4, 4, 8, 8)}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def vae_for(shape, variance="bernoulli", latent=3):
    encoder = models.ConvEncoder(shape, CHANNELS[shape], latent)
    decoder = models.ConvDecoder(shape, CHANNELS[shape][::-1], latent, variance)
    for network in (encoder, decoder):
        models.initialise(network.net, rng(1))
    return models.ImageVAE(encoder, decoder, latent)


@pytest.mark.parametrize("shape", CHANNELS)
def test_one_definition_fits_every_size(shape):
    pixels = shape[0] * shape[1] * shape[2]
    vae = vae_for(shape)
    x = torch.rand(5, pixels, generator=rng()) * 2 - 1
    posterior = vae.encoder(x)
    assert posterior.mean.shape == posterior.log_scale.shape == (5, 3)
    assert vae.decode(posterior.mean).shape == (5, pixels)
    assert vae.decoder(torch.zeros(7, 5, 3)).log_prob(x).shape == (7, 5)
    generator = models.ConvGenerator(shape, CHANNELS[shape][::-1], 3)
    assert generator(torch.zeros(5, 3)).shape == (5, pixels)
    assert models.ConvDiscriminator(shape, CHANNELS[shape])(x).shape == (5,)


def test_black_and_white_pixels_have_a_coins_likelihood():
    logits = torch.randn(6, 20, generator=rng())
    x = (torch.rand(6, 20, generator=rng(1)) < 0.5).float()
    expected = Coin(logits=logits).log_prob(x).sum(-1)
    assert torch.allclose(models.Bernoulli(logits).log_prob(2 * x - 1), expected, atol=1e-5)


def test_greys_lack_only_the_continuous_bernoullis_constant():
    logits = torch.randn(20, generator=rng())
    oracle, mine = ContinuousBernoulli(logits=logits), models.Bernoulli(logits[:, None])
    grey = torch.rand(20, generator=rng(1))
    constant, again = (
        oracle.log_prob(x) - mine.log_prob(2 * x[:, None] - 1) for x in (grey, 1 - grey)
    )
    assert torch.allclose(constant, again, atol=1e-4)


def test_weights_keep_the_size_of_a_signal():
    net = models.conv_down(LARGE, (16, 16, 16, 16), 8, torch.nn.ReLU())
    models.initialise(net, rng(3))
    h = torch.randn(64, 3 * 64 * 64, generator=rng())
    sizes = [h.square().mean().item()]
    for layer in net[:-2]:
        h = layer(h)
        if isinstance(layer, torch.nn.ReLU):
            sizes.append(h.square().mean().item())
    assert all(0.4 < b / a < 2.5 for a, b in itertools.pairwise(sizes))


def test_penalties_differentiate_through_convolutions_and_count_every_pixel():
    shape, x = (1, 16, 16), torch.rand(32, 256, generator=rng())
    networks = models.ConvGenerator(shape, (8, 8), 2), models.ConvDiscriminator(shape, (8, 8))
    for network in networks:
        models.initialise(network.net, rng(1))
    generator, discriminator = networks
    before = generator(torch.ones(1, 2)).clone()
    settings = training.Settings(
        epochs=1, batch=32, rate=training.cosine(1e-3), weight=training.linear(1, 1)
    )
    step = training.GANStep(generator, discriminator, objectives.WassersteinGP(), settings)
    (last,) = training.train(step, x, x[:8], generator=rng())
    assert set(last.losses) == {"discriminator", "generator"}
    assert not torch.equal(before, generator(torch.ones(1, 2)))
    assert objectives.input_gradient(discriminator, x[:3]).shape == (3, 256)


GANS = {
    "non-saturating": objectives.NonSaturating(),
    "wgan-gp": objectives.WassersteinGP(),
    "relativistic": objectives.Relativistic(),
}


@pytest.mark.parametrize("objective", GANS)
def test_fewer_digits_take_nearly_the_same_step_and_keep_weights_whole(objective):
    shape, x, start = (1, 16, 16), torch.rand(32, 256, generator=rng()) - 0.5, {}
    losses, moved = {}, {}
    for precision in ("float32", "bfloat16"):
        networks = models.ConvGenerator(shape, (8, 8), 2), models.ConvDiscriminator(shape, (8, 8))
        for network in networks:
            models.initialise(network.net, rng(1))
        start = {k: v.clone() for k, v in networks[1].state_dict().items()}
        rate, weight = training.cosine(1e-3), training.linear(1, 1)
        settings = training.Settings(4, 32, rate, weight, precision=precision)
        step = training.GANStep(*networks, GANS[objective], settings)
        (*_, last) = training.train(step, x, x[:8], generator=rng())
        losses[precision] = last.losses["discriminator"]
        after = networks[1].state_dict()
        assert all(weights.dtype == torch.float32 for weights in after.values())
        moved[precision] = torch.cat([(after[k] - v).flatten() for k, v in start.items()])
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["bfloat16"] != losses["float32"]  # it was used
    ways = torch.cosine_similarity(moved["float32"], moved["bfloat16"], dim=0)
    assert ways > 0.9


# ------------------------------------------------------------------ networks from a recipe

FACES = ImageDataset("faces", 16, 3)
TINY = {"batch": 4, "latent": 3}


def built(name, **values):
    recipe = recipes.changed(experiments.named(name), **TINY | values)
    return FACES.networks(recipe, torch.zeros(0), rng(1))


def image_vae(**values):
    return built("vae-faces", **{"encoder": (4, 6), "decoder": (6, 4)} | values)[0]


def image_gan(**values):
    return built("gan-faces-cold", **{"generator": (6, 4), "discriminator": (4,)} | values)


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_the_keys_and_first_numbers_of_saved_weights_stay(family):
    """Drawn from the stream in the order encoder, decoder, or generator, discriminator."""
    first, second = {"vae": [*image_vae().children()], "gan": image_gan()}[family]
    assert next(iter(first.state_dict())) == {"vae": "net.1.weight", "gan": "net.0.weight"}[family]
    stream = rng(1)
    for layer in (*first.net, *second.net):
        if hasattr(layer, "weight"):
            drawn = torch.rand(layer.weight.shape, generator=stream) * 2 - 1
            ratio = layer.weight.abs().max() / drawn.abs().max()
            torch.testing.assert_close(layer.weight, ratio * drawn)
            assert not layer.bias.any()


@pytest.mark.parametrize("variance", ["unit", "scale", "bernoulli"])
def test_a_warm_generator_of_images_is_the_decoders_mean_map(variance):
    vae, (network, _) = image_vae(variance=variance), image_gan()
    z = torch.randn(5, 3, generator=rng(3))
    assert not torch.allclose(network(z), vae.decode(z))
    start_from_decoder(network, vae.decoder)
    torch.testing.assert_close(network(z), vae.decode(z))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"generator": (6, 5)}, "generator 3-96-5-3 .* and decoder 3-96-4-3 "),
        ({"generator_norm": "pixel"}, "PixelNorm.*on images no norm"),
    ],
)
def test_a_generator_of_images_of_another_form_cannot_start_warm(values, message):
    with pytest.raises(BadNetwork, match=message):
        start_from_decoder(image_gan(**values)[0], image_vae().decoder)


def test_frozen_layers_are_no_parameters_and_still_start_warm():
    (free, _), (network, _), vae = image_gan(), image_gan(frozen=1, start="vae"), image_vae()
    kept = {name for name, _ in network.named_parameters()}
    assert {name for name, _ in free.named_parameters()} - kept == {"net.0.weight", "net.0.bias"}
    assert network.state_dict().keys() == free.state_dict().keys()
    start_from_decoder(network, vae.decoder)
    assert torch.equal(network.net[0].weight, vae.decoder.net[0].weight)


WRONG = {
    "a variance of the plane": (lambda: image_vae(variance="full"), "variance = full: for the"),
    "halved too often": (lambda: image_vae(encoder=(2,) * 5), "16 × 16 pixels cannot be halved 5"),
    "no grid": (lambda: image_vae(codes="grid"), "3 numbers do not fill a grid of 4 × 4; give a m"),
    "no square": (lambda: models.smallest((1, 28, 30), 1), "28 × 30 .* give square ones"),
}


@pytest.mark.parametrize("case", WRONG)
def test_networks_that_cannot_be_are_refused_in_one_line(case):
    build, message = WRONG[case]
    with pytest.raises(BadNetwork, match=message) as refused:
        build()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("norm", [False, True])
def test_a_dense_layer_lies_between_latents_and_convolutions(norm):
    plain, dense = (models.conv_up(GREY, (8, 4), 3, torch.nn.ReLU(), norm, d) for d in (0, 10))
    sizes = [sum(p.numel() for p in net.parameters()) for net in (plain, dense)]
    first, core = 3 * 10 + 10, 8 * 49  # to 10 units, and from them instead of from 3 latents
    assert sizes[1] - sizes[0] == first + (10 - 3) * core
    assert dense(torch.zeros(5, 3)).shape == plain(torch.zeros(5, 3)).shape == (5, 784)
    down = models.conv_down(GREY, (4, 8), 6, torch.nn.ReLU(), 10)
    widths = [tuple(p.shape) for p in down.parameters() if p.ndim == 2]
    assert widths == [(10, 8 * 49), (6, 10)]


def test_numbers_on_a_grid_see_and_fill_their_own_place_alone():
    """A pixel moves the codes of the places whose field it is in, a code the pixels around it."""
    vae = image_vae(codes="grid", latent=32)  # two channels on 4 × 4, of images of 16 × 16
    x = torch.zeros(2, 768)
    x.view(2, 3, 16, 16)[1, :, 0, 0] = 1.0
    codes = vae.encoder(x).mean.view(2, 2, 4, 4)
    moved = (codes[1] - codes[0]).abs().sum(0) > 0
    assert moved[0, 0]
    assert not moved[2:].any()
    assert not moved[:, 2:].any()
    z = torch.zeros(2, 32)
    z.view(2, 2, 4, 4)[1, :, 3, 3] = 1.0
    pixels = vae.decode(z).view(2, 3, 16, 16)
    touched = (pixels[1] - pixels[0]).abs().sum(0) > 0
    assert touched[12:, 12:].any()
    assert not touched[:8].any()
    assert not touched[:, :8].any()
