"""The saved runs that can be chosen in the app, and what is drawn from them."""

import re
from pathlib import Path

import torch
from torch import Tensor

from helpers import places, runs, trials
from helpers.galleries import Gallery
from helpers.perturbations import PERTURBATIONS
from helpers.storage import BadRun

NAME = re.compile(r"[\w@][\w.@-]*/seed\d+")
MOST = {"points": 100_000, "images": 400}  # to a draw
WAYS = {way.name: way for way in PERTURBATIONS}


class BadDraw(ValueError):
    """Numbers that cannot be drawn; the message says what is possible."""


def names() -> list[str]:
    """All runs by name: those of the app, `app/<id>`, the newest first, then `recipe/seed5`."""
    own = [f"app/{trial}" for trial in trials.listed() if _trial(trial).exists()]
    there = (path for root in _roots() for path in root.glob("*/seed*.json"))
    saved = {f"{path.parent.name}/{path.stem}" for path in there}
    return own + sorted((name for name in saved if NAME.fullmatch(name)), key=_order)


def label(name: str) -> str:
    """A name as a list shows it."""
    first, _, last = name.partition("/")
    return f"trained here: {last}" if first == "app" else f"{first}, seed {last[4:]}"


def stem(name: str) -> Path:
    """Where a run of that name lies. Raises BadRun for a name that is not on the list."""
    if name not in names():
        raise BadRun(f"{name[:80]!r}: no such run; choose one from the list, or train one")
    return _place(name)


def filmed() -> list[str]:
    """The names of the runs that kept the snapshots that films are drawn from."""
    return [name for name in names() if _place(name).with_suffix(".probes.npz").exists()]


def _place(name: str) -> Path:
    first, _, last = name.partition("/")
    if first == "app":
        return _trial(last).with_suffix("")
    return places.existing("data", "runs", first, f"{last}.json").with_suffix("")


def load(name: str) -> runs.Run:
    """The run of that name. Raises BadRun where it is not there, or damaged."""
    return runs.read(stem(name))


def sample(run: runs.Run, n: int, seed: int, way: str = "", strength: float = 0.0) -> Tensor:
    """n samples from latents that are perturbed as named: (n, 2), or of images (n, c, h, w).

    Raises BadDraw.
    """
    pictures = isinstance(run.target, Gallery)
    most = MOST["images" if pictures else "points"]
    if n is None or not 1 <= n <= most:
        raise BadDraw(f"{n} samples: must be from 1 to {most}")
    if seed is None or not 0 <= seed < 2**63:
        raise BadDraw(f"seed = {seed}: must be a whole number from 0")
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, run.recipe.latent, generator=generator)
    if way:
        z = WAYS[way].apply(z, strength, generator)
    with torch.no_grad():
        x = run.model.draw(z, generator)
    return run.target.fold(x) if pictures else x


def _trial(trial: str) -> Path:
    return trials.folder(trial) / "run.json"


def _roots() -> set[Path]:
    return {places.output("data", "runs"), places.REPOSITORY / "data" / "runs"}


def _order(name: str) -> tuple[str, int]:
    first, _, last = name.partition("/")
    return first, int(last[4:])
