"""Distances between two sets of points: x from the model, y from the truth.

Nothing here knows the target. Costly scores look at no more than `cap` points a side, picked
by `generator`; without one the first `cap` serve, which is right for independent draws.
"""

import math
from typing import NamedTuple

import numpy as np
import ot
import torch
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist
from torch import Tensor


class Manifold(NamedTuple):
    """What nearest-neighbour balls say about quality and variety."""

    precision: float
    recall: float
    density: float
    coverage: float


class MMD(NamedTuple):
    """A statistic and how often chance alone exceeds it."""

    statistic: float
    p_value: float


def thin(x: Tensor, cap: int, generator: torch.Generator | None = None) -> Tensor:
    """At most `cap` of the points, without replacement: (n, 2) to (min(n, cap), 2)."""
    if len(x) <= cap:
        return x
    return x[:cap] if generator is None else x[torch.randperm(len(x), generator=generator)[:cap]]


def nearest_training_distance(x: Tensor, train: Tensor) -> float:
    """Mean Euclidean distance from each x (n, 2) to its nearest training point (m, 2).

    Zero for a model that recites its training set; the truth's own value depends on m.
    """
    return float(cKDTree(_array(train)).query(_array(x))[0].mean())


def sliced_w2(
    x: Tensor,
    y: Tensor,
    projections: int = 32,
    generator: torch.Generator | None = None,
    cap: int = 20_000,
) -> float:
    """Sliced 2-Wasserstein distance (Bonneel et al. 2015), (n, 2) and (m, 2), in data units.

    In the plane, directions can be spread evenly over the half circle instead of drawn at
    random, which integrates better; only where the fan starts is left to `generator`.
    """
    start = torch.rand((), generator=generator).item() if generator else 0.5
    angles = (np.arange(projections) + start) * math.pi / projections
    fan = np.stack([np.cos(angles), np.sin(angles)])  # (2, projections)
    x, y = thin(x, cap, generator), thin(y, cap, generator)
    return float(ot.sliced_wasserstein_distance(_array(x), _array(y), projections=fan))


def energy_distance(
    x: Tensor, y: Tensor, generator: torch.Generator | None = None, cap: int = 5_000
) -> float:
    """2 E|x − y| − E|x − x'| − E|y − y'| between (n, 2) and (m, 2), in data units.

    The V-statistic of Székely & Rizzo (2013), all pairs counted: never negative, and above
    zero by chance even where both sides are the truth.
    """
    x, y = _array(thin(x, cap, generator)), _array(thin(y, cap, generator))
    within = sum(2 * pdist(side).sum() / len(side) ** 2 for side in (x, y))
    between = np.mean([cdist(row[None], y).mean() for row in x])
    return float(2 * between - within)


def mmd(
    x: Tensor,
    y: Tensor,
    permutations: int = 500,
    generator: torch.Generator | None = None,
    cap: int = 2_000,
) -> MMD:
    """Squared maximum mean discrepancy and its permutation p-value, (n, 2) and (m, 2).

    The unbiased estimate of Gretton et al. (2012, eq. 3) under exp(−|a − b|² / 2h²), with h
    the median distance of the pooled points. It is a quadratic form in labels, so one kernel
    matrix and one matrix product give every permutation. The p-value counts the observed
    labelling as one of them: 1 / (permutations + 1) at the least.
    """
    x, y = thin(x, cap, generator), thin(y, cap, generator)
    kernel = _kernel(_array(torch.cat([x, y])))  # (n + m, n + m)
    first = torch.zeros(len(kernel), 1 + permutations, dtype=torch.float64)
    first[: len(x), 0] = 1  # column 0 is the labelling as observed, the rest are shuffled
    for column in range(1, 1 + permutations):
        first[torch.randperm(len(kernel), generator=generator)[: len(x)], column] = 1
    statistics = _unbiased(kernel, first)  # (1 + permutations,)
    p_value = (statistics >= statistics[0]).double().mean().item()
    return MMD(statistics[0].item(), p_value)


def precision_recall_density_coverage(
    x: Tensor, y: Tensor, k: int = 5, generator: torch.Generator | None = None, cap: int = 5_000
) -> Manifold:
    """Quality and variety by balls that reach each point's k-th neighbour on its own side.

    Precision and recall (Kynkäänniemi et al. 2019): share of x within any ball of y, and of y
    within any ball of x. Density and coverage (Naeem et al. 2020): balls of y around an x,
    over k; share of the balls of y that hold some x. With n points a side drawn alike, the
    expected density is 1 and the expected coverage tends to 1 − 2^(−k). Raises ValueError
    unless each side has more than k points.
    """
    x, y = _array(thin(x, cap, generator)), _array(thin(y, cap, generator))
    if min(len(x), len(y)) <= k:
        raise ValueError(
            f"{len(x)} and {len(y)} points with k = {k}; give each side more than k points"
        )
    apart = cdist(x, y)  # (n, m)
    in_real = apart <= _reach(y, k)  # (n, m): x_i lies in the ball of y_j
    in_model = apart <= _reach(x, k)[:, None]  # (n, m): y_j lies in the ball of x_i
    return Manifold(
        precision=float(in_real.any(1).mean()),
        recall=float(in_model.any(0).mean()),
        density=float(in_real.sum(1).mean() / k),
        coverage=float(in_real.any(0).mean()),
    )


def _reach(points: np.ndarray, k: int) -> np.ndarray:
    """Distance of each point to its k-th neighbour, itself not counted: (n, 2) to (n,)."""
    return cKDTree(points).query(points, [k + 1])[0][:, 0]


def _kernel(points: np.ndarray) -> Tensor:
    """Gaussian kernel at the median distance, diagonal set to zero: (n, 2) to (n, n)."""
    apart2 = torch.from_numpy(cdist(points, points, "sqeuclidean"))
    median2 = float(np.median(pdist(points, "sqeuclidean")))
    kernel = torch.exp(-apart2 / (2 * (median2 or 1.0)))  # all points equal: any width will do
    return kernel.fill_diagonal_(0)


def _unbiased(kernel: Tensor, first: Tensor) -> Tensor:
    """MMD² of each labelling; `first` (n, labellings) marks the points on the first side."""
    product = kernel @ first  # (n, labellings)
    n = first[:, 0].sum()
    m = len(kernel) - n
    xx = (first * product).sum(0)
    xy = product.sum(0) - xx
    yy = kernel.sum() - xx - 2 * xy
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
