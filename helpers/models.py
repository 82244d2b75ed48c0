"""The networks: encoder, decoder, generator, discriminator, and what they return.

Networks see standardised coordinates; everything outside lives in the target's own units,
because each network carries the standardiser it was built with. Encoders and decoders return
distributions, so that an objective can be written as it is in the paper.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

LOG_2PI = math.log(2 * math.pi)
SHARP = 0.1  # a full covariance starts this narrow: from a wide start, codes collapse and stay so
ACTIVATIONS = {"leaky": partial(nn.LeakyReLU, 0.2), "relu": nn.ReLU}


class BadNetwork(ValueError):
    """Networks that a recipe asks for and that cannot be; the message says what can."""


class Standard(NamedTuple):
    """The affine map between data and network coordinates: x = location + scale · u."""

    location: Tensor  # (2,)
    scale: Tensor  # (2,)


class Gaussian(NamedTuple):
    """N(mean, diag exp(2 log_scale)); `log_scale` broadcasts against `mean`."""

    mean: Tensor  # (..., d)
    log_scale: Tensor  # (..., d), or anything that broadcasts to it

    def sample(self, noise: Tensor) -> Tensor:
        """Reparameterised: a fixed `noise` ~ N(0, I), (..., d), pushed through mean and scale."""
        return self.mean + self.log_scale.exp() * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """log N(x) in nats, summed over the last dimension: (..., d) to (...)."""
        standardised = (x - self.mean) * torch.exp(-self.log_scale)
        return -(0.5 * standardised.square() + self.log_scale + 0.5 * LOG_2PI).sum(-1)

    def kl_to_prior(self) -> Tensor:
        """KL(N(mean, scale²) ‖ N(0, I)) in nats: (..., d) to (...) (Kingma & Welling 2014, B)."""
        variance = torch.exp(2 * self.log_scale)
        return 0.5 * (self.mean.square() + variance - 1 - 2 * self.log_scale).sum(-1)


class PlaneGaussian(NamedTuple):
    """N(mean, L Lᵀ) in the plane with L = [[e^a, 0], [b, e^c]]: any covariance at all."""

    mean: Tensor  # (..., 2)
    log_diagonal: Tensor  # (..., 2), the pair (a, c)
    below: Tensor  # (...,), the entry b

    def sample(self, noise: Tensor) -> Tensor:
        """Reparameterised: mean + L · noise, (..., 2)."""
        first, second = noise.unbind(-1)
        a, c = self.log_diagonal.exp().unbind(-1)
        return self.mean + torch.stack([a * first, self.below * first + c * second], -1)

    def log_prob(self, x: Tensor) -> Tensor:
        """log N(x) in nats: (..., 2) to (...)."""
        first, second = (x - self.mean).unbind(-1)
        inverse_a, inverse_c = torch.exp(-self.log_diagonal).unbind(-1)
        u = first * inverse_a  # forward substitution, L u = x − mean
        v = (second - self.below * u) * inverse_c
        return -0.5 * (u.square() + v.square()) - self.log_diagonal.sum(-1) - LOG_2PI


class ActNorm(nn.Module):
    """A scale and a shift a unit, set once so that a first batch leaves with mean 0, variance 1.

    Kingma & Dhariwal (2018, section 3.1). Unlike batch normalisation it treats every point alone,
    so real and fake points may share a batch and a penalty may differentiate each; unlike layer
    normalisation it keeps how far out a point lies, which a discriminator needs to know.
    """

    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, h: Tensor) -> Tensor:
        return h * self.scale + self.shift

    @torch.no_grad()
    def measure(self, h: Tensor) -> None:
        """Set scale and shift from a batch, (n, width)."""
        std, mean = torch.std_mean(h, 0)
        self.scale.copy_(1 / std)
        self.shift.copy_(-mean / std)


def mlp(sizes: Sequence[int], activation: nn.Module, normalise: bool = False) -> nn.Sequential:
    """Linear layers of the given sizes; after a hidden one an ActNorm if asked, an activation."""
    layers = []
    for width_in, width_out in pairwise(sizes[:-1]):
        layers += [nn.Linear(width_in, width_out)]
        layers += [ActNorm(width_out)] if normalise else []
        layers += [activation]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class Standardised(nn.Module):
    """A network that carries the map between the data's units and its own coordinates."""

    def __init__(self, standard: Standard):
        super().__init__()
        self.register_buffer("location", standard.location.float())
        self.register_buffer("scale", standard.scale.float())

    def standardise(self, x: Tensor) -> Tensor:
        """Data units to network coordinates."""
        return (x - self.location) / self.scale

    def restore(self, u: Tensor) -> Tensor:
        """Network coordinates to data units."""
        return self.location + self.scale * u


