"""A small sweep, also as a program: `python tests/sweeping.py` runs it on two processes."""

import sys
from dataclasses import replace

import pytest
from small import recipe, shrink

from helpers import sweep, targets

SEEDS = (0, 1)


def jobs() -> list[sweep.Job]:
    """Four recipes of a few seconds, two seeds each."""
    bases = ("vae", "gan", "vae-scale", "gan-lsgan")
    small = [replace(recipe(name, epochs=30), name=f"small-{name}") for name in bases]
    return [sweep.Job(it, targets.gmm5(), SEEDS) for it in small]


def work(job: sweep.Job, refresh: bool = False, fast: bool = True) -> str:
    """One job on few points, in whatever process this is."""
    shrink(pytest.MonkeyPatch())
    return WORK(job, refresh, fast)


WORK = sweep.work

if __name__ == "__main__":
    sweep.work = work
    for line in sweep.sweep(jobs(), workers=2, fast=False):
        print(line, flush=True)
    sys.exit(0)
