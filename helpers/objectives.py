"""The objectives: what a VAE and a GAN minimise, each in the few lines of its paper.

All take tensors and callables, never model classes, and noise that was drawn outside, so that
the same lines run in a notebook, under `torch.func` and inside a compiled step. Losses are
summed over dimensions and averaged over the batch, in the `unit` that each objective names.
`weight` is the scheduled number of the moment: beta for a VAE, the strength of the penalty for
a GAN.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.func import grad
from torch.nn.functional import softplus

Network = Callable[[Tensor], Tensor]


# ---------------------------------------------------------------- variational autoencoders


class Terms(NamedTuple):
    """A VAE's loss, and the ELBO's two terms beside it, each (n,) before averaging, in nats."""

    loss: Tensor
    reconstruction: Tensor  # −log p(x | z)
    kl: Tensor  # KL(q(z | x) ‖ p(z))


@dataclass(frozen=True)
class Autoencoder:
    """−log p(x | z) at the posterior's mean: no noise, no prior, hence no way to sample."""

    unit: ClassVar[str] = "nats"
    samples: int = 1

    def __call__(
        self, encoder: Callable, decoder: Callable, x: Tensor, noise: Tensor, weight: Tensor
    ) -> Terms:
        posterior = encoder(x)
        reconstruction = -decoder(posterior.mean).log_prob(x)
        return Terms(reconstruction, reconstruction, posterior.kl_to_prior())


@dataclass(frozen=True)
class ELBO:
    """−E_q log p(x | z) + β KL(q ‖ p) (Kingma & Welling 2014; Higgins et al. 2017)."""

    unit: ClassVar[str] = "nats"
    samples: int = 1

    def __call__(
        self, encoder: Callable, decoder: Callable, x: Tensor, noise: Tensor, weight: Tensor
    ) -> Terms:
        posterior = encoder(x)
        z = posterior.sample(noise[0])  # (n, latent)
        reconstruction, kl = -decoder(z).log_prob(x), posterior.kl_to_prior()
        return Terms(reconstruction + weight * kl, reconstruction, kl)


@dataclass(frozen=True)
class IWAE:
    """−log (1/K) Σ_k p(x, z_k) / q(z_k | x): a tighter bound from K codes (Burda et al. 2016)."""

    unit: ClassVar[str] = "nats"
    samples: int = 8

    def __call__(
        self, encoder: Callable, decoder: Callable, x: Tensor, noise: Tensor, weight: Tensor
    ) -> Terms:
        posterior = encoder(x)
        z = posterior.sample(noise)  # (K, n, latent)
        log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)  # (K, n)
        log_likelihood = decoder(z).log_prob(x)
        log_weight = log_likelihood + log_prior - posterior.log_prob(z)
        bound = log_weight.logsumexp(0) - math.log(len(z))
        return Terms(-bound, -log_likelihood.mean(0), posterior.kl_to_prior())


# ------------------------------------------------------------- generative adversarial networks


