"""The committed records that answers rest on, in `data/evidence/`, and how experiments fill them.

An experiment is a number of cells, each a training from one seed and what is measured of it. A
cell is kept as soon as it is measured, with what it was made of; a making that was killed goes on
from there, and a cell of another recipe, training or way of measuring is made anew. The networks
themselves are not kept.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import groupby, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from helpers import files, processes, recipes, runs, training
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
    """What is there of a record, nothing where there is no file; raises BadRecord if damaged."""
    return load(name) if files.existing("data", "evidence", f"{name}.json").exists() else {}


def save(name: str, content: dict) -> Path:
    """Write a record, whole or not at all."""
    path = files.output("data", "evidence", f"{name}.json")
    files.write_json(path, content)
    return path


def of_recipe(record: Mapping[str, dict], name: str, metric: str) -> np.ndarray:
    """A metric of all seeds of a recipe, (seeds,); of a value with its error the value.

    None, which is how a record holds what is not finite, is infinite. Raises BadRecord where the
    recipe is not in the record.
    """
    found = [one[metric] for key, one in record.items() if key.startswith(f"{name}/")]
    if not found:
        raise BadRecord(f"{name}: not in the record; `python -m helpers evidence` completes it")
    values = [one[0] if isinstance(one, list) else one for one in found]
    return np.array([np.inf if value is None else value for value in values], float)


# --------------------------------------------------------------------------------- experiments


def grid(works: Iterable[tuple], seeds: Iterable[int]) -> dict[str, Cell]:
    """Cells by `recipe/value/seedN`; a work is a recipe and plain numbers."""
    return {
        "/".join([work[0].name, *map("{:g}".format, work[1:]), f"seed{seed}"]): Cell(work, seed)
        for work, seed in product(works, seeds)
    }


def complete(
    name: str,
    cells: Mapping[str, Cell],
    measure: Callable[..., list[dict]],
    workers: int = 2,
    say: Say = print,
    device: str = "cpu",
    version: int = 1,
) -> dict:
    """The record of an experiment, cells that are missing or of other numbers made first.

    `measure(*work, seeds, device)` trains and returns what was found from each seed. On a CPU each
    cell is a task of its own; on another device the seeds of one work train as one batch. Raise
    `version` when `measure` changes.
    """
    there = kept(name)
    found = {key: there[key] for key in cells if _same(there.get(key), cells[key], version)}
    due = [key for key in cells if key not in found]
    say(f"{name}: {len(due)} of {len(cells)} cells to be made")
    groups = [[key] for key in due] if device == "cpu" else _together(due, cells)
    tasks = [
        (measure, keys, *cells[keys[0]].work, [cells[key].seed for key in keys], device)
        for keys in groups
    ]
    for keys, results in processes.each(_made, tasks, workers, ordered=False):
        for key, one in zip(keys, results, strict=True):
            found[key] = {"of": _of(cells[key], version), **one}
        save(name, {key: found[key] for key in cells if key in found})
        say(f"{name}: {', '.join(keys)}")
    return {key: found[key] for key in cells}


def _together(due: Iterable[str], cells: Mapping[str, Cell]) -> list[list[str]]:
    return [list(keys) for _, keys in groupby(due, key=lambda key: cells[key].work)]


def _made(measure: Callable, keys: list[str], *arguments) -> tuple[list[str], list[dict]]:
    with training.threads(1):
        return keys, measure(*arguments)


def _of(cell: Cell, version: int) -> dict:
    """What a cell is made of, as a record holds it."""
    work = [recipes.to_dict(part) if isinstance(part, Recipe) else part for part in cell.work]
    versions = {"training_version": TRAINING_VERSION, "version": version}
    return {"work": work, "seed": cell.seed, **versions}


def _same(one: dict | None, cell: Cell, version: int) -> bool:
    """Whether a cell was made of these very numbers; a recipe's words train nothing."""
    if one is None or one.get("of", {}) | {"work": ()} != _of(cell, version) | {"work": ()}:
        return False
    return len(one["of"]["work"]) == len(cell.work) and all(
        map(_alike, one["of"]["work"], cell.work)
    )


def _alike(saved, part) -> bool:
    if not isinstance(part, Recipe):
        return saved == part
    try:  # a field that is younger than the record has its default there
        return replace(recipes.from_dict(saved), name=part.name, idea=part.idea) == part
    except recipes.BadRecipe:
        return False


def of_runs(
    name: str, stems: Mapping[str, Path], look: Callable[[Path], dict], workers: int, say: Say
) -> dict:
    """The record of what was seen of saved runs, those of other weights than before looked at anew.

    Each is kept as soon as it is seen, with the hash of the weights it is of. What was seen of a
    run whose weights are not kept stays as it is.
    """
    there = kept(name)
    weights = {k: runs.read_record(stem)["weights"] for k, stem in stems.items() if _open(stem)}
    due = [key for key in weights if there.get(key, {}).get("weights") != weights[key]]
    found = {key: there[key] for key in stems if key in there and key not in due}
    say(f"{name}: {len(due)} of {len(weights)} runs with weights to be looked at")
    for key, one in processes.each(
        _seen, ((look, key, stems[key]) for key in due), workers, ordered=False
    ):
        found[key] = {"weights": weights[key], **one}
        save(name, {key: found[key] for key in stems if key in found})
        say(f"{name}: {key}")
    return {key: found[key] for key in stems if key in found}


def _open(stem: Path) -> bool:
    return runs.has_weights(stem) and runs.read_record(stem)["complete"]


def _seen(look: Callable[[Path], dict], key: str, stem: Path) -> tuple[str, dict]:
    with training.threads(1):
        return key, look(stem)


def fit(
    recipe: Recipe,
    target: Target,
    points: Tensor,
    seeds: Iterable[int],
    device: str = "cpu",
    watch: Callable[[int, Networks, Snapshot], None] = lambda *_: None,
) -> list[Networks]:
    """Train a recipe on points (n, d) from each seed; the networks, kept in memory alone.

    `watch(seed, networks, snapshot)` is called after each epoch. Raises BadRecipe for a generator
    that starts from a decoder, which is a saved run's.
    """
    if getattr(recipe, "start", ""):
        raise recipes.BadRecipe(f"{recipe.name}: starts from {recipe.start}; train it as a run")
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
