"""The committed records that answers rest on, in `data/evidence/`, and how experiments fill them.

An experiment is a number of cells, each a training from one seed and what is measured of it. A
cell is kept as soon as it is measured, with what it was made of; a making that was killed goes on
from there, and a cell of other numbers is made anew. The networks themselves are not kept.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from helpers import files, processes, training
from helpers.engine.members import FAST
from helpers.recipes import Recipe
from helpers.targets import Target
from helpers.training import TRAINING_VERSION, Snapshot, stream

Say = Callable[[str], None]
Networks = tuple[nn.Module, ...]


class BadRecord(ValueError):
    """A record that is missing, damaged or unknown; the message says how to make it."""


class Cell(NamedTuple):
    """One entry of an experiment: what is trained, recipes and plain values, from which seed."""

    work: tuple
    seed: int


def load(name: str) -> dict:
    """A record's content; raises BadRecord when it is missing or damaged."""
    path = files.existing("data", "evidence", f"{name}.json")
    try:
        content = files.read_json(path)
    except files.Unreadable:
        content = None
    if not isinstance(content, dict):
        again = f"make it with: python -m helpers evidence {name}"
        raise BadRecord(f"data/evidence/{name}.json: missing or damaged; {again}")
    return content


def kept(name: str) -> dict:
    """What is there of a record, perhaps nothing."""
    try:
        return load(name)
    except BadRecord:
        return {}


def save(name: str, content: dict) -> Path:
    """Write a record, whole or not at all."""
    path = files.output("data", "evidence", f"{name}.json")
    files.write_json(path, content)
    return path


def of_recipe(record: Mapping[str, dict], name: str, metric: str) -> np.ndarray:
    """A metric of all seeds of a recipe, (seeds,); of a divergence its value, None as infinite."""
    found = [one[metric] for key, one in record.items() if key.startswith(f"{name}/")]
    values = [one[0] if isinstance(one, list) else one for one in found]
    return np.array([np.inf if value is None else value for value in values], float)


# --------------------------------------------------------------------------------- experiments


def complete(
    name: str,
    cells: Mapping[str, Cell],
    measure: Callable[..., list[dict]],
    workers: int = 2,
    say: Say = print,
    device: str = "cpu",
) -> dict:
    """The record of an experiment, cells that are missing or of other numbers made first.

    `measure(*work, seeds, device)` trains and returns what was found from each seed. On a CPU each
    cell is a task of its own; on another device the seeds of one work train as one batch.
    """
    found = {key: one for key, one in kept(name).items() if _is_of(one, cells.get(key))}
    due = [key for key in cells if key not in found]
    say(f"{name}: {len(due)} of {len(cells)} cells to be made")
    groups = _together(due, cells) if device != "cpu" else [[key] for key in due]
    tasks = [
        (measure, *cells[keys[0]].work, [cells[key].seed for key in keys], device)
        for keys in groups
    ]
    for keys, results in zip(groups, processes.each(_alone, tasks, workers), strict=True):
        for key, one in zip(keys, results, strict=True):
            found[key] = {"of": _mark(cells[key]), **one}
        save(name, {key: found[key] for key in cells if key in found})
        say(f"{name}: {', '.join(keys)}")
    return {key: found[key] for key in cells}


def _together(due: Iterable[str], cells: Mapping[str, Cell]) -> list[list[str]]:
    return [list(keys) for _, keys in groupby(due, key=lambda key: cells[key].work)]


def _alone(measure: Callable, *arguments) -> list[dict]:
    with training.threads(1):
        return measure(*arguments)


def _is_of(one: dict, cell: Cell | None) -> bool:
    return cell is not None and one.get("of") == _mark(cell)


def _mark(cell: Cell) -> str:
    """What a cell is of, in twelve hex digits: its numbers as far as they are special."""
    parts = [_special(part) if isinstance(part, Recipe) else part for part in cell.work]
    content = repr((parts, cell.seed, TRAINING_VERSION))
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _special(recipe: Recipe) -> dict:
    """Those numbers of a recipe that are not their field's default; words train nothing."""
    named = [f for f in fields(recipe) if f.name not in ("name", "idea")]
    values = {f.name: getattr(recipe, f.name) for f in named}
    return {
        f.name: values[f.name] for f in named if values[f.name] != f.default or f.default is MISSING
    }


def fit(
    recipe: Recipe,
    target: Target,
    points: Tensor,
    seeds: Iterable[int],
    device: str = "cpu",
    watch: Callable[[int, Networks, Snapshot], None] = lambda *_: None,
) -> list[Networks]:
    """Train a recipe on points (n, d) from each seed; the networks, kept in memory alone.

    `watch(seed, networks, snapshot)` is called after each epoch.
    """
    seeds, place = list(seeds), training.choose_device(device)
    streams = [stream(seed) for seed in seeds]
    built = [target.networks(recipe, points, one) for one in streams]
    found = [tuple(network.to(place) for network in networks) for networks in built]
    parts = [part.to(place) for part in (points, target.draws().validation.points)]
    steps = FAST.build(recipe, found)
    for snapshots in FAST.train_all(steps, *parts, generators=streams):
        for member, snapshot in snapshots.items():
            watch(seeds[member], found[member], snapshot)
    return found
