"""Can the metrics be trusted? The power of each against planted corruptions, at 5 % false alarms.

A corruption changes true samples in one way and keeps everything else as it is: one of the widths
leaves weights and places alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from helpers import processes
from helpers.metrics.ranges import Range, predict
from helpers.metrics.scorecard import ALPHA, METRICS, TRAIN, evaluate
from helpers.targets import GaussianMixture

NOISE = 0.005  # of a copied training point, in data units
NEAR = 0.1  # how much less than the highest power is as good
SEEN = 0.5  # power from which a metric sees a corruption
Scores = dict[str, float]


@dataclass(frozen=True)
class Corruption:
    """A way to be wrong. `apply(target, n, strength, train, generator)` draws (n, 2) that way."""

    name: str  # a key of the committed record
    unit: str
    strengths: tuple[float, float, float]  # from faint to the one that must be seen
    apply: Callable[[GaussianMixture, int, float, Tensor, torch.Generator], Tensor]


def dropped(target, n, share, train, generator) -> Tensor:
    """The lightest component keeps 1 − share of its weight."""
    weights = target.weights.clone()
    weights[weights.argmin()] *= 1 - share
    return _given(target, n, weights, generator)


def tilted(target, n, share, train, generator) -> Tensor:
    """Heavier and lighter components in turn: weights times 1 + share or 1 − share."""
    signs = torch.ones(target.k, dtype=torch.float64)
    signs[1::2] = -1
    return _given(target, n, target.weights * (1 + share * signs), generator)


def scaled(target, n, factor, train, generator) -> Tensor:
    """Every point's distance to its own mean times a factor."""
    x, component = target.sample_labelled(n, generator)
    centre = target.means[component].float()
    return centre + factor * (x - centre)


def rotated(target, n, degrees, train, generator) -> Tensor:
    """The most elongated component turned about its mean."""
    x, component = target.sample_labelled(n, generator)
    widths = torch.linalg.eigvalsh(target.covariances)  # (k, 2), ascending
    which = (widths[:, 1] / widths[:, 0]).argmax()
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=x.dtype)
    centre = target.means[which].to(x.dtype)
    return torch.where((component == which)[:, None], centre + (x - centre) @ turn.T, x)


def bridged(target, n, share, train, generator) -> Tensor:
    """A share of the points on straight lines between two components' means."""
    x = target.sample(n, generator)
    ends = torch.stack([torch.randperm(target.k, generator=generator)[:2] for _ in range(n)])
    start, end = target.means[ends].to(x.dtype).unbind(1)  # (n, 2) each
    along = torch.rand(n, 1, generator=generator)
    return _mixed(x, start + along * (end - start), share, generator)


def scattered(target, n, share, train, generator) -> Tensor:
    """A share of the points far out: on a circle of three times the target's own spread."""
    x = target.sample(n, generator)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    radius = 3 * target.std.square().sum().sqrt().to(x.dtype)
    circle = radius * torch.stack([angle.cos(), angle.sin()], -1)
    return _mixed(x, target.mean.to(x.dtype) + circle, share, generator)


def copied(target, n, share, train, generator) -> Tensor:
    """A share of the points are training points moved by a small noise."""
    x = target.sample(n, generator)
    source = train[torch.randint(len(train), (n,), generator=generator)]
    return _mixed(x, source + NOISE * torch.randn(n, 2, generator=generator), share, generator)


CORRUPTIONS = (
    Corruption("a mode dropped", "share of it", (0.1, 0.3, 1.0), dropped),
    Corruption("weights tilted", "by a share", (0.02, 0.05, 0.15), tilted),
    Corruption("too narrow", "widths ×", (0.98, 0.95, 0.9), scaled),
    Corruption("too wide", "widths ×", (1.02, 1.05, 1.1), scaled),
    Corruption("one mode rotated", "degrees", (5.0, 15.0, 45.0), rotated),
    Corruption("bridges", "share", (0.001, 0.003, 0.01), bridged),
    Corruption("far outliers", "share", (0.001, 0.003, 0.01), scattered),
    Corruption("training points copied", "share", (0.1, 0.3, 1.0), copied),
)


