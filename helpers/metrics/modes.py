"""Scores of samples against a mixture that is known exactly: weights, shape and gaps of its modes.

Distances are Mahalanobis distances, in standard deviations of the component at hand, so one
number means the same for a wide component and for a narrow one. A point belongs to the component
that it most likely comes from; components overlap slightly, so even the truth scores a little
off its ideal value, and its own range says by how much.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.targets import GaussianMixture

FEWEST = 3  # points of a mode that have a mean and a covariance


class Moments(NamedTuple):
    """How far means and covariances of the modes are off; zero for a perfect sample."""

    mean_error: float  # in standard deviations
    covariance_error: float  # relative to the identity


def high_quality_fraction(target: GaussianMixture, x: Tensor, sigma: float = 3.0) -> float:
    """Share of the points (n, 2) that lie within `sigma` of the component nearest to them.

    The squared radius of a plane Gaussian is χ² with two degrees of freedom, so the truth
    itself scores 1 − exp(−sigma²/2) about its own means: 98.89 % at sigma = 3, a little more
    where a neighbour's ellipse catches a stray point (`true_fraction`). A higher share is not
    better quality: it says that the samples huddle too close to the means.
    """
    return _near(target, x, sigma)[0].double().mean().item()


def true_fraction(target: GaussianMixture, sigma: float = 3.0) -> float:
    """What `high_quality_fraction` is for p* itself, by quadrature: 98.98 % for `gmm5` at 3.

    1 − exp(−sigma²/2) about each component's own mean, and what of its rim others catch.
    """
    step = 5 / 400  # beyond sigma + 5 there is nothing
    radius = sigma + (torch.arange(400, dtype=torch.float64) + 0.5) * step
    angle = torch.arange(360, dtype=torch.float64) * 2 * math.pi / 360
    r, turn = torch.cartesian_prod(radius, angle).unbind(-1)  # (m,) each, rings beyond sigma
    rim = torch.stack([r * turn.cos(), r * turn.sin()], -1) @ target.scale_tril.mT  # (k, m, 2)
    caught, _ = _near(target, (target.means[:, None] + rim).reshape(-1, 2), sigma)
    mass = r * torch.exp(-r.square() / 2) * step / 360  # (m,), of a standard Gaussian
    share = caught.view(target.k, -1).double() @ mass  # (k,)
    return 1 - math.exp(-(sigma**2) / 2) + (target.weights @ share).item()


def modes_covered(target: GaussianMixture, x: Tensor, least: float = 0.1) -> int:
    """Number of components that the points (n, 2) reach to within 3σ.

    VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018) count a mode once it is the
    nearest of a single high-quality sample. They draw 2,500 samples; among 100,000 one stray
    is all but certain, so here a mode must also hold the fraction `least` of the points due
    to it, least · w_k · n. `least=0` is the published rule.
    """
    due = (least * target.weights * len(x)).clamp(min=1)  # (k,)
    near, nearest = _near(target, x, 3.0)
    return int((torch.bincount(nearest[near], minlength=target.k) >= due).sum())


def mode_kl(target: GaussianMixture, x: Tensor) -> float:
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


def cross_entropy(target: GaussianMixture, x: Tensor) -> float:
    """Mean −log p*(x) of the points (n, 2) in nats; the truth's own is its entropy."""
    return -target.log_prob(x).mean().item()


def per_mode_moments(target: GaussianMixture, x: Tensor) -> Moments:
    """Errors of the modes' means m̂_k and covariances Ŝ_k, as roots of weighted squares.

    (Σ_k w_k ‖Σ_k^(−½) (m̂_k − μ_k)‖²)^½ and (Σ_k w_k ‖Σ_k^(−½) Ŝ_k Σ_k^(−½) − I‖²_F)^½, of points
    (n, 2). NaN where a component has fewer than three points.
    """
    parts = _whitened(target, x)
    if min(map(len, parts)) < FEWEST:
        return Moments(float("nan"), float("nan"))
    eye = torch.eye(2, dtype=torch.float64)
    means = torch.stack([u.mean(0).square().sum() for u in parts])  # (k,)
    covariances = torch.stack([(torch.cov(u.T) - eye).square().sum() for u in parts])  # (k,)
    return Moments(*(float((target.weights @ error).sqrt()) for error in (means, covariances)))


def between_modes(target: GaussianMixture, x: Tensor) -> float:
    """Share of the points (n, 2) between modes.

    Further than 3σ from every component, yet inside the rectangle that their means span. The
    truth keeps at most exp(−9/2), 1.1 %, out there.
    """
    far = ~_near(target, x, 3.0)[0]
    low, high = target.means.amin(0), target.means.amax(0)
    within = ((x >= low) & (x <= high)).all(-1)
    return (far & within).double().mean().item()


def _near(target: GaussianMixture, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Whether each point is within `sigma` of its nearest component, and which that is."""
    radius2, nearest = target.mahalanobis2(x).min(-1)  # (n,) each
    return radius2 <= sigma**2, nearest


def _whitened(target: GaussianMixture, x: Tensor) -> list[Tensor]:
    """The points of each component in its own standard coordinates: (n, 2) to k of (n_k, 2)."""
    own = target.classify(x)
    offsets = [x[own == k].double() - target.means[k] for k in range(target.k)]
    return [
        torch.linalg.solve_triangular(root, offset.T, upper=False).T
        for root, offset in zip(target.scale_tril, offsets, strict=True)
    ]
