"""Sweeps: many trainings on all cores, or on a cluster, in pieces that survive being killed.

A sweep is a list of trainings, each of one recipe from several seeds in one pass. Its records are
the runs that `recorder.train` saves, each whole or not at all. A sweep that is started again looks
at what is there and does the rest, so killing one costs what was under way and no more.
"""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import joblib

from helpers import experiments, recipes, recorder, runs
from helpers.engine.members import FAST
from helpers.targets import Target
from helpers.training import Engine

SEEDS = (0, 1, 2, 3, 4)  # those that carry the spreads


class LostWorker(RuntimeError):
    """A process of the sweep died; what it had finished is kept."""


class NoCluster(RuntimeError):
    """The scheduler cannot be reached, or its library is not installed."""


@dataclass(frozen=True)
class Training:
    """One pass: a recipe on a target from several seeds."""

    recipe: recipes.Recipe
    target: Target
    seeds: tuple[int, ...] = SEEDS

    def missing(self, refresh: bool = False) -> list[int]:
        """Seeds without a finished run; with `refresh`, or with one that is out of date."""
        there = partial(runs.finished, self.recipe, self.target, current=refresh)
        return [seed for seed in self.seeds if not there(seed)]


def grid(
    names: Iterable[str], target: Target, seeds: Sequence[int] = SEEDS, widths: Sequence[int] = ()
) -> list[Training]:
    """Recipes × widths, each from all seeds; "all" stands for those of the studies.

    Raises BadRecipe for a name or width that cannot be used.
    """
    every = experiments.STUDIES
    chosen = [name for given in names for name in (every if given == "all" else [given])]
    found = [experiments.named(name) for name in dict.fromkeys(chosen)]
    if widths:
        found = [recipes.widened(recipe, width) for recipe, width in product(found, widths)]
    return [Training(recipe, target, tuple(seeds)) for recipe in found]


def sweep(
    trainings: Iterable[Training],
    workers: int = 2,
    scheduler: str = "",
    refresh: bool = False,
    engine: Engine = FAST,
) -> Iterator[str]:
    """Do what is missing; yields a line for each training as it ends, in no fixed order.

    `workers` processes of one thread each, or those of the Dask cluster whose `scheduler` is
    given, which must share this folder. `refresh` trains runs again whose recipe, or the way of
    training, has changed since. Raises LostWorker when a process dies, NoCluster when there is
    none.
    """
    waiting = [training for training in trainings if training.missing(refresh)]
    # What starts from another run waits for it; the longest go first, so that none trails behind.
    waiting.sort(key=lambda training: -training.recipe.epochs * len(training.seeds))
    for later in (False, True):
        stage = [one for one in waiting if bool(getattr(one.recipe, "start", "")) == later]
        with _processes(workers, scheduler):
            parallel = joblib.Parallel(return_as="generator_unordered")
            yield from parallel(joblib.delayed(work)(one, refresh, engine) for one in stage)


def work(training: Training, refresh: bool = False, engine: Engine = FAST) -> str:
    """Train what is lacking, in one pass; says what it did."""
    missing = training.missing(refresh)
    label = f"{training.recipe.name}, seeds {', '.join(map(str, training.seeds))}"
    if not missing:
        return f"{label}: there already"
    options = {"device": "cpu", "engine": engine}
    train = partial(recorder.train, training.recipe, training.target, missing, **options)
    try:
        train(resume=True)
    except ValueError:  # what a killed training left is damaged, or of another recipe or engine
        train()
    return f"{label}: trained {', '.join(map(str, missing))}"


@contextlib.contextmanager
def _processes(workers: int, scheduler: str) -> Iterator[None]:
    """Where joblib sends its calls within the block."""
    options = {"backend": "loky", "n_jobs": workers, "inner_max_num_threads": 1}
    with contextlib.ExitStack() as stack:
        if scheduler:
            stack.enter_context(_client(scheduler))
            options = {"backend": "dask"}
        stack.enter_context(joblib.parallel_config(**options))
        stack.enter_context(warnings.catch_warnings())
        # joblib replaces a process that has grown, after its task, and warns of it.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        try:
            yield
        except joblib.externals.loky.process_executor.TerminatedWorkerError:
            raise LostWorker(
                "a process of the sweep died, perhaps for want of memory; the same command again "
                "goes on with what is missing"
            ) from None


def _client(scheduler: str):
    try:
        from dask.distributed import Client

        return Client(scheduler, timeout="10s")
    except ImportError:
        raise NoCluster("--scheduler needs Dask: pip install distributed") from None
    except (OSError, ValueError) as error:
        raise NoCluster(f"{scheduler}: no Dask scheduler answers ({error}); start one") from None
