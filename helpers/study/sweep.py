"""Sweeps: many trainings on all cores, or on a cluster, in pieces that survive being killed.

A sweep is a list of trainings, each of one recipe from several seeds in one pass. Its records are
the runs that `recorder.train` saves, each whole or not at all. A sweep that is started again looks
at what is there and does the rest, so killing one costs what was under way and no more; its
processes end with it. One that dies alone, perhaps for want of memory, is replaced.
"""

import contextlib
import os
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from urllib.parse import urlsplit

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from helpers import experiments, processes, recipes, recorder, runs
from helpers.engine.members import FAST
from helpers.targets import Target
from helpers.training import BadCheckpoint, Engine

TRIES = 3  # times in a row that processes may die
PATIENCE = 2  # seconds, for a scheduler to answer
SEEDS = (0, 1, 2, 3, 4)  # those that carry the spreads


class LostWorker(RuntimeError):
    """Processes of the sweep died again and again; what they had finished is kept."""


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

    Raises BadRecipe for a name or width that cannot be used, or a target of another kind.
    """
    every = experiments.STUDIES
    chosen = [name for given in names for name in (every if given == "all" else [given])]
    found = [experiments.named(name) for name in dict.fromkeys(chosen)]
    if widths:
        found = [recipes.widened(recipe, width) for recipe, width in product(found, widths)]
    for recipe in found:
        recipes.check_domain(recipe, target)
    return [Training(recipe, target, tuple(seeds)) for recipe in found]


def sweep(
    trainings: Iterable[Training],
    workers: int = 2,
    scheduler: str = "",
    refresh: bool = False,
    engine: Engine = FAST,
    device: str = "cpu",
) -> Iterator[str]:
    """Do what is missing; yields a line for each training as it ends, in no fixed order.

    `workers` processes of one thread each, or those of the Dask cluster whose `scheduler` is
    given, which must share this folder. `refresh` trains runs again whose recipe, or the way of
    training, has changed since. Raises LostWorker when processes died TRIES times, NoCluster when
    there is none.
    """
    waiting = [training for training in trainings if training.missing(refresh)]
    # What starts from another run waits for it; the longest go first, so that none trails behind.
    waiting.sort(key=lambda training: -training.recipe.epochs * len(training.seeds))
    for later in (False, True):
        stage = [one for one in waiting if bool(getattr(one.recipe, "start", "")) == later]
        with _cluster(scheduler if stage else ""):
            yield from _stage(stage, 0 if scheduler else workers, refresh, engine, device)


def _stage(stage: list[Training], workers: int, *options) -> Iterator[str]:
    """Do independent trainings side by side; those that a dead process leaves are begun anew."""
    left, deaths = dict(enumerate(stage)), 0
    parent, call = os.getpid() if workers else None, joblib.delayed(processes.apart)
    while left:
        jobs = [call(parent, _numbered, n, work, one, *options) for n, one in left.items()]
        try:
            with _processes(min(workers, len(left))):
                for number, line in joblib.Parallel(return_as="generator_unordered")(jobs):
                    del left[number]
                    deaths = 0
                    yield line
        except TerminatedWorkerError:
            deaths += 1
            yield f"a process of the sweep died ({deaths} of {TRIES}); going on with the rest"
        if deaths == TRIES:
            raise LostWorker(
                f"processes of the sweep died {TRIES} times in a row, perhaps for want of memory; "
                "give fewer --workers; the same command again goes on with what is missing"
            )


def _numbered(number: int, work: Callable, *arguments) -> tuple[int, str]:
    return number, work(*arguments)


def work(
    training: Training, refresh: bool = False, engine: Engine = FAST, device: str = "cpu"
) -> str:
    """Train what is lacking, in one pass; says what it did."""
    missing = training.missing(refresh)
    label = f"{training.recipe.name}, seeds {', '.join(map(str, training.seeds))}"
    if not missing:
        return f"{label}: there already"
    options = {"device": device, "engine": engine}
    train = partial(recorder.train, training.recipe, training.target, missing, **options)
    try:
        train(resume=True)
    except (runs.BadRun, BadCheckpoint):  # what a killed one left is damaged, or of another recipe
        train()
    return f"{label}: trained {', '.join(map(str, missing))}"


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[None]:
    """Where joblib sends its calls within the block: to so many processes, or to a cluster."""
    own = {"backend": "loky", "n_jobs": workers, "inner_max_num_threads": 1}
    with (
        joblib.parallel_config(**(own if workers else {"backend": "dask"})),
        warnings.catch_warnings(),
    ):
        # joblib replaces a process that has grown, after its task, and warns of it.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        yield


@contextlib.contextmanager
def _cluster(scheduler: str) -> Iterator[None]:
    """Connected to the Dask cluster of this scheduler, if one is given. Raises NoCluster."""
    if not scheduler:
        yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise NoCluster("--scheduler needs Dask: pip install distributed") from None
    try:
        _check_answers(scheduler)
        client = Client(scheduler, timeout=f"{PATIENCE}s")
    except (OSError, ValueError) as error:
        raise NoCluster(f"{scheduler}: no Dask scheduler answers ({error}); start one") from None
    with client:
        yield


def _check_answers(scheduler: str) -> None:
    """Raise OSError or ValueError soon where Dask would try for minutes."""
    address = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}")
    if not (address.hostname and address.port):
        raise ValueError("no address as in tcp://host:8786")
    with socket.create_connection((address.hostname, address.port), PATIENCE) as connection:
        connection.settimeout(PATIENCE)
        if address.scheme == "tcp" and not connection.recv(1):  # Dask speaks first
            raise OSError("it hangs up")
