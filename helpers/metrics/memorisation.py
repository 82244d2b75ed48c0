"""Does a model recite its training points?

Distances are Euclidean, in data units. Every score has its value under the truth, which depends
on the number of points: read it beside the truth's own range.
"""

import math

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree
from torch import Tensor

Points = Tensor | cKDTree  # the training points (m, 2), or a tree of them made before


def nearest_training_distance(x: Tensor, train: Points) -> float:
    """Mean distance from each x (n, 2) to its nearest training point (m, 2), in data units.

    Zero for a model that recites its training set; the truth's own value depends on m.
    """
    return float(_tree(train).query(_array(x))[0].mean())


def authenticity(x: Tensor, train: Points) -> float:
    """Share of x (n, 2) further from the nearest training point t than t from its own neighbour.

    Alaa et al. (2022, section 3): about .38 for fresh points in the plane, zero for copies.
    """
    tree = _tree(train)
    apart, nearest = tree.query(_array(x))
    own = tree.query(tree.data[nearest], [2])[0][:, 0]  # the first neighbour is the point itself
    return float((apart > own).mean())


def copying_z(x: Tensor, train: Points, fresh: Tensor) -> float:
    """Are samples (n, 2) nearer to the training points than fresh truth (m, 2) is? z-score.

    The data-copying test of Meehan et al. (2020, section 3): the Mann–Whitney statistic of the
    distances to the training set, standardised. Far below zero: copies; far above: strays.
    """
    tree = _tree(train)
    mine, theirs = (tree.query(_array(points))[0] for points in (x, fresh))
    u = float(stats.mannwhitneyu(mine, theirs).statistic)
    n, m = len(mine), len(theirs)
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def _tree(train: Points) -> cKDTree:
    return train if isinstance(train, cKDTree) else cKDTree(_array(train))


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
