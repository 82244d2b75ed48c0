"""Divergences between the target and a model whose density is known, not only its samples.

All are means of a function of the two log densities over points of the one or the other, which
needs no grid and comes with a standard error.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.targets import GaussianMixture


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
    unreached: Estimate  # share of p* where q is zero


@torch.no_grad()
def divergences(
    target: GaussianMixture, log_q: Callable[[Tensor], Tensor], y: Tensor, x: Tensor
) -> Divergences:
    """Divergences from points y (m, 2) of the target and x (n, 2) of the model.

    `log_q(points)` is the model's log density in nats, (n, 2) to (n,), −∞ where it has none.
    Total variation is E_p*[(1 − q/p*)₊], Jensen–Shannon the mean of KL(p* ‖ m) and KL(q ‖ m)
    with m the equal mixture of both.
    """
    at_y = log_q(y).double() - target.log_prob(y)  # log q/p*, (m,)
    at_x = log_q(x).double() - target.log_prob(x)  # (n,)
    halves = (
        math.log(2) - torch.nn.functional.softplus(at_y),  # log p*/m
        math.log(2) - torch.nn.functional.softplus(-at_x),  # log q/m
    )
    first, second = map(_estimate, halves)
    return Divergences(
        forward=_estimate(-at_y),
        reverse=_estimate(at_x),
        jensen_shannon=Estimate(
            (first.value + second.value) / 2, math.hypot(first.error, second.error) / 2
        ),
        total_variation=_estimate((1 - at_y.exp()).clamp(min=0)),
        unreached=_estimate(at_y.isneginf().double()),
    )


def _estimate(values: Tensor) -> Estimate:
    error = values.std() / math.sqrt(len(values))
    return Estimate(values.mean().item(), error.item())
