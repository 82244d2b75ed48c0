"""Every score of a sample, beside what the truth itself scores at the same size.

No metric has a perfect value: a fresh sample of the target also shows some distance, some
divergence. So each value is read against a range that fresh truth stays inside of.
"""

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from torch import Tensor

from helpers.metrics import modes, ranges, samples
from helpers.targets import GaussianMixture

ALPHA = 0.05  # chance that a fresh sample of the truth leaves its range on any metric at all
TRAIN = 100_000  # training points, as `targets.draw` gives them
EDITION = 1  # raise when a metric's formula changes, so that kept ranges are measured anew
SHOWN = ("mean", "low", "high")
FEWEST = 10  # points a side; the nearest-neighbour scores need more than k = 5


@dataclass(frozen=True)
class Evidence:
    """What the metrics look at; what several of them share is computed once."""

    target: GaussianMixture
    x: Tensor  # (n, 2), the samples to judge
    y: Tensor  # (n, 2), fresh samples of the target
    train: Tensor  # (m, 2)
    generator: torch.Generator

    @cached_property
    def mmd(self) -> samples.MMD:
        """MMD² and its p-value."""
        return samples.mmd(self.x, self.y, generator=self.generator)

    @cached_property
    def manifold(self) -> samples.Manifold:
        """Precision, recall, density and coverage."""
        return samples.precision_recall_density_coverage(self.x, self.y, generator=self.generator)


@dataclass(frozen=True)
class Metric:
    """One score: how to read it, on which of `ranges.SCALES` it is near normal, its formula."""

    name: str
    unit: str
    better: str  # "higher", "lower" or "closer to truth"
    sees: str
    scale: str
    function: Callable[[Evidence], float]


# fmt: off
METRICS = (
    Metric("log-likelihood", "nats", "closer to truth",
           "strays to where p* is low; rises when samples huddle at the means",
           "plain", lambda e: modes.log_likelihood(e.target, e.x)),
    Metric("nearest training point", "data units", "closer to truth",
           "copies (too near) and strays (too far); blind to missing modes",
           "plain", lambda e: samples.nearest_training_distance(e.x, e.train)),
    Metric("modes covered", "count", "higher",
           "missing modes; blind to shape and weights",
           "plain", lambda e: modes.modes_covered(e.target, e.x)),
    Metric("within 3σ", "share", "closer to truth",
           "strays between modes, and tails cut off; blind to missing modes",
           "share", lambda e: modes.share_within(e.target, e.x)),
    Metric("mode weight KL", "nats", "lower",
           "wrong proportions of modes; blind to shape within a mode",
           "positive", lambda e: modes.weight_kl(e.target, e.x)),
    Metric("sliced W2", "data units", "lower",
           "mass in the wrong place; chance mode counts hide fine shape",
           "positive", lambda e: samples.sliced_w2(e.x, e.y, generator=e.generator)),
    Metric("energy distance", "data units", "lower",
           "any difference, large scales first; dull to fine shape",
           "tailed", lambda e: samples.energy_distance(e.x, e.y, e.generator)),
    Metric("MMD²", "1", "lower",
           "any difference, at the median distance; dull to fine shape",
           "signed", lambda e: e.mmd.statistic),
    Metric("MMD² p-value", "probability", "higher",
           "whether MMD² could be chance; not how large it is",
           "p-value", lambda e: e.mmd.p_value),
    Metric("precision", "share", "higher",
           "samples far from any real point; blind to missing modes",
           "share", lambda e: e.manifold.precision),
    Metric("recall", "share", "higher",
           "real points no sample comes near; one stray can hide a gap",
           "share", lambda e: e.manifold.recall),
    Metric("density", "1", "closer to truth",
           "strays, averaged where precision decides; blind to huddling",
           "plain", lambda e: e.manifold.density),
    Metric("coverage", "share", "higher",
           "real points with no sample in their ball; blind to copies",
           "share", lambda e: e.manifold.coverage),
)
# fmt: on


def evaluate(
    target: GaussianMixture, x: Tensor, train: Tensor, generator: torch.Generator
) -> dict[str, float]:
    """Every metric of the samples x (n, 2), by name; train is (m, 2).

    Two-sample scores compare x with n fresh points of the target. All points count for the
    scores against the mixture and for the distance to the training set; sliced W2 looks at
    20,000 a side, the energy distance at 10,000, MMD at 2,000, precision to coverage at
    5,000. Raises ValueError for points that are too few, not finite, or drawn twice.
    """
    x, train = _checked(x, "x"), _checked(train, "train")
    y = target.sample(len(x), generator)
    if torch.equal(x, y) or torch.equal(train, y):
        raise ValueError(
            "generator: it repeats the draw that gave x or train; seed it with another number"
        )
    evidence = Evidence(target, x, y, train, generator)
    return {metric.name: float(metric.function(evidence)) for metric in METRICS}


