"""Exact optimal transport between two samples: how far mass must travel.

Linear programs, solved by POT; their cost grows with the cube of the sample, hence the caps.
"""

import numpy as np
import ot
import torch
from torch import Tensor

from helpers.metrics.samples import thin
from helpers.targets import GaussianMixture


def wasserstein(
    x: Tensor,
    y: Tensor,
    order: int = 2,
    generator: torch.Generator | None = None,
    cap: int = 1_000,
) -> float:
    """Wasserstein distance of order 1 or 2 between (n, 2) and (m, 2), in data units.

    (min_π E ‖x − y‖^order)^(1/order) over couplings π of the two samples. Two samples of one
    mixture are apart by chance, chiefly through their unequal counts of each mode.
    """
    if order not in (1, 2):
        raise ValueError(f"order = {order}: 1 and 2 are the distances in use")
    x, y = _array(thin(x, cap, generator)), _array(thin(y, cap, generator))
    cost = ot.dist(x, y, "euclidean" if order == 1 else "sqeuclidean")
    return float(ot.emd2([], [], cost)) ** (1 / order)


def stratified_w2(
    target: GaussianMixture,
    x: Tensor,
    y: Tensor,
    generator: torch.Generator | None = None,
    cap: int = 400,
) -> float:
    """W2 within modes, (Σ_k w_k W2²(x_k, y_k))^½, in data units; NaN where a mode is empty.

    Points go to the component they most likely belong to, and each mode is compared with itself
    alone, at equal counts of at most `cap` a side: chance mode counts, which drown all fine shape
    in W2 itself, play no part.
    """
    parts = [
        (x[target.classify(x) == k], y[target.classify(y) == k], weight)
        for k, weight in enumerate(target.weights.tolist())
    ]
    if any(len(mine) == 0 or len(theirs) == 0 for mine, theirs, _ in parts):
        return float("nan")
    each = [weight * _equal_w2(*pair, generator, cap) ** 2 for *pair, weight in parts]
    return float(sum(each)) ** 0.5


def _equal_w2(x: Tensor, y: Tensor, generator: torch.Generator | None, cap: int) -> float:
    return wasserstein(x, y, 2, generator, min(cap, len(x), len(y)))


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