class Encoder(Standardised):
    """q(z | x): a diagonal Gaussian over codes, (n, 2) to Gaussian of (n, latent)."""

    def __init__(self, standard: Standard, hidden: Sequence[int], latent: int):
        super().__init__(standard)
        self.net = mlp((2, *hidden, 2 * latent), nn.ReLU(), normalise=True)

    def forward(self, x: Tensor) -> Gaussian:
        mean, log_variance = self.net(self.standardise(x)).chunk(2, -1)
        return Gaussian(mean, 0.5 * log_variance)


class Decoder(Standardised):
    """p(x | z), in data units: (n, latent) to a Gaussian over (n, 2).

    `variance` is "unit" (σ = 1, so log p is a squared error), "scale" (one learned σ for the whole
    plane) or "full" (a covariance of its own for every z). Where `floor` and `ceiling` are not
    zero, L's diagonal, and with it the noise's area, lies between these shares of the data's scale.
    """

    def __init__(
        self,
        standard: Standard,
        hidden: Sequence[int],
        latent: int,
        variance: str,
        activation: str = "relu",
        floor: float = 0.0,
        ceiling: float = 0.0,
    ):
        super().__init__(standard)
        self.variance, self.floor, self.ceiling = variance, floor, ceiling
        outputs = 5 if variance == "full" else 2
        self.net = mlp((latent, *hidden, outputs), ACTIVATIONS[activation]())
        log_scale = torch.zeros(1)
        if variance == "scale":
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    def forward(self, z: Tensor) -> Gaussian | PlaneGaussian:
        out = self.net(z)
        mean = self.restore(out[..., :2])
        if self.variance != "full":
            return Gaussian(mean, self.log_scale)
        scale = SHARP * self.scale  # (2,)
        return PlaneGaussian(
            mean, *self.bounded(out[..., 2:4] + scale.log(), out[..., 4] * scale[1])
        )

    def bounded(self, log_diagonal: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        """L's diagonal (..., 2) between floor and ceiling, its other entry (...,) below it."""
        if self.ceiling:
            most = (self.ceiling - self.floor) * self.scale  # (2,)
            log_diagonal = -torch.logaddexp(-log_diagonal, -most.log())
            below = most[1] * torch.tanh(below / most[1])
        if self.floor:
            log_diagonal = torch.logaddexp(log_diagonal, (self.floor * self.scale).log())
        return log_diagonal, below


class NoisySampler(nn.Module):
    """A decoder p(x | z) under the prior N(0, I): what a VAE draws from, however it was trained."""

    decoder: nn.Module
    latent: int

    def draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """x ~ p(x | z), decoder noise included: (n, latent) to (n, 2)."""
        likelihood = self.decoder(z)
        noise = torch.randn(likelihood.mean.shape, generator=generator)
        return likelihood.sample(noise.to(z.device))

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z), no noise: (n, latent) to (n, 2)."""
        return self.decoder(z).mean


class VAE(NoisySampler):
    """An encoder q(z | x) beside the decoder."""

    def __init__(self, encoder: Encoder, decoder: Decoder, latent: int):
        super().__init__()
        self.encoder, self.decoder, self.latent = encoder, decoder, latent


class GaussianGenerator(NoisySampler):
    """A VAE's decoder as a generator, its noise an input: x = μ(z) + L(z) ε.

    The noise gives it a density everywhere, p(x) = E_z N(x; μ(z), L(z) L(z)ᵀ), which a
    discriminator can be matched on; a map of the plane has folds and rims instead.
    """

    def __init__(self, decoder: Decoder, latent: int):
        super().__init__()
        self.decoder, self.latent = decoder, latent
        self.inputs = latent + 2  # z and ε

    @property
    def net(self) -> nn.Sequential:
        """The layers, as other generators name them."""
        return self.decoder.net

    def forward(self, inputs: Tensor) -> Tensor:
        z, noise = inputs[..., : self.latent], inputs[..., self.latent :]
        return self.decoder(z).sample(noise)  # (n, 2)


class Generator(Standardised):
    """x = G(z), in data units: (n, latent) to (n, 2).

    `activation` is "leaky" (slope .2 unless a recipe has another), or "relu", under which it is
    the same map as a decoder.
    """

    def __init__(
        self, standard: Standard, hidden: Sequence[int], latent: int, activation: str = "leaky"
    ):
        super().__init__(standard)
        self.latent = self.inputs = latent
        self.net = mlp((latent, *hidden, 2), ACTIVATIONS[activation]())

    def forward(self, z: Tensor) -> Tensor:
        return self.restore(self.net(z))

    def draw(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """G(z) again, under the name that a VAE's sampler has; a GAN adds no noise."""
        return self(z)

    def decode(self, z: Tensor) -> Tensor:
        """G(z), under the name that a VAE's noise-free map has."""
        return self(z)


