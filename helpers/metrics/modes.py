"""Scores of samples against a mixture that is known exactly.

Distances are Mahalanobis distances, in standard deviations of the component at hand, so one
number means the same for a wide component and for a narrow one.
"""

import torch
from torch import Tensor

from helpers.targets import GaussianMixture


def share_within(target: GaussianMixture, x: Tensor, sigma: float = 3.0) -> float:
    """Share of the points (n, 2) that lie within `sigma` of the component nearest to them.

    The squared radius of a plane Gaussian is χ² with two degrees of freedom, so the truth
    itself scores 1 − exp(−sigma²/2) about its own means: 98.89 % at sigma = 3, a little more
    where a neighbour's ellipse catches a straggler. A higher share is not better quality:
    it says that the samples huddle too close to the means.
    """
    return _near(target, x, sigma)[0].double().mean().item()


def mode_counts(target: GaussianMixture, x: Tensor, sigma: float = 3.0) -> Tensor:
    """How many high-quality points, those within `sigma`, each component has: (n, 2) to (k,)."""
    near, nearest = _near(target, x, sigma)
    return torch.bincount(nearest[near], minlength=target.k)


def modes_covered(
    target: GaussianMixture, x: Tensor, sigma: float = 3.0, least: float = 0.1
) -> int:
    """Number of components that the points (n, 2) reach.

    VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018) count a mode once it is the
    nearest of a single high-quality sample. They draw 2,500 samples; among 100,000 one stray
    is all but certain, so here a mode must also hold the fraction `least` of the points due
    to it, least · w_k · n. `least=0` is the published rule.
    """
    due = (least * target.weights * len(x)).clamp(min=1)  # (k,)
    return int((mode_counts(target, x, sigma) >= due).sum())


def weight_kl(target: GaussianMixture, x: Tensor) -> float:
    """KL(ŵ ‖ w) in nats, ŵ the histogram of the most likely component of each point (n, 2).

    The published direction: the model's histogram relative to the truth's weights, so an
    empty mode costs a finite amount. The truth scores about (k − 1) / 2n by chance alone.
    """
    counts = torch.bincount(target.classify(x), minlength=target.k).double()
    found = counts / counts.sum()  # (k,)
    return torch.special.xlogy(found, found / target.weights).sum().item()


def radius_ratio(target: GaussianMixture, x: Tensor) -> Tensor:
    """Mean squared Mahalanobis radius over its expected 2, by component: (n, 2) to (k,).

    Below one the samples of that component are too concentrated, above one too spread. Only
    points that most likely belong to a component count for it, which leaves the truth at one
    up to the slight overlap of the components. NaN where a component has no points.
    """
    own = target.classify(x)  # (n,)
    radius2 = target.mahalanobis2(x).gather(1, own[:, None])[:, 0]  # (n,)
    counts = torch.bincount(own, minlength=target.k)
    return torch.bincount(own, weights=radius2, minlength=target.k) / (2 * counts)


def log_likelihood(target: GaussianMixture, x: Tensor) -> float:
    """Mean log p*(x) of the points (n, 2) in nats; the truth scores minus its entropy."""
    return target.log_prob(x).mean().item()


def _near(target: GaussianMixture, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Whether each point is within `sigma` of its nearest component, and which that is."""
    radius2, nearest = target.mahalanobis2(x).min(-1)  # (n,) each
    return radius2 <= sigma**2, nearest
