"""Faults planted into true samples, each at three strengths: what a metric must see to be believed.

All keep everything else as it is: a fault in the widths leaves weights and places alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.targets import GaussianMixture

NOISE = 0.005  # of a copied training point, in data units


@dataclass(frozen=True)
class Fault:
    """A way to be wrong. `plant(target, n, strength, train, generator)` draws (n, 2) that way."""

    name: str
    unit: str
    strengths: tuple[float, float, float]  # from faint to the one that must be seen
    plant: Callable[[GaussianMixture, int, float, Tensor, torch.Generator], Tensor]


def dropped(target, n, share, train, generator) -> Tensor:
    """The lightest component keeps 1 − share of its weight."""
    weights = target.weights.clone()
    weights[weights.argmin()] *= 1 - share
    return _given(target, n, weights, generator)


def tilted(target, n, share, train, generator) -> Tensor:
    """Heavier and lighter components in turn: weights times 1 + share or 1 − share."""
    signs = torch.ones(target.k, dtype=torch.float64)
    signs[1::2] = -1
    return _given(target, n, target.weights * (1 + share * signs), generator)


def scaled(target, n, factor, train, generator) -> Tensor:
    """Every point's distance to its own mean times a factor."""
    x, component = target.sample_labelled(n, generator)
    centre = target.means[component].float()
    return centre + factor * (x - centre)


def rotated(target, n, degrees, train, generator) -> Tensor:
    """The most elongated component turned about its mean."""
    x, component = target.sample_labelled(n, generator)
    widths = torch.linalg.eigvalsh(target.covariances)  # (k, 2), ascending
    which = (widths[:, 1] / widths[:, 0]).argmax()
    angle = math.radians(degrees)
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=x.dtype
    )
    centre = target.means[which].to(x.dtype)
    return torch.where((component == which)[:, None], centre + (x - centre) @ turn.T, x)


def bridged(target, n, share, train, generator) -> Tensor:
    """A share of the points on straight lines between two components' means."""
    x = target.sample(n, generator)
    ends = torch.stack([torch.randperm(target.k, generator=generator)[:2] for _ in range(n)])
    start, end = target.means[ends].to(x.dtype).unbind(1)  # (n, 2) each
    along = torch.rand(n, 1, generator=generator)
    return _mixed(x, start + along * (end - start), share, generator)


def scattered(target, n, share, train, generator) -> Tensor:
    """A share of the points far out: on a circle of three times the target's own spread."""
    x = target.sample(n, generator)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    radius = 3 * target.std.square().sum().sqrt().to(x.dtype)
    circle = radius * torch.stack([angle.cos(), angle.sin()], -1)
    return _mixed(x, target.mean.to(x.dtype) + circle, share, generator)


def copied(target, n, share, train, generator) -> Tensor:
    """A share of the points are training points moved by a small noise."""
    x = target.sample(n, generator)
    source = train[torch.randint(len(train), (n,), generator=generator)]
    return _mixed(x, source + NOISE * torch.randn(n, 2, generator=generator), share, generator)


FAULTS = (
    Fault("a mode dropped", "share of it", (0.1, 0.3, 1.0), dropped),
    Fault("weights tilted", "by a share", (0.02, 0.05, 0.15), tilted),
    Fault("too narrow", "widths ×", (0.98, 0.95, 0.9), scaled),
    Fault("too wide", "widths ×", (1.02, 1.05, 1.1), scaled),
    Fault("one mode rotated", "degrees", (5.0, 15.0, 45.0), rotated),
    Fault("bridges", "share", (0.001, 0.003, 0.01), bridged),
    Fault("far outliers", "share", (0.001, 0.003, 0.01), scattered),
    Fault("training points copied", "share", (0.1, 0.3, 1.0), copied),
)


def _given(target: GaussianMixture, n: int, weights: Tensor, generator: torch.Generator) -> Tensor:
    components = weights.multinomial(n, replacement=True, generator=generator)
    return target.sample_given(components, generator)


def _mixed(x: Tensor, other: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Each point replaced by the other one with probability `share`: (n, 2)."""
    few = torch.rand(len(x), 1, generator=generator) < share
    return torch.where(few, other, x)