class Discriminator(Standardised):
    """One logit a point, high where the data look real: (n, 2) to (n,)."""

    def __init__(self, standard: Standard, hidden: Sequence[int]):
        super().__init__(standard)
        self.net = mlp((2, *hidden, 1), nn.LeakyReLU(0.2), normalise=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.standardise(x))[..., 0]


def count_parameters(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@torch.no_grad()
def initialise(net: nn.Sequential, generator: torch.Generator, u: Tensor) -> None:
    """Draw a network's weights anew from `generator`; measure its ActNorms on a batch `u`.

    Linear weights and biases are uniform on ±1/√fan_in, PyTorch's own ranges from a stream of
    our choosing. `u` is a batch of inputs in network coordinates, (n, inputs).
    """
    for layer in net:
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        elif isinstance(layer, ActNorm):
            layer.measure(u)
        u = layer(u)


# ------------------------------------------------------------------ networks from a recipe


def build_vae(recipe, standard: Standard, points: Tensor, generator: torch.Generator) -> tuple[VAE]:
    """A fresh VAE of a recipe's sizes, alone in a tuple; norms are measured on points (n, 2).

    Raises BadNetwork for a likelihood that points in the plane do not have.
    """
    if recipe.variance == "bernoulli":
        raise BadNetwork("variance = bernoulli: for images; in the plane take unit, scale or full")
    encoder = Encoder(standard, recipe.encoder, recipe.latent)
    sizes = standard, recipe.decoder, recipe.latent
    decoder = Decoder(*sizes, recipe.variance, floor=recipe.floor, ceiling=recipe.ceiling)
    initialise(encoder.net, generator, encoder.standardise(points))
    initialise(decoder.net, generator, torch.zeros(1, recipe.latent))
    return (VAE(encoder, decoder, recipe.latent),)


def build_gan(
    recipe, standard: Standard, points: Tensor, generator: torch.Generator
) -> tuple[Generator | GaussianGenerator, Discriminator]:
    """A fresh generator and discriminator of a recipe's sizes; `points` are as in `build_vae`."""
    if recipe.generator_norm == "none":
        raise BadNetwork("generator_norm = none: for images; in the plane there is none to leave")
    sizes = standard, recipe.generator, recipe.latent
    if recipe.sampler == "gaussian":
        decoder = Decoder(
            *sizes, "full", recipe.activation, floor=recipe.floor, ceiling=recipe.ceiling
        )
        network = GaussianGenerator(decoder, recipe.latent)
    else:
        network = Generator(*sizes, recipe.activation)
    discriminator = Discriminator(standard, recipe.discriminator)
    if recipe.discriminator_norm == "none":
        layers = (layer for layer in discriminator.net if not isinstance(layer, ActNorm))
        discriminator.net = nn.Sequential(*layers)
    initialise(network.net, generator, torch.zeros(1, recipe.latent))
    initialise(discriminator.net, generator, discriminator.standardise(points))
    reset_actnorm(discriminator)
    adapt(network, recipe)
    return network, discriminator


BUILDERS = {"vae": build_vae, "gan": build_gan}


def adapt(network: nn.Module, recipe) -> None:
    """Give a generator the recipe's leak, and make its first layers constants where asked."""
    for layer in network.net:
        if isinstance(layer, nn.LeakyReLU):
            layer.negative_slope = recipe.leak
    weighted = [layer for layer in network.net if hasattr(layer, "weight")]
    for layer in weighted[: recipe.frozen]:
        for name, values in list(layer.named_parameters()):
            delattr(layer, name)
            layer.register_buffer(name, values.detach())  # which no optimiser finds


def reset_actnorm(discriminator: nn.Module) -> None:
    """Set a discriminator's ActNorms back to the identity.

    Measured on data they start it several times steeper; a discriminator that sharp at once let
    the generator lose a mode on one seed of five, the plain start on none.
    """
    for layer in discriminator.net:
        if isinstance(layer, ActNorm):
            nn.init.ones_(layer.scale)
            nn.init.zeros_(layer.shift)


def start_from_decoder(network: nn.Module, decoder: nn.Module) -> None:
    """Make the generator what the decoder is: its mean map, or its sampler, noise and all.

    Raises BadNetwork when they cannot be the same.
    """
    theirs = decoder.net.state_dict()
    last = list(theirs)[-2:]
    noisy = isinstance(network, GaussianGenerator)
    if noisy and _noise(network.decoder) != _noise(decoder):
        raise BadNetwork(
            f"a gaussian sampler with noise {_noise(network.decoder)} cannot start from a decoder "
            f"with {_noise(decoder)}; name a VAE of variance full with the same floor and ceiling"
        )
    if decoder.variance == "full" and not noisy:  # it has further outputs: leave them
        theirs |= {name: theirs[name][:2] for name in last}
    if decoder.variance == "bernoulli":  # its mean is tanh(out / 2), a generator's image tanh(out)
        theirs |= {name: theirs[name] / 2 for name in last}
    mine, kinds = _form(network.net, network.net.state_dict()), _form(decoder.net, theirs)
    if mine != kinds:
        raise BadNetwork(
            f"generator {mine} and decoder {kinds} differ; give the generator the decoder's "
            "widths and its latent size, activation relu, and on images no norm"
        )
    network.net.load_state_dict(theirs)


def _noise(decoder: Decoder) -> str:
    """What bounds a decoder's noise, in words."""
    return f"{decoder.variance}, floor {decoder.floor:g}, ceiling {decoder.ceiling:g}"


def _form(net: nn.Sequential, state: dict[str, Tensor]) -> str:
    """Sizes and layers of a network, as in "2-64-128-2 ReLU"."""
    named = [layer for layer in net if hasattr(layer, "weight")]
    weights = [values for name, values in state.items() if name.endswith("weight")]
    sizes = [weights[0].shape[1], *map(_outputs, named, weights)]
    kinds = {type(layer).__name__ for layer in net} - {"Linear"}
    return " ".join(["-".join(map(str, sizes)), *sorted(kinds)])


def _outputs(layer: nn.Module, weight: Tensor) -> int:
    """Units or channels that a layer with this weight gives."""
    return weight.shape[1 if isinstance(layer, nn.ConvTranspose2d) else 0]
