"""Can the metrics be trusted? The power of each against planted faults, at 5 % false alarms."""

from collections.abc import Callable, Sequence
from itertools import product

import joblib
import torch

from helpers.metrics import ranges
from helpers.metrics.catalogue import METRICS
from helpers.metrics.faults import FAULTS
from helpers.metrics.scorecard import ALPHA, TRAIN, evaluate
from helpers.targets import GaussianMixture

Scores = dict[str, float]
NEAR = 0.1  # how much less than the highest power is as good


def power_table(
    target: GaussianMixture,
    n: int = 10_000,
    nulls: int = 100,
    repeats: int = 10,
    train: int = TRAIN,
    workers: int = 2,
    say: Callable[[str], None] = print,
) -> dict:
    """How often each metric leaves the truth's own 95 % range, by fault and strength.

    The range comes from `nulls` samples of n true points, each against its own training set; a
    fault is planted `repeats` times. False alarms are counted on the nulls themselves, each left
    out of the range that judges it. Returns {"false alarms": {metric: share}, "power": {fault:
    [[strength, {metric: share}], …]}, …}.
    """
    cases = [(fault, strength) for fault in FAULTS for strength in fault.strengths]
    tasks = [(None, 0.0, seed) for seed in range(nulls)]
    tasks += [(*case, 10_000 + seed) for case, seed in product(cases, range(repeats))]
    with joblib.parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        found = joblib.Parallel(return_as="generator")(
            joblib.delayed(trial)(target, n, train, *task) for task in tasks
        )
        scores = [_told(number, len(tasks), one, say) for number, one in enumerate(found, 1)]
    null, planted = scores[:nulls], scores[nulls:]
    groups = [planted[start : start + repeats] for start in range(0, len(planted), repeats)]
    return {
        "n": n,
        "nulls": nulls,
        "repeats": repeats,
        "false alarms": false_alarms(null),
        "power": {
            fault.name: [
                [strength, power(null, group)]
                for (other, strength), group in zip(cases, groups, strict=True)
                if other is fault
            ]
            for fault in FAULTS
        },
    }


def trial(target: GaussianMixture, n: int, train: int, fault, strength: float, seed: int) -> Scores:
    """All metrics of n points with the fault, or without any, beside a fresh training set."""
    generator = torch.Generator().manual_seed(seed)
    seen = target.sample(train, generator)
    if fault is None:
        x = target.sample(n, generator)
    else:
        x = fault.plant(target, n, strength, seen, generator)
    return evaluate(target, x, seen, generator, METRICS)


def power(null: Sequence[Scores], planted: Sequence[Scores]) -> Scores:
    """Share of the planted samples that each metric finds outside the range of the null ones."""
    known = _ranges(null)
    return {m.name: _share([not known[m.name].holds(s[m.name]) for s in planted]) for m in METRICS}


def false_alarms(null: Sequence[Scores]) -> Scores:
    """Share of true samples outside the range of all the others, by metric."""
    alarms = []
    for left_out, scores in enumerate(null):
        known = _ranges([*null[:left_out], *null[left_out + 1 :]])
        alarms.append({name: not known[name].holds(scores[name]) for name in known})
    return {m.name: _share([alarm[m.name] for alarm in alarms]) for m in METRICS}


def chosen(table: dict) -> list[str]:
    """The metrics that are best at something: a scorecard without the others is as sharp.

    For each fault, at the faintest strength that any metric sees more often than not, those whose
    power is within `NEAR` of the highest; in the catalogue's order.
    """
    best = set()
    for rows in table["power"].values():
        seen = [powers for _, powers in rows if max(powers.values()) > 0.5]
        if seen:
            most = max(seen[0].values())
            best |= {name for name, power in seen[0].items() if power >= most - NEAR}
    return [metric.name for metric in METRICS if metric.name in best]


def _ranges(scores: Sequence[Scores]) -> dict[str, ranges.Range]:
    return {m.name: ranges.predict([s[m.name] for s in scores], m.scale, ALPHA) for m in METRICS}


def _share(seen: Sequence[bool]) -> float:
    return sum(seen) / len(seen)


def _told(number: int, total: int, scores: Scores, say: Callable[[str], None]) -> Scores:
    if number % 50 == 0 or number == total:
        say(f"{number} of {total} samples scored")
    return scores
