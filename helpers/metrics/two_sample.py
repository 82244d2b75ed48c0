"""Distances between two sets of points: x from the model, y from the truth.

Costly scores look at no more than `cap` points a side, picked by `generator`; without one the
first `cap` serve, which is right for independent draws. Optimal transport is solved by POT.
"""

import math
from typing import NamedTuple

import numpy as np
import ot
import torch
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from torch import Generator, Tensor

from helpers.targets import GaussianMixture

PROJECTIONS = 32
FOLDS = 3
TREES = {"max_iter": 40, "learning_rate": 0.2, "max_leaf_nodes": 31, "min_samples_leaf": 50}


class Manifold(NamedTuple):
    """What nearest-neighbour balls say about quality and variety."""

    precision: float
    recall: float
    density: float
    coverage: float


def thin(x: Tensor, cap: int, generator: Generator | None = None) -> Tensor:
    """At most `cap` of the points, without replacement: (n, d) to (min(n, cap), d)."""
    if len(x) <= cap:
        return x
    return x[:cap] if generator is None else x[torch.randperm(len(x), generator=generator)[:cap]]


def sliced_w2(x: Tensor, y: Tensor, generator: Generator | None = None, cap: int = 20_000) -> float:
    """Sliced 2-Wasserstein distance (Bonneel et al. 2015), (n, 2) and (m, 2), in data units.

    In the plane, directions can be spread evenly over the half circle instead of drawn at
    random, which integrates better; only where the fan starts is left to `generator`.
    """
    start = torch.rand((), generator=generator).item() if generator else 0.5
    angles = (np.arange(PROJECTIONS) + start) * math.pi / PROJECTIONS
    fan = np.stack([np.cos(angles), np.sin(angles)])  # (2, PROJECTIONS)
    x, y = _thinned(x, y, cap, generator)
    return float(ot.sliced_wasserstein_distance(x, y, projections=fan))


def energy_distance(
    x: Tensor, y: Tensor, generator: Generator | None = None, cap: int = 5_000
) -> float:
    """2 E|x − y| − E|x − x'| − E|y − y'| between (n, 2) and (m, 2), in data units.

    The V-statistic of Székely & Rizzo (2013), all pairs counted: never negative, and above
    zero by chance even where both sides are the truth.
    """
    x, y = _thinned(x, y, cap, generator)
    within = sum(2 * pdist(side).sum() / len(side) ** 2 for side in (x, y))
    between = np.mean([cdist(row[None], y).mean() for row in x])
    return float(2 * between - within)


def wasserstein(
    x: Tensor, y: Tensor, order: int = 2, generator: Generator | None = None, cap: int = 1_000
) -> float:
    """Wasserstein distance of order 1 or 2 between (n, 2) and (m, 2), in data units.

    (min_π E ‖x − y‖^order)^(1/order) over couplings π of the two samples; the cost grows with
    the cube of the sample. Two samples of one mixture are apart by chance, chiefly through their
    unequal counts of each mode. Raises ValueError for another order.
    """
    if order not in (1, 2):
        raise ValueError(f"order = {order}: choose 1 or 2")
    cost = ot.dist(*_thinned(x, y, cap, generator), "euclidean" if order == 1 else "sqeuclidean")
    return float(ot.emd2([], [], cost)) ** (1 / order)


def w2_within_modes(
    target: GaussianMixture,
    x: Tensor,
    y: Tensor,
    generator: Generator | None = None,
    cap: int = 400,
) -> float:
    """W2 within modes, (Σ_k w_k W2²(x_k, y_k))^½, in data units; NaN where a mode is empty.

    Points go to the component they most likely belong to, and each mode is compared with itself
    alone, at equal counts of at most `cap` a side: chance mode counts, which drown all fine shape
    in W2 itself, play no part.
    """
    of_x, of_y = target.classify(x), target.classify(y)
    pairs = [(x[of_x == k], y[of_y == k]) for k in range(target.k)]
    sizes = [min(cap, len(mine), len(theirs)) for mine, theirs in pairs]
    if min(sizes) == 0:
        return math.nan
    each = [
        wasserstein(*pair, generator=generator, cap=size) ** 2
        for pair, size in zip(pairs, sizes, strict=True)
    ]
    return math.sqrt(sum(w * d for w, d in zip(target.weights.tolist(), each, strict=True)))


def precision_recall_density_coverage(
    x: Tensor, y: Tensor, k: int = 5, generator: Generator | None = None, cap: int = 5_000
) -> Manifold:
    """Quality and variety by balls that reach each point's k-th neighbour on its own side.

    Precision and recall (Kynkäänniemi et al. 2019): share of x (n, d) within any ball of y (m, d),
    and of y within any ball of x. Density and coverage (Naeem et al. 2020): balls of y around an
    x, over k; share of the balls of y that hold some x. With n points a side drawn alike, the
    expected density is 1 and the expected coverage tends to 1 − 2^(−k). Raises ValueError
    unless each side has more than k points.
    """
    x, y = _thinned(x, y, cap, generator)
    if min(len(x), len(y)) <= k:
        raise ValueError(
            f"{len(x)} and {len(y)} points with k = {k}; give each side more than k points"
        )
    apart = cdist(x, y)  # (n, m)
    in_real = apart < _reach(y, k)  # (n, m): x_i lies in the ball of y_j
    in_model = apart < _reach(x, k)[:, None]  # (n, m): y_j lies in the ball of x_i
    return Manifold(
        precision=float(in_real.any(1).mean()),
        recall=float(in_model.any(0).mean()),
        density=float(in_real.sum(1).mean() / k),
        coverage=float(in_real.any(0).mean()),
    )


def c2st_accuracy(
    x: Tensor, y: Tensor, generator: Generator | None = None, cap: int = 10_000
) -> float:
    """Classifier two-sample test: held-out accuracy of boosted trees that tell x from y.

    Lopez-Paz & Oquab (2017, section 3), each fold tested by trees grown on the others. Half for
    equal distributions; both sides, (n, 2) and (m, 2), are cut to equal size.
    """
    size = min(cap, len(x), len(y))
    points = np.concatenate(_thinned(x, y, size, generator))
    label = np.repeat([0, 1], size)
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    trees = HistGradientBoostingClassifier(**TREES, early_stopping=False, random_state=0)
    return float(cross_val_score(trees, points, label, cv=split).mean())


def _thinned(
    x: Tensor, y: Tensor, cap: int, generator: Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """At most `cap` points a side in double precision, x picked first."""
    x, y = thin(x, cap, generator), thin(y, cap, generator)
    return x.detach().cpu().double().numpy(), y.detach().cpu().double().numpy()


def _reach(points: np.ndarray, k: int) -> np.ndarray:
    """Distance of each point to its k-th neighbour, itself not counted: (n, d) to (n,)."""
    return cKDTree(points).query(points, [k + 1])[0][:, 0]
