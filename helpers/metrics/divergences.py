"""Divergences between the target and a model whose density is known, not only its samples.

All are means of a function of the two log densities over points of the one or the other, which
needs no grid and comes with a standard error.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.metrics.density import log_density
from helpers.targets import GaussianMixture
from helpers.training import stream

COMPARED = 50_000  # test points that every exact value is a mean over
DRAWN = 10_000  # samples of a model, where the mean goes over these
NOISE = 31  # seed of the samples
SURE = 3.0  # standard errors that a hole must exceed the mesh's own misses by


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    error: float


class Divergences(NamedTuple):
    """How far apart p* and a model q are; nats, or shares of mass."""

    forward: Estimate  # KL(p* ‖ q): what the model misses; infinite where q has holes
    reverse: Estimate  # KL(q ‖ p*): what it puts where nothing should be
    jensen_shannon: Estimate  # at most log 2
    total_variation: Estimate  # at most one
    unreached: Estimate  # share of p* where q is zero, less the share that the mesh misses


def compare(model: nn.Module, target: GaussianMixture, device: str = "cpu") -> Divergences:
    """Divergences of a trained sampler, on the test points and noise that all records share.

    A `device`, where the model then is, takes the quadrature alone; the mesh of a plain map is the
    CPU's.
    """
    noise, place = stream(NOISE), device if hasattr(model, "decoder") else "cpu"
    log_q = log_density(model.to(place))
    y = target.draws().test.points[:COMPARED]
    z = torch.randn(DRAWN, model.latent, generator=noise)
    with torch.no_grad():
        x = model.draw(z.to(place), noise).cpu()
    return divergences(target, lambda points: log_q(points.to(place)).cpu(), y, x)


@torch.no_grad()
def divergences(
    target: GaussianMixture, log_q: Callable[[Tensor], Tensor], y: Tensor, x: Tensor
) -> Divergences:
    """Divergences from points y (m, 2) of the target and x (n, 2) of the model.

    `log_q(points)` is the model's log density in nats, (n, 2) to (n,), −∞ where it finds none.
    Total variation is E_p*[(1 − q/p*)₊], Jensen–Shannon the mean of KL(p* ‖ m) and KL(q ‖ m)
    with m the equal mixture of both.

    The share of x without a density is the miss rate of the mesh. `unreached`, the share of y
    without one less that rate, may be slightly negative. Only above three standard errors has q
    a hole: the forward KL is infinite. Otherwise the forward KL is the mean over the reached
    points of y. Missed points of x are left out; those of y count as q = 0 in the two bounded
    divergences, which raises those by the miss rate at most. Where no x has a density, q is
    singular, on a line or a point, and nothing was missed.
    """
    both = torch.cat([y, x])  # in one call: a mesh is walked through once
    at_y, at_x = (log_q(both).double() - target.log_prob(both)).split([len(y), len(x)])  # log q/p*
    if at_x.isneginf().all():
        at_x = torch.full_like(at_x, math.inf)
    unreached = _difference(at_y.isneginf(), at_x.isneginf())
    at_x = at_x[~at_x.isneginf()]
    halves = (
        math.log(2) - torch.nn.functional.softplus(at_y),  # log p*/m
        math.log(2) - torch.nn.functional.softplus(-at_x),  # log q/m
    )
    first, second = map(_mean, halves)
    hole = unreached.value > SURE * unreached.error
    return Divergences(
        forward=Estimate(math.inf, math.nan) if hole else _mean(-at_y[~at_y.isneginf()]),
        reverse=_mean(at_x),
        jensen_shannon=Estimate(
            (first.value + second.value) / 2, math.hypot(first.error, second.error) / 2
        ),
        total_variation=_mean((1 - at_y.exp()).clamp(min=0)),
        unreached=unreached,
    )


def _mean(values: Tensor) -> Estimate:
    error = values.std() / math.sqrt(len(values))
    return Estimate(values.mean().item(), error.item())


def _difference(first: Tensor, second: Tensor) -> Estimate:
    """Difference of two shares, with the hypotenuse of their binomial errors."""
    a, b = (side.double().mean().item() for side in (first, second))
    variance = a * (1 - a) / len(first) + b * (1 - b) / len(second)
    return Estimate(a - b, math.sqrt(variance))
