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

MEASURED: dict[str, Callable[[int, Say], dict]] = {
    "power": lambda workers, say: power_table(gmm5(), workers=workers, say=say),
    "summaries": summaries.measured,
    "baselines": lambda *_: baselines.estimators(gmm5(), gmm5().draws().train.points),
    "benchmark": lambda *_: baselines.benchmark(summaries.TEN, records.kept("benchmark")),
    "scales": scales.measured,
    "gap": gap.measured,
    "dirac": lambda *_: dirac.measured(),
    "pace": lambda _, say: summaries.paces(summaries.timed(), gmm5(), say),
    "efficiency": lambda _, say: efficiency.measured(say),
}
TRAINED: dict[str, Callable[[int, Say, str], dict]] = {  # experiments, on any device
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
    for name in names or (*MEASURED, *TRAINED):
        if name in MEASURED:
            content = MEASURED[name](workers, say)
        else:
            content = TRAINED[name](workers, say, device)
        say(f"wrote {records.save(name, content)}")