def power_table(
    target: GaussianMixture,
    n: int = 10_000,
    nulls: int = 100,
    repeats: int = 50,
    train: int = TRAIN,
    workers: int = 2,
    say: Callable[[str], None] = print,
) -> dict:
    """How often each metric leaves the truth's own 95 % range, by corruption and strength.

    The range comes from `nulls` samples of n true points, each against its own training set; a
    corruption is planted `repeats` times. False alarms are counted on the nulls themselves, each
    left out of the range that it is held against. Returns {"false alarms": {metric: share},
    "power": {corruption: [[strength, {metric: share}], …]}, …}.
    """
    cases = [
        (corruption, strength) for corruption in CORRUPTIONS for strength in corruption.strengths
    ]
    tasks = [(None, 0.0, seed) for seed in range(nulls)]
    tasks += [(*case, 10_000 + seed) for case, seed in product(cases, range(repeats))]
    found = processes.each(scores_of, ((target, n, train, *task) for task in tasks), workers)
    scores = [_told(number, len(tasks), one, say) for number, one in enumerate(found, 1)]
    null, planted = scores[:nulls], iter(scores[nulls:])
    table = {corruption.name: [] for corruption in CORRUPTIONS}
    for corruption, strength in cases:
        group = [next(planted) for _ in range(repeats)]
        table[corruption.name].append([strength, power(null, group)])
    sizes = {"n": n, "nulls": nulls, "repeats": repeats}
    return {**sizes, "false alarms": false_alarms(null), "power": table}


def scores_of(
    target: GaussianMixture,
    n: int,
    train: int,
    corruption: Corruption | None,
    strength: float,
    seed: int,
) -> Scores:
    """All metrics of n points, corrupted or true, beside a fresh training set."""
    generator = torch.Generator().manual_seed(seed)
    seen = target.sample(train, generator)
    if corruption is None:
        x = target.sample(n, generator)
    else:
        x = corruption.apply(target, n, strength, seen, generator)
    return evaluate(target, x, seen, generator, METRICS)


def power(null: Sequence[Scores], planted: Sequence[Scores]) -> Scores:
    """Share of the planted samples that each metric finds outside the range of the null ones."""
    known = _ranges(null)
    return _shares([_outside(known, scores) for scores in planted])


def false_alarms(null: Sequence[Scores]) -> Scores:
    """Share of true samples outside the range of all the others, by metric."""
    others = [[*null[:one], *null[one + 1 :]] for one in range(len(null))]
    pairs = zip(others, null, strict=True)
    return _shares([_outside(_ranges(rest), scores) for rest, scores in pairs])


def chosen(table: dict) -> list[str]:
    """The metrics that are best at something: a scorecard without the others is as sharp.

    For each corruption of a `power_table`, at the faintest strength that any metric sees more
    often than not, those whose power is within `NEAR` of the highest; in the order of METRICS.
    """
    best = set()
    for rows in table["power"].values():
        seen = [powers for _, powers in rows if max(powers.values()) > SEEN]
        if seen:
            most = max(seen[0].values())
            best |= {name for name, share in seen[0].items() if share >= most - NEAR}
    return [metric.name for metric in METRICS if metric.name in best]


def _given(target: GaussianMixture, n: int, weights: Tensor, generator: torch.Generator) -> Tensor:
    components = weights.multinomial(n, replacement=True, generator=generator)
    return target.sample_given(components, generator)


def _mixed(x: Tensor, other: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Each point replaced by the other one with probability `share`: (n, 2)."""
    few = torch.rand(len(x), 1, generator=generator) < share
    return torch.where(few, other, x)


def _ranges(scores: Sequence[Scores]) -> dict[str, Range]:
    return {m.name: predict([s[m.name] for s in scores], m.scale, ALPHA) for m in METRICS}


def _outside(known: dict[str, Range], scores: Scores) -> dict[str, bool]:
    return {name: not known[name].holds(scores[name]) for name in known}


def _shares(outside: Sequence[dict[str, bool]]) -> Scores:
    return {m.name: sum(one[m.name] for one in outside) / len(outside) for m in METRICS}


def _told(number: int, total: int, scores: Scores, say: Callable[[str], None]) -> Scores:
    if number % 50 == 0 or number == total:
        say(f"{number} of {total} samples scored")
    return scores
