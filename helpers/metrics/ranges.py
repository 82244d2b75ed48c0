"""The range that a fresh sample of the truth stays inside of, and where it is kept.

Knows scores as numbers only; `scorecard.py` says which.
"""

import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from helpers import places

TINY = 1e-300  # stands in for zero, which has no logarithm


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

    def holds(self, value: float) -> bool:
        """Whether the value is one that the truth could well have scored; NaN is not."""
        return self.low <= value <= self.high

    def score(self, value: float, scale: str) -> float:
        """Standard deviations between the value and the truth's mean, on the metric's scale."""
        if self.sd == 0:
            return 0.0 if value == self.mean else math.copysign(math.inf, value - self.mean)
        return (SCALES[scale].forward(value, self.sd) - self.centre) / self.spread

    def p_value(self, value: float, scale: str) -> float:
        """How often one more draw of the truth would be as far off, to either side; NaN is never.

        Student's t with draws − 1 degrees of freedom, as the range itself. A p-value stands for
        itself.
        """
        if math.isnan(value):
            return 0.0
        if scale == "p-value":
            return value
        if self.sd == 0:
            return float(value == self.mean)
        t = abs(self.score(value, scale)) / math.sqrt(1 + 1 / self.draws)
        return float(2 * stats.t.sf(t, self.draws - 1))


@dataclass(frozen=True)
class Scale:
    """A transformation under which the truth's values of a metric are close to normal.

    Both ways take a value and the truth's standard deviation of the metric, which only
    "signed" needs.
    """

    forward: Callable[[float, float], float]
    backward: Callable[[float, float], float]


def _sine2(angle: float) -> float:
    return math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2


SCALES = {
    "plain": Scale(lambda v, sd: v, lambda u, sd: u),
    # the angle whose squared sine is the share: binomial noise no longer depends on the share
    "share": Scale(lambda v, sd: math.asin(math.sqrt(v)), lambda u, sd: _sine2(u)),
    # the cube root makes χ²-like scores nearly normal (Wilson & Hilferty 1931)
    "positive": Scale(lambda v, sd: float(np.cbrt(v)), lambda u, sd: max(u, 0.0) ** 3),
    # few degrees of freedom, so a longer tail: the logarithm bends more
    "tailed": Scale(lambda v, sd: math.log(max(v, TINY)), lambda u, sd: math.exp(u)),
    # as long a tail, but unbiased and so a little below zero half the time: a shifted logarithm
    # that goes on smoothly where a logarithm would end
    "signed": Scale(
        lambda v, sd: math.asinh(1.6 * v / sd + 4), lambda u, sd: sd * (math.sinh(u) - 4) / 1.6
    ),
    # uniform under the truth; kept off 1, where the normal quantile is infinite
    "p-value": Scale(
        lambda v, sd: float(stats.norm.ppf(min(v, 0.999))), lambda u, sd: float(stats.norm.cdf(u))
    ),
}


def predict(values: list[float], scale: str, alpha: float) -> Range:
    """Where one more draw like `values` falls, with probability 1 − alpha.

    On the metric's scale, mean ± t · sd · √(1 + 1/draws), Student's t with draws − 1 degrees
    of freedom: the prediction interval of a normal sample. A p-value needs no estimate: it is
    below alpha with probability alpha. Values that never vary give a range of one point; fewer
    than two finite ones, as a sample too small for the metric leaves, one that holds everything.
    """
    values = [value for value in values if math.isfinite(value)]
    if len(values) < 2:
        return Range(math.nan, math.nan, -math.inf, math.inf, math.nan, math.nan, len(values))
    mean, sd = _moments(values)
    if sd == 0:
        return Range(mean, sd, mean, mean, mean, 0.0, len(values))
    if scale == "p-value":
        return Range(mean, sd, alpha, 1.0, 0.0, 1.0, len(values))
    centre, spread = _moments([SCALES[scale].forward(value, sd) for value in values])
    t = float(stats.t.ppf(1 - alpha / 2, len(values) - 1))
    reach = t * spread * math.sqrt(1 + 1 / len(values))
    low, high = (SCALES[scale].backward(centre + side * reach, sd) for side in (-1, 1))
    return Range(mean, sd, low, high, centre, spread, len(values))


def _moments(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))


def holm(p_values: list[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), each in its place.

    Any of them below alpha happens by chance with probability alpha at most, whatever their
    dependence.
    """
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    rising = np.maximum.accumulate(np.minimum(1, factors * np.array(p_values)[order]))
    corrected = np.empty(len(p_values))
    corrected[order] = rising
    return corrected.tolist()


def load(name: str, key: str) -> dict[str, list[float]] | None:
    """What each draw of the truth scored, by metric, or None if nothing is kept for this key."""
    try:
        kept = json.loads(places.existing(*_parts(name)).read_text(encoding="utf-8"))
        if kept["key"] != key:
            return None
        return {metric: [float(v) for v in values] for metric, values in kept["scores"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # missing or damaged: either way they are measured anew


def save(name: str, key: str, measured: dict, scores: dict[str, list[float]]) -> Path:
    """Keep the scores, with what was measured; the file appears whole or not at all."""
    path = places.output(*_parts(name))
    record = {"key": key, "measured": measured, "scores": scores}
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(
            json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
        )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _parts(name: str) -> tuple[str, str, str]:
    return "data", "truth", re.sub(r"[^\w.-]+", "_", name) + ".json"
