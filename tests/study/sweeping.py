"""A small sweep, also as a program: `python tests/study/sweeping.py` runs it on two processes."""

import sys
from dataclasses import replace

import pytest
from small import recipe, shrink

from helpers import targets
from helpers.study import sweep
from helpers.training import PLAIN

SEEDS = (0, 1)


def trainings() -> list[sweep.Training]:
    """Four recipes of a few seconds, two seeds each."""
    bases = ("vae", "gan", "vae-scale", "gan-lsgan")
    small = [replace(recipe(name, epochs=30), name=f"small-{name}") for name in bases]
    return [sweep.Training(it, targets.gmm5(), SEEDS) for it in small]


def work(training: sweep.Training, refresh: bool = False, engine=PLAIN, device="cpu") -> str:
    """One training on few points, in whatever process this is."""
    shrink(pytest.MonkeyPatch())
    return WORK(training, refresh, engine, device)


WORK = sweep.work

if __name__ == "__main__":
    sweep.work = work
    for line in sweep.sweep(trainings(), workers=2, engine=PLAIN):
        print(line, flush=True)
    sys.exit(0)