def logits(discriminator: Network, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The discriminator on both batches in one pass: two of (n, 2) to two of (n,)."""
    return discriminator(torch.cat([real, fake])).chunk(2)


def input_gradient(discriminator: Network, x: Tensor) -> Tensor:
    """∇_x discriminator(x) at each point, (n, 2) to (n, 2), itself differentiable."""
    return grad(lambda points: discriminator(points).sum())(x)


def zero_centred(discriminator: Network, x: Tensor) -> Tensor:
    """E ‖∇_x discriminator(x)‖² / 2: R1 on real points, R2 on fakes (Mescheder et al. 2018)."""
    return 0.5 * input_gradient(discriminator, x).square().sum(-1).mean()


def first(x: Tensor, share: float) -> Tensor:
    """The first rows of x (n, ...), that share of them; at least one.

    A penalty on a part of a batch estimates the same mean at a part of the cost.
    """
    return x[: max(1, round(share * len(x)))]


def r1(discriminator: Network, real: Tensor, share: float, weight: Tensor) -> Tensor | float:
    """R1 on a share of the real points, weighted; zero where it looks at none."""
    return weight * zero_centred(discriminator, first(real, share)) if share else 0.0


@dataclass(frozen=True)
class NonSaturating:
    """Cross-entropy of real against fake; G maximises log D(G(z)) (Goodfellow et al. 2014)."""

    unit: ClassVar[str] = "nats"
    share: float = 0.0  # of the real points that R1 looks at; none, and there is no penalty

    def discriminator(
        self, discriminator: Network, real: Tensor, fake: Tensor, mix: Tensor, weight: Tensor
    ) -> Tensor:
        on_real, on_fake = logits(discriminator, real, fake)
        loss = (softplus(-on_real) + softplus(on_fake)).mean()
        return loss + r1(discriminator, real, self.share, weight)

    def generator(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-discriminator(fake)).mean()


@dataclass(frozen=True)
class LeastSquares:
    """Squared distance of a score to 1 (real) and 0 (fake) (Mao et al. 2017, eq. 9)."""

    unit: ClassVar[str] = "squared score"
    share: float = 0.0  # of the real points that R1 looks at; none, and there is no penalty

    def discriminator(
        self, discriminator: Network, real: Tensor, fake: Tensor, mix: Tensor, weight: Tensor
    ) -> Tensor:
        on_real, on_fake = logits(discriminator, real, fake)
        loss = 0.5 * ((on_real - 1).square() + on_fake.square()).mean()
        return loss + r1(discriminator, real, self.share, weight)

    def generator(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * (discriminator(fake) - 1).square().mean()


@dataclass(frozen=True)
class WassersteinGP:
    """Difference of means; slopes between real and fake held near one (Gulrajani et al. 2017)."""

    unit: ClassVar[str] = "score"
    share: float = 1.0  # of the batch that the penalty looks at

    def discriminator(
        self, discriminator: Network, real: Tensor, fake: Tensor, mix: Tensor, weight: Tensor
    ) -> Tensor:
        on_real, on_fake = logits(discriminator, real, fake)
        between = mix * real + (1 - mix) * fake  # mix is (n, 1), uniform on [0, 1]
        slope = (
            input_gradient(discriminator, first(between, self.share)).square().sum(-1) + 1e-12
        ).sqrt()
        return (on_fake - on_real).mean() + weight * (slope - 1).square().mean()

    def generator(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        return -discriminator(fake).mean()


@dataclass(frozen=True)
class Relativistic:
    """A fake against a real partner (Jolicoeur-Martineau 2019), R1 and R2 (Huang et al. 2024)."""

    unit: ClassVar[str] = "nats"
    share: float = 1.0  # of the batch that the penalty looks at

    def discriminator(
        self, discriminator: Network, real: Tensor, fake: Tensor, mix: Tensor, weight: Tensor
    ) -> Tensor:
        on_real, on_fake = logits(discriminator, real, fake)
        seen = (first(points, self.share) for points in (real, fake))
        penalty = sum(zero_centred(discriminator, points) for points in seen)
        return softplus(on_fake - on_real).mean() + weight * penalty

    def generator(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        on_real, on_fake = logits(discriminator, real, fake)
        return softplus(on_real - on_fake).mean()


BY_NAME = {
    "elbo": ELBO,
    "autoencoder": Autoencoder,
    "iwae": IWAE,
    "non-saturating": NonSaturating,
    "least-squares": LeastSquares,
    "wgan-gp": WassersteinGP,
    "relativistic": Relativistic,
}


def build(recipe):
    """The objective that a recipe names, ready to call."""
    kind = BY_NAME[recipe.objective]
    if recipe.family == "vae":
        return kind(recipe.samples)
    return kind(recipe.penalty_share) if recipe.penalty else kind()
