"""Which records there are in `data/evidence/`, and how each is made.

Notebooks and README read them, `python -m helpers evidence` makes them.
"""

from collections.abc import Callable, Sequence

from helpers.metrics.power import power_table
from helpers.study import (
    baselines,
    dirac,
    discriminators,
    efficiency,
    gap,
    points,
    records,
    samplers,
    scales,
    separation,
    summaries,
)
from helpers.study.records import Say
from helpers.targets import gmm5

MAKERS: dict[str, Callable[[int, Say, str], dict]] = {  # of workers, what reports, and a device
    "power": lambda workers, say, _: power_table(gmm5(), workers=workers, say=say),
    "summaries": lambda workers, say, _: summaries.measured(workers, say),
    "baselines": lambda *_: baselines.estimators(gmm5(), gmm5().draws().train.points),
    "benchmark": lambda *_: baselines.benchmark(summaries.TEN, records.kept("benchmark")),
    "scales": lambda workers, say, _: scales.measured(workers, say),
    "gap": lambda workers, say, _: gap.measured(workers, say),
    "dirac": lambda *_: dirac.measured(),
    "pace": lambda workers, say, _: summaries.paces(summaries.timed(), gmm5(), say),
    "efficiency": lambda workers, say, _: efficiency.measured(say),
    "samplers": samplers.measured,
    "discriminators": discriminators.measured,
    "separation": separation.measured,
    "points": points.measured,
}


def make(
    names: Sequence[str] = (), workers: int = 2, say: Say = print, device: str = "cpu"
) -> None:
    """Make records anew, all of them if none is named; what is kept of one is not made again.

    `device` trains the cells of experiments.
    """
    for name in names or MAKERS:
        say(f"wrote {records.save(name, MAKERS[name](workers, say, device))}")
