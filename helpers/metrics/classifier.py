"""The classifier two-sample test: can anything learn to tell the model's points from true ones?"""

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from torch import Tensor

from helpers.metrics.samples import thin

SETTINGS = {"max_iter": 40, "learning_rate": 0.2, "max_leaf_nodes": 31, "min_samples_leaf": 50}


def telling_accuracy(
    x: Tensor,
    y: Tensor,
    generator: torch.Generator | None = None,
    cap: int = 10_000,
    folds: int = 3,
) -> float:
    """Accuracy on held-out folds of boosted trees that tell x (n, 2) from y (m, 2).

    Lopez-Paz & Oquab (2017, section 3), each fold tested by trees grown on the others. Half for
    equal distributions; both sides are cut to equal size.
    """
    size = min(cap, len(x), len(y))
    points = torch.cat([thin(x, size, generator), thin(y, size, generator)]).double().numpy()
    label = np.repeat([0, 1], size)
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    trees = HistGradientBoostingClassifier(**SETTINGS, early_stopping=False, random_state=0)
    return float(cross_val_score(trees, points, label, cv=split).mean())
