"""Convolutional counterparts of the networks in `helpers.models`, for square images of any size.

An image is a point of a space with one dimension a pixel, so these networks take and return flat
rows, (n, c · h · w) with values in [-1, 1], and fold them to (n, c, h, w) inside. Objectives, loop
and step are then those of the plane, unchanged. Channels are given for each halving: (32, 64) on
28 pixels means 28 → 14 → 7, and a decoder that is given (64, 32) goes back.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from helpers.models import ACTIVATIONS, VAE, BadNetwork, Gaussian, adapt

Shape = tuple[int, int, int]  # channels, height, width
KERNEL = {"kernel_size": 4, "stride": 2, "padding": 1}  # halves, or doubles, without overlap gaps


class Bernoulli(NamedTuple):
    """Independent pixels, black or white; a grey in between counts as that share of white.

    The usual likelihood of digits. On greys it is not normalised (Loaiza-Ganem & Cunningham
    2019), so its value compares models with each other, not with a Gaussian.
    """

    logits: Tensor  # (..., d)

    @property
    def mean(self) -> Tensor:
        """Expected pixel in [-1, 1]: (..., d)."""
        return torch.tanh(self.logits / 2)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, of pixels in [-1, 1]: (..., d) to (...)."""
        white = (x + 1) / 2
        return (white * self.logits - softplus(self.logits)).sum(-1)


class PixelNorm(nn.Module):
    """Each pixel's channels scaled to mean square one (Karras et al. 2018, section 4.2).

    It keeps a generator's signal in bounds and, unlike batch normalisation, treats every image
    alone, so that a step stays a function of its inputs.
    """

    def forward(self, h: Tensor) -> Tensor:
        return h * torch.rsqrt(h.square().mean(1, keepdim=True) + 1e-8)


def conv_down(
    shape: Shape,
    channels: Sequence[int],
    out: int,
    activation: nn.Module,
    dense: int = 0,
    grid: bool = False,
) -> nn.Sequential:
    """Flat images to `out` numbers: halving convolutions, then a linear layer, or two.

    Of two, `dense` units lie between. On a grid the numbers are channels of the last convolution's
    places, made by one of 1 × 1 instead.

    Raises BadNetwork where the image cannot be halved that often, or the numbers fill no grid.
    """
    core = smallest(shape, len(channels))
    layers = [nn.Unflatten(1, shape)]  # (n, c · h · w) to (n, c, h, w)
    for width_in, width_out in pairwise((shape[0], *channels)):
        layers += [nn.Conv2d(width_in, width_out, **KERNEL), activation]
    if grid:
        return nn.Sequential(*layers, nn.Conv2d(channels[-1], depth(out, core), 1), nn.Flatten())
    widths = (channels[-1] * core**2, *[dense] * bool(dense), out)
    linear = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), activation)]
    return nn.Sequential(*layers, nn.Flatten(), *linear[:-1])


def conv_up(
    shape: Shape,
    channels: Sequence[int],
    latent: int,
    activation: nn.Module,
    norm: bool,
    dense: int = 0,
    grid: bool = False,
) -> nn.Sequential:
    """`latent` numbers to flat images, values unbounded: the way of `conv_down` back.

    Raises BadNetwork as `conv_down` does.
    """
    core = smallest(shape, len(channels))
    layers = [nn.Linear(latent, dense), *[PixelNorm()] * norm, activation] if dense else []
    if grid:
        deep = depth(latent, core)
        layers += [nn.Unflatten(1, (deep, core, core)), nn.Conv2d(deep, channels[0], 1)]
    else:
        layers += [nn.Linear(dense or latent, channels[0] * core**2)]
        layers += [nn.Unflatten(1, (channels[0], core, core))]
    layers += [PixelNorm()] * norm + [activation]
    for width_in, width_out in pairwise(channels):
        layers += [nn.ConvTranspose2d(width_in, width_out, **KERNEL)]
        layers += [PixelNorm()] * norm + [activation]
    last = nn.ConvTranspose2d(channels[-1], shape[0], **KERNEL)
    return nn.Sequential(*layers, last, nn.Flatten())


def smallest(shape: Shape, halvings: int) -> int:
    """The side of an image after so many halvings; raises BadNetwork where it is no whole one."""
    side, rest = divmod(shape[1], 2**halvings)
    if rest or not side or shape[1] != shape[2]:
        raise BadNetwork(
            f"images of {shape[1]} × {shape[2]} pixels cannot be halved {halvings} times; give "
            f"square ones, and fewer channels or a size that is a multiple of {2**halvings}"
        )
    return side


def depth(numbers: int, side: int) -> int:
    """Channels of so many numbers on a square grid; raises BadNetwork where they do not fill it."""
    channels, rest = divmod(numbers, side**2)
    if rest:
        raise BadNetwork(
            f"{numbers} numbers do not fill a grid of {side} × {side}; give a multiple of "
            f"{side**2} as latent, or codes flat"
        )
    return channels


