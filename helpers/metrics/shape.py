"""The shape of each mode against the component it should have, and what lies between modes.

A point counts for the component that it most likely belongs to. Components overlap slightly, so
even true samples are not exactly at zero: the truth's own range tells by how much.
"""

from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor

from helpers.targets import GaussianMixture

BINS = 20  # of equal probability, for the radius of each mode
FEWEST = 3  # points of a mode that have a mean and a covariance


def radius_chi2(target: GaussianMixture, x: Tensor, bins: int = BINS) -> float:
    """χ² over its degrees of freedom of the Mahalanobis radii, summed over modes: (n, 2) to 1.

    Within a plane Gaussian exp(−r²/2) is uniform on [0, 1]: its histogram in equal bins, mode by
    mode, against equal counts. About one for the truth; it grows with n for any other shape.
    """
    counts = _radius_counts(target, x, bins)  # (k, bins)
    expected = counts.sum(1, keepdim=True) / bins
    statistic = ((counts - expected).square() / expected.clamp(min=1e-9)).sum().item()
    return statistic / max(1, int((expected[:, 0] > 0).sum()) * (bins - 1))


def radius_p_value(target: GaussianMixture, x: Tensor, bins: int = BINS) -> float:
    """The least χ² p-value of a mode's radii, times the number of modes (Bonferroni), up to one."""
    counts = _radius_counts(target, x, bins)
    counts = counts[counts.sum(1) > 0]
    least = stats.chisquare(counts.numpy(), axis=1).pvalue.min()
    return float(min(1.0, least * len(counts)))


def mean_error(target: GaussianMixture, x: Tensor) -> float:
    """Root of Σ_k w_k ‖Σ_k^(−½) (m̂_k − μ_k)‖²: means off, in standard deviations; (n, 2) to 1.

    NaN where a component has fewer than three points.
    """
    return _weighted_root(target, x, lambda u: u.mean(0).square().sum())


def covariance_error(target: GaussianMixture, x: Tensor) -> float:
    """Root of Σ_k w_k ‖Σ_k^(−½) Ŝ_k Σ_k^(−½) − I‖²_F: (n, 2) to 1; NaN as in `mean_error`."""
    eye = torch.eye(2, dtype=torch.float64)
    return _weighted_root(target, x, lambda u: (torch.cov(u.T) - eye).square().sum())


def bridge_mass(target: GaussianMixture, x: Tensor, sigma: float = 3.0) -> float:
    """Share of the points between modes: (n, 2) to one number.

    Further than `sigma` from every component, yet inside the rectangle that their means span.
    The truth keeps at most exp(−sigma²/2), 1.1 %, out there.
    """
    far = target.mahalanobis2(x).amin(-1) > sigma**2
    low, high = target.means.amin(0), target.means.amax(0)
    within = ((x >= low) & (x <= high)).all(-1)
    return (far & within).double().mean().item()


def _radius_counts(target: GaussianMixture, x: Tensor, bins: int) -> Tensor:
    """Points by mode and by bin of exp(−r²/2): (n, 2) to (k, bins)."""
    own = target.classify(x)  # (n,)
    radius2 = target.mahalanobis2(x).gather(1, own[:, None])[:, 0]
    bin_ = (torch.exp(-0.5 * radius2) * bins).long().clamp(max=bins - 1)
    return torch.bincount(own * bins + bin_, minlength=target.k * bins).view(-1, bins).double()


def _whitened(target: GaussianMixture, x: Tensor) -> list[Tensor]:
    """The points of each component in its own standard coordinates: (n, 2) to k of (n_k, 2)."""
    own = target.classify(x)
    return [
        torch.linalg.solve_triangular(
            target.scale_tril[k], (x[own == k].double() - target.means[k]).T, upper=False
        ).T
        for k in range(target.k)
    ]


def _weighted_root(target: GaussianMixture, x: Tensor, error: Callable[[Tensor], Tensor]) -> float:
    parts = _whitened(target, x)
    if min(map(len, parts)) < FEWEST:
        return float("nan")
    return float((target.weights @ torch.stack([error(u) for u in parts])).sqrt())
