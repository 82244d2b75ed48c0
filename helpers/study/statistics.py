"""Recipes by their seeds: mean and deviation, Welch's test, Holm's correction for many tests."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
DECIMALS = 5  # beyond these, numbers are written with an exponent


class Difference(NamedTuple):
    """Mean of the first less that of the second, its interval, and the two-sided p."""

    value: float
    low: float
    high: float
    p: float


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Difference of two groups of unrelated seeds, whatever their variances (Welch 1947).

    Raises ValueError unless each has two finite values or more.
    """
    for group in (first, second):
        if len(group) < 2 or not np.isfinite(group).all():
            raise ValueError(f"{list(group)}: Welch's test needs two finite values or more")
    value = float(np.mean(first) - np.mean(second))
    if np.ptp(first) == np.ptp(second) == 0:  # constants differ for certain, or not at all
        return Difference(value, value, value, float(value == 0))
    test = stats.ttest_ind(first, second, equal_var=False)
    low, high = map(float, test.confidence_interval(LEVEL))
    return Difference(value, low, high, float(test.pvalue))


def holm(found: Mapping[str, Difference]) -> dict[str, Difference]:
    """The same differences, each p corrected for their number (Holm 1979); intervals stay."""
    order = sorted(found, key=lambda name: found[name].p)
    corrected, least = {}, 0.0
    for done, name in enumerate(order):
        least = max(least, min(1.0, (len(order) - done) * found[name].p))  # never falls
        corrected[name] = found[name]._replace(p=least)
    return {name: corrected[name] for name in found}


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation of finite values, to two digits of the deviation."""
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    if deviation == 0:
        return f"{mean:.4g} ± 0"
    decimals = _decimals(deviation)
    if decimals > DECIMALS:
        return f"{mean:.1e} ± {deviation:.1e}"
    return f"{mean:,.{decimals}f} ± {deviation:,.{decimals}f}"


def between(low: float, high: float) -> str:
    """A range of finite values, both ends to two digits of its width."""
    if low == high:
        return f"{low:.4g}"
    decimals = min(_decimals(high - low), DECIMALS)
    return f"{low:,.{decimals}f} to {high:,.{decimals}f}"


def _decimals(width: float) -> int:
    """How many decimals show two digits of a width."""
    return max(0, 1 - math.floor(math.log10(width)))
