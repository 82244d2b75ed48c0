"""The range that a fresh sample of the truth stays inside of. Knows scores as numbers only."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

TINY = 1e-300  # stands in for zero, which has no logarithm
LARGE = 700.0  # beyond it the exponential overflows


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
    "tailed": Scale(lambda v: math.log(max(v, TINY)), lambda u: math.exp(min(u, LARGE))),
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
    extremes: tuple[float, ...] = ()  # each draw's largest score on any metric; see `together`

    @property
    def silent(self) -> bool:
        """Whether the metric says nothing, as the truth itself has no score at this size."""
        return self.low == -math.inf and self.high == math.inf

    def holds(self, value: float) -> bool:
        """Whether the value is one that the truth could well have scored; NaN is not."""
        return self.silent or self.low <= value <= self.high

    def score(self, value: float) -> float:
        """Standard deviations between the value and the truth's mean, on the metric's scale."""
        if self.sd == 0:
            return 0.0 if value == self.mean else math.copysign(math.inf, value - self.mean)
        return (SCALES[self.scale].forward(value) - self.centre) / self.spread

    def p_value(self, value: float) -> float:
        """How often one more draw of the truth would be as far off on any metric; NaN is never.

        The rank of its score among `extremes`, so 1 / (draws + 1) at least (Westfall & Young
        1993, single step). 1 for a metric that says nothing.
        """
        if self.silent:
            return 1.0
        score = math.inf if math.isnan(value) else self._beside_others(value)
        return (1 + sum(other >= score for other in self.extremes)) / (1 + len(self.extremes))

    def _beside_others(self, value: float) -> float:
        return abs(self.score(value)) / math.sqrt(1 + 1 / self.draws)


def predict(values: list[float], scale: str, alpha: float) -> Range:
    """Where one more draw like `values` falls, with probability 1 − alpha.

    On the metric's scale, mean ± t · sd · √(1 + 1/draws), Student's t with draws − 1 degrees
    of freedom: the prediction interval of a normal sample. Values that never vary give a range
    of one point; where one is not finite, as a sample too small for the metric leaves, the range
    holds everything.
    """
    return _range(values, scale, float(stats.t.ppf(1 - alpha / 2, len(values) - 1)))


def together(
    draws: dict[str, list[float]], scales: dict[str, str], alpha: float
) -> dict[str, Range]:
    """For each metric a range; one more draw is outside of any with probability alpha.

    Each draw's scores are standardised by those of the others, and its largest score on any
    metric is kept: so many ranges as these few share one reach, which a share alpha of the draws
    exceeds. That holds whatever the metrics' shapes and dependence, also where they are counts.
    """
    apart = [_left_out([SCALES[scales[m]].forward(v) for v in values])
             for m, values in draws.items() if np.isfinite(values).all()]  # fmt: skip
    extremes = np.max(apart, axis=0, initial=0.0) if apart else np.zeros(1)
    allowed = int(alpha * (len(extremes) + 1))  # draws that may lie outside
    reach = float(np.sort(extremes)[-allowed]) if allowed else math.inf
    return {
        m: _range(values, scales[m], reach, tuple(extremes.tolist())) for m, values in draws.items()
    }


def _left_out(values: list[float]) -> np.ndarray:
    """How far each value is from the mean of all others, in their standard deviations: (m,)."""
    v, m = np.array(values), len(values)
    mean = (v.sum() - v) / (m - 1)
    squares = np.maximum(((v - v.mean()) ** 2).sum() - (v - v.mean()) ** 2 * m / (m - 1), 0)
    spread = np.sqrt(squares / (m - 2) * (1 + 1 / (m - 1)))
    off = np.abs(v - mean)
    still = spread <= 1e-9 * np.maximum(off, TINY)  # all others are equal
    return np.where(still, np.where(off > 0, np.inf, 0.0), off / np.where(still, 1.0, spread))


def _range(values: list[float], scale: str, reach: float, extremes=()) -> Range:
    if not (np.isfinite(values).all() and math.isfinite(reach)):
        nan = math.nan
        return Range(nan, nan, -math.inf, math.inf, nan, nan, len(values), scale, extremes)
    mean, sd = _moments(values)
    if sd == 0:
        return Range(mean, sd, mean, mean, mean, 0.0, len(values), scale, extremes)
    centre, spread = _moments([SCALES[scale].forward(value) for value in values])
    reach *= spread * math.sqrt(1 + 1 / len(values))
    low, high = (SCALES[scale].backward(centre + side * reach) for side in (-1, 1))
    return Range(mean, sd, low, high, centre, spread, len(values), scale, extremes)


def _moments(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))
