"""Work for several processes, which end when the one that started them does."""

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import joblib
import psutil


def each(
    function: Callable, tasks: Iterable[tuple], workers: int, ordered: bool = True
) -> Iterator:
    """`function(*task)` of every task, on so many processes of one thread each.

    In the order of the tasks, or as they end.
    """
    order = "generator" if ordered else "generator_unordered"
    with joblib.parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as=order)
        yield from parallel(joblib.delayed(apart)(os.getpid(), function, *task) for task in tasks)


def apart(parent: int | None, function: Callable, *arguments):
    """Call a function in a process of its own, which from then on ends with `parent`."""
    if parent not in (None, os.getpid()):  # a single task stays in the process that asks
        _watch(parent)
    return function(*arguments)


@functools.cache
def _watch(parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while psutil.Process().ppid() == parent and psutil.pid_exists(parent):
        time.sleep(1)
    os._exit(1)  # at once: what is saved is whole
