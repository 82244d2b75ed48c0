"""The range that a fresh sample of the truth stays inside of. Knows scores as numbers only."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

TINY = 1e-300  # stands in for zero, which has no logarithm


class Scale(NamedTuple):
    """A transformation under which the truth's values of a metric are close to normal."""

    forward: Callable[[float], float]
    backward: Callable[[float], float]


SCALES = {
    "plain": Scale(float, float),
    # the angle whose squared sine is the share: binomial noise no longer depends on the share
    "share": Scale(
        lambda v: math.asin(math.sqrt(v)), lambda u: math.sin(min(max(u, 0.0), math.pi / 2)) ** 2
    ),
    # the cube root makes χ²-like scores nearly normal (Wilson & Hilferty 1931)
    "positive": Scale(lambda v: float(np.cbrt(v)), lambda u: max(u, 0.0) ** 3),
    # few degrees of freedom, so a longer tail: the logarithm bends more
    "tailed": Scale(lambda v: math.log(max(v, TINY)), math.exp),
}


@dataclass(frozen=True)
class Range:
    """What fresh truth scores. `centre` and `spread` are mean and sd on the metric's scale."""

    mean: float
    sd: float
    low: float
    high: float
    centre: float
    spread: float
    draws: int
    scale: str

    def holds(self, value: float) -> bool:
        """Whether the value is one that the truth could well have scored; NaN is not."""
        return self.low <= value <= self.high

    def score(self, value: float) -> float:
        """Standard deviations between the value and the truth's mean, on the metric's scale."""
        if self.sd == 0:
            return 0.0 if value == self.mean else math.copysign(math.inf, value - self.mean)
        return (SCALES[self.scale].forward(value) - self.centre) / self.spread

    def p_value(self, value: float) -> float:
        """How often one more draw of the truth would be as far off, to either side; NaN is never.

        Student's t with draws − 1 degrees of freedom, as the range itself.
        """
        if math.isnan(value):
            return 0.0
        if self.sd == 0:
            return float(value == self.mean)
        t = abs(self.score(value)) / math.sqrt(1 + 1 / self.draws)
        return float(2 * stats.t.sf(t, self.draws - 1))


def predict(values: list[float], scale: str, alpha: float) -> Range:
    """Where one more draw like `values` falls, with probability 1 − alpha.

    On the metric's scale, mean ± t · sd · √(1 + 1/draws), Student's t with draws − 1 degrees
    of freedom: the prediction interval of a normal sample. Values that never vary give a range
    of one point; fewer than two finite ones, as a sample too small for the metric leaves, one
    that holds everything.
    """
    values = [value for value in values if math.isfinite(value)]
    if len(values) < 2:
        nan = math.nan
        return Range(nan, nan, -math.inf, math.inf, nan, nan, len(values), scale)
    mean, sd = _moments(values)
    if sd == 0:
        return Range(mean, sd, mean, mean, mean, 0.0, len(values), scale)
    centre, spread = _moments([SCALES[scale].forward(value) for value in values])
    t = float(stats.t.ppf(1 - alpha / 2, len(values) - 1))
    reach = t * spread * math.sqrt(1 + 1 / len(values))
    low, high = (SCALES[scale].backward(centre + side * reach) for side in (-1, 1))
    return Range(mean, sd, low, high, centre, spread, len(values), scale)


def _moments(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))


def holm(p_values: list[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), each in its place.

    Any of them below alpha happens by chance with probability alpha at most, whatever their
    dependence.
    """
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    rising = np.minimum(1, factors * np.array(p_values)[order])
    corrected[order] = np.maximum.accumulate(rising)
    return corrected.tolist()