def truth_range(
    target: GaussianMixture, n: int, train: int = TRAIN, draws: int = 20, seed: int = 0
) -> dict[str, ranges.Range]:
    """For each metric, the range in which n fresh points of the target fall.

    `draws` times, a fresh sample of n points is evaluated against a fresh training set of
    `train` points. The ranges are prediction intervals that hold for all metrics at once
    with probability 95 % (Bonferroni). They are kept in `data/truth/<target>-<n>.json` and
    measured anew, with a notice, when target, sizes or settings have changed. Raises
    ValueError for fewer than two draws, which have no spread.
    """
    if draws < 2:
        raise ValueError(f"draws = {draws}: a spread needs at least 2; 20 is a good number")
    measured = {"n": n, "train": train, "draws": draws, "seed": seed}
    name, key = f"{target.name}-{n}", _key(target, measured)
    kept = ranges.load(name, key)
    if kept is None:
        print(f"{name}: measuring what the truth itself scores, {draws} draws; kept from now on")
        kept = _measure(target, n, train, draws, torch.Generator().manual_seed(seed))
        ranges.save(name, key, measured, kept)
    return kept


def scorecard(
    target: GaussianMixture, columns: dict[str, Tensor], train: Tensor, generator: torch.Generator
) -> pd.DataFrame:
    """One row a metric: what the truth scores, then value, inside and score of each column.

    Columns are samples (n, 2), all of one size, and meet the same fresh reference points.
    `score` counts the truth's standard deviations between value and mean. The frame has two
    levels of columns: `card["truth"]`, `card["VAE"]`, ... Raises ValueError for unequal sizes.
    """
    sizes = {name: len(x) for name, x in columns.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"columns of sizes {sizes}: give at least one, all of the same size")
    truth = truth_range(target, next(iter(sizes.values())), len(train))
    start = generator.get_state()
    card = {("truth", part): [getattr(truth[m.name], part) for m in METRICS] for part in SHOWN}
    for name, x in columns.items():
        generator.set_state(start)  # the same reference points for every column
        card |= _column(name, evaluate(target, x, train, generator), truth)
    return pd.DataFrame(card, index=pd.Index([m.name for m in METRICS], name="metric"))


def _column(name: str, values: dict[str, float], truth: dict[str, ranges.Range]) -> dict:
    rows = [(truth[m.name], values[m.name], m.scale) for m in METRICS]
    return {
        (name, "value"): [value for _, value, _ in rows],
        (name, "inside"): [known.holds(value) for known, value, _ in rows],
        (name, "score"): [known.score(value, scale) for known, value, scale in rows],
    }


def _measure(
    target: GaussianMixture, n: int, train: int, draws: int, generator: torch.Generator
) -> dict[str, ranges.Range]:
    scores = []
    for _ in range(draws):
        x, seen = target.sample(n, generator), target.sample(train, generator)
        scores.append(evaluate(target, x, seen, generator))
    alpha = ALPHA / len(METRICS)
    return {m.name: ranges.predict([s[m.name] for s in scores], m.scale, alpha) for m in METRICS}


def _checked(points: Tensor, name: str) -> Tensor:
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < FEWEST:
        raise ValueError(
            f"{name}: shape {tuple(points.shape)}, expected (n, 2) with n of {FEWEST} at least"
        )
    bad = int((~points.isfinite()).any(1).sum())
    if bad:
        raise ValueError(
            f"{name}: {bad} of {len(points)} points are not finite; the model has diverged, "
            "train it again with a smaller learning rate"
        )
    return points.detach().cpu().float()


def _key(target: GaussianMixture, measured: dict) -> str:
    """A fingerprint of all that a range depends on, the defaults of the metrics included."""
    functions = [f for room in (modes, samples) for f in vars(room).values() if _own(f, room)]
    settings = {f.__name__: _defaults(f) for f in functions if _defaults(f)}
    listed = [(m.name, m.scale) for m in METRICS]
    everything = [target.definition(), measured, settings, listed, ALPHA, EDITION]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]


def _own(thing: object, room: object) -> bool:
    return inspect.isfunction(thing) and thing.__module__ == room.__name__


def _defaults(function: Callable) -> dict:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