class ConvEncoder(nn.Module):
    """q(z | x) of flat images: (n, pixels) to a Gaussian over (n, latent)."""

    def __init__(
        self,
        shape: Shape,
        channels: Sequence[int],
        latent: int,
        dense: int = 0,
        grid: bool = False,
    ):
        super().__init__()
        self.net = conv_down(shape, channels, 2 * latent, nn.ReLU(), dense, grid)

    def forward(self, x: Tensor) -> Gaussian:
        mean, log_variance = self.net(x).chunk(2, -1)
        return Gaussian(mean, 0.5 * log_variance)


class ConvDecoder(nn.Module):
    """p(x | z) over flat images: (..., latent) to a distribution over (..., pixels).

    `variance` is "bernoulli", "unit" (σ = 1) or "scale" (one learned σ for all pixels). The mean
    is a tanh, so in [-1, 1] as the pixels are.
    """

    def __init__(
        self,
        shape: Shape,
        channels: Sequence[int],
        latent: int,
        variance: str,
        dense: int = 0,
        grid: bool = False,
    ):
        super().__init__()
        self.variance = variance
        self.net = conv_up(shape, channels, latent, nn.ReLU(), norm=False, dense=dense, grid=grid)
        log_scale = torch.zeros(1)
        if variance == "scale":
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    def forward(self, z: Tensor) -> Gaussian | Bernoulli:
        out = self.net(z.flatten(0, -2)).unflatten(0, z.shape[:-1])  # convolutions take (n, ...)
        if self.variance == "bernoulli":
            return Bernoulli(out)
        return Gaussian(torch.tanh(out), self.log_scale)


class ImageVAE(VAE):
    """A VAE whose samples are means: the noise of p(x | z) on each pixel is no part of an image."""

    def draw(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean of p(x | z), as `decode`: (n, latent) to (n, pixels)."""
        return self.decode(z)


class ConvGenerator(nn.Module):
    """x = G(z) as flat images: (n, latent) to (n, pixels), in [-1, 1]."""

    def __init__(
        self,
        shape: Shape,
        channels: Sequence[int],
        latent: int,
        activation: str = "relu",
        norm: bool = True,
        dense: int = 0,
    ):
        super().__init__()
        self.latent = self.inputs = latent
        self.net = conv_up(shape, channels, latent, ACTIVATIONS[activation](), norm, dense)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.net(z))

    def draw(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """G(z) again, under the name that a VAE's sampler has; a GAN adds no noise."""
        return self(z)

    def decode(self, z: Tensor) -> Tensor:
        """G(z), under the name that a VAE's noise-free map has."""
        return self(z)


class ConvDiscriminator(nn.Module):
    """One logit an image: (n, pixels) to (n,)."""

    def __init__(self, shape: Shape, channels: Sequence[int], dense: int = 0):
        super().__init__()
        self.net = conv_down(shape, channels, 1, nn.LeakyReLU(0.2), dense)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[..., 0]


@torch.no_grad()
def initialise(net: nn.Sequential, generator: torch.Generator) -> None:
    """Draw all weights anew from `generator`, biases zero.

    Uniform with variance 2 / fan-in, which keeps the size of a signal through ReLUs (He et al.
    2015); the last layer a tenth of that, so that a training starts near grey images or zero
    logits.
    """
    *_, last = layers = [layer for layer in net if hasattr(layer, "weight")]
    for layer in layers:
        bound = (0.1 if layer is last else 1.0) * math.sqrt(6 / _fan_in(layer))
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        nn.init.zeros_(layer.bias)


def _fan_in(layer: nn.Module) -> float:
    """Inputs that reach one output; a doubling convolution reaches each with a quarter of its."""
    if isinstance(layer, nn.ConvTranspose2d):
        return layer.in_channels * layer.kernel_size[0] ** 2 / layer.stride[0] ** 2
    return layer.weight[0].numel()


# ------------------------------------------------------------------ networks from a recipe


def build_vae(recipe, shape: Shape, generator: torch.Generator) -> tuple[ImageVAE]:
    """A fresh VAE of a recipe's channels, alone in a tuple.

    Raises BadNetwork for a likelihood that images do not have, and for sizes that do not halve.
    """
    if recipe.variance == "full":
        raise BadNetwork("variance = full: for the plane; on images take unit, scale or bernoulli")
    between = recipe.dense, recipe.codes == "grid"
    decoder = ConvDecoder(shape, recipe.decoder, recipe.latent, recipe.variance, *between)
    encoder = ConvEncoder(shape, recipe.encoder, recipe.latent, *between)
    for network in (encoder, decoder):
        initialise(network.net, generator)
    return (ImageVAE(encoder, decoder, recipe.latent),)


def build_gan(
    recipe, shape: Shape, generator: torch.Generator
) -> tuple[ConvGenerator, ConvDiscriminator]:
    """A fresh generator and discriminator of a recipe's channels; raises BadNetwork."""
    if recipe.sampler != "map":
        raise BadNetwork("sampler = gaussian: for the plane; on images take map")
    norm = recipe.generator_norm == "pixel"
    sizes = recipe.generator, recipe.latent, recipe.activation, norm, recipe.dense
    network = ConvGenerator(shape, *sizes)
    discriminator = ConvDiscriminator(shape, recipe.discriminator)
    for each in (network, discriminator):
        initialise(each.net, generator)
    adapt(network, recipe)
    return network, discriminator


BUILDERS = {"vae": build_vae, "gan": build_gan}
