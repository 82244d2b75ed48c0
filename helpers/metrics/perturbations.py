"""Latents that do not come from the prior: four ways to leave it, each with a strength.

At the neutral strength each is the prior N(0, I) itself, so that a curve starts at the score
of the undisturbed model. All map latents (n, d) to (n, d).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.special import gammaincinv
from torch import Tensor


@dataclass(frozen=True)
class Perturbation:
    """A way to leave the prior, and the strengths to try, the neutral one first."""

    name: str
    unit: str
    apply: Callable[[Tensor, float, torch.Generator], Tensor]
    strengths: tuple[float, ...]


def shift(z: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Move all latents by `strength` along the diagonal."""
    return z + strength / math.sqrt(z.shape[1])


def scale(z: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Stretch all latents by the factor `strength`."""
    return strength * z


def heavy_tails(z: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Student's t with 1/`strength` degrees of freedom: a Gaussian over a random scale.

    t = z / √(χ²_ν / ν), one scale a point; `strength` 0 is the Gaussian, 1 is Cauchy's law.
    """
    if strength == 0:
        return z
    freedom = 1 / strength
    level = torch.rand(len(z), 1, generator=generator, dtype=torch.float64)
    radius2 = torch.from_numpy(2 * gammaincinv(freedom / 2, level.numpy()))  # quantiles of χ²_ν
    return (z / (radius2 / freedom).sqrt()).float()


def towards_uniform(z: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Replace a share `strength` of the points by uniform ones of the same variance."""
    uniform = math.sqrt(12) * (torch.rand(z.shape, generator=generator) - 0.5)
    replaced = torch.rand(len(z), 1, generator=generator) < strength
    return torch.where(replaced, uniform, z)


PERTURBATIONS = (
    Perturbation("shift", "distance, in prior σ", shift, (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)),
    Perturbation("scale", "factor", scale, (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)),
    Perturbation(
        "heavy tails",
        "tail weight (0 none, 1 extreme)",
        heavy_tails,
        (0.0, 0.1, 0.2, 0.33, 0.5, 1.0),
    ),
    Perturbation(
        "uniform", "share of points replaced", towards_uniform, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ),
)
