"""Does a model recite its training points, or repeat itself?

Distances are Euclidean. Every score has its value under the truth, which depends on the number of
points: read it beside the truth's own range.
"""

import math

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree
from torch import Tensor


def authenticity(x: Tensor, train: Tensor) -> float:
    """Share of x (n, 2) further from the nearest training point t than t from its own neighbour.

    Alaa et al. (2022, section 3): about a half for fresh points, near zero for copies.
    """
    tree = cKDTree(_array(train))  # of (m, 2)
    apart, nearest = tree.query(_array(x))
    own = tree.query(tree.data[nearest], [2])[0][:, 0]  # the first neighbour is the point itself
    return float((apart > own).mean())


def copying_z(x: Tensor, train: Tensor, fresh: Tensor) -> float:
    """Are samples (n, 2) nearer to the training points than fresh truth (m, 2) is? z-score.

    The data-copying test of Meehan et al. (2020, section 3): the Mann–Whitney statistic of the
    distances to the training set, standardised. Far below zero: copies; far above: strays.
    """
    tree = cKDTree(_array(train))
    mine, theirs = (tree.query(_array(points))[0] for points in (x, fresh))
    u = float(stats.mannwhitneyu(mine, theirs).statistic)
    n, m = len(mine), len(theirs)
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def birthday_support(x: Tensor, reach: float) -> float:
    """How many different points of radius `reach` the samples (n, 2) seem to come from.

    The birthday paradox as a test of variety (Arora et al. 2018): of n(n − 1)/2 pairs, those no
    further apart than `reach` collide, and a uniform choice among s would make one in s collide.
    Where none does, the least that one would have meant.
    """
    tree = cKDTree(_array(x))
    pairs = (tree.count_neighbors(tree, reach) - len(x)) / 2
    return len(x) * (len(x) - 1) / 2 / max(pairs, 1)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
