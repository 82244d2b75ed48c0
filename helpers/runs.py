"""Runs: a recipe trained on a target from a seed, kept on disk, found again.

A run is two files, `data/runs/<recipe>/seed<k>.pt` (weights) and `.json` (recipe, provenance,
history, scores), each written to a temporary name and then renamed; the JSON comes last and
names the weights' hash, so what loads is whole. Files for films and for resuming lie beside
them and are not committed.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from helpers import building, places, probes, recipes, targets
from helpers.provenance import code_fingerprint
from helpers.targets import Draws, GaussianMixture

DATA_SEED = 5  # the assignment's; every run sees the same points
CODE = ("helpers.training", "helpers.objectives", "helpers.models")


class BadRun(ValueError):
    """A run that is missing or damaged; the message says which file and what to do."""


def data(target: GaussianMixture) -> Draws:
    """The training, validation and test points that every run of this target shares."""
    return targets.draw(target, torch.Generator().manual_seed(DATA_SEED))


def folder(recipe: recipes.Recipe, target: GaussianMixture) -> Path:
    """Where runs of a recipe lie, relative to the project; other targets have their own folders."""
    suffix = "" if target.name == "gmm5" else f"@{target.name}"
    return Path("data", "runs", recipe.name + suffix)


@dataclass(frozen=True)
class Frame:
    """One epoch of a film: what the probe saw."""

    epoch: int
    probe: dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """A trained model with everything that is known about it."""

    stem: Path
    record: dict
    recipe: recipes.Recipe
    target: GaussianMixture
    model: nn.Module  # a VAE or a Generator
    critic: nn.Module | None

    @property
    def seed(self) -> int:
        """The seed that weights, order and noise came from."""
        return self.record["seed"]

    @property
    def history(self) -> dict[str, list[float]]:
        """Columns by name, one value an epoch."""
        return self.record["history"]

    @property
    def metrics(self) -> dict:
        """Scores taken when the training ended."""
        return self.record["metrics"]

    @cached_property
    def frames(self) -> list[Frame]:
        """The snapshots that films are drawn from; raises BadRun where they were not kept."""
        return read_frames(self.stem)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n samples of the model, (n, 2)."""
        return probes.sample(self.model, n, generator)


# ------------------------------------------------------------------------------ write and read


def write(stem: Path, record: dict, weights: dict) -> None:
    """Save a run: weights first, then the record that vouches for them."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    replace_file(stem.with_suffix(".pt"), lambda path: torch.save(weights, path))
    digest = hashlib.sha256(stem.with_suffix(".pt").read_bytes()).hexdigest()
    text = json.dumps({**record, "weights": digest}, indent=1, ensure_ascii=False)
    replace_file(stem.with_suffix(".json"), lambda path: path.write_text(text, encoding="utf-8"))


def replace_file(path: Path, save: Callable[[Path], None]) -> None:
    """Write beside `path`, then rename: whoever reads finds the old file or the new, never half."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read(stem: Path) -> Run:
    """Load a run from its stem; raises BadRun when a file is missing, damaged or of another run."""
    record = _read_record(stem.with_suffix(".json"))
    recipe = recipes.from_dict(record["recipe"])
    target = targets.from_definition(record["target"])
    model, critic = fresh(recipe, target, target.means.float(), torch.Generator())
    try:
        raw = stem.with_suffix(".pt").read_bytes()
        if hashlib.sha256(raw).hexdigest() != record["weights"]:
            raise ValueError("its hash is not the one in the record")
        weights = torch.load(stem.with_suffix(".pt"), weights_only=True)
    except (OSError, ValueError) as error:
        raise BadRun(f"{stem}.pt: weights cannot be used ({error}); train the run again") from None
    model.load_state_dict(weights["model"])
    if critic is not None:
        critic.load_state_dict(weights["critic"])
    return Run(stem, record, recipe, target, model, critic)


def _read_record(path: Path) -> dict:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not {"recipe", "target", "seed", "history", "weights"} <= set(record):
            raise ValueError("parts are missing")
    except FileNotFoundError:
        raise BadRun(f"{path}: no such run; `python -m helpers train RECIPE` makes one") from None
    except (OSError, ValueError, TypeError) as error:
        raise BadRun(f"{path}: not a run's record ({error}); train the run again") from None
    return record


def write_frames(stem: Path, frames: list[dict[str, np.ndarray]]) -> None:
    """Keep the probes of every epoch in half precision: {name: (epochs, points, dimensions)}."""
    columns = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
    path = stem.with_suffix(".probes.npz")
    replace_file(path, lambda temporary: np.savez(temporary.open("wb"), **columns))


def read_arrays(stem: Path) -> list[dict[str, np.ndarray]]:
    """What `write_frames` kept, epoch by epoch; raises BadRun where it is missing."""
    path = stem.with_suffix(".probes.npz")
    if not path.exists():
        raise BadRun(f"{path}: films need it and the repository leaves it out; train the run again")
    with np.load(path) as arrays:
        columns = {name: arrays[name] for name in arrays}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def read_frames(stem: Path) -> list[Frame]:
    """What films are drawn from, epoch by epoch."""
    return [
        Frame(epoch, {name: torch.from_numpy(v.astype(np.float32)) for name, v in row.items()})
        for epoch, row in enumerate(read_arrays(stem), start=1)
    ]


def write_checkpoint(stem: Path, state: dict | None) -> None:
    """Keep the state to resume from, or clear it away once the training is complete."""
    path = stem.with_suffix(".checkpoint.pt")
    if state is None:
        path.unlink(missing_ok=True)
    else:
        replace_file(path, lambda temporary: torch.save(state, temporary))


def read_checkpoint(stem: Path) -> dict | None:
    """The state to resume from, or None."""
    path = stem.with_suffix(".checkpoint.pt")
    return torch.load(path, weights_only=True) if path.exists() else None


def find(name: str) -> Run:
    """A run by `recipe`, `recipe/seed7`, or the path of either of its files."""
    path = Path(name)
    if path.suffix in (".json", ".pt"):
        return read(path.with_suffix(""))
    parts = path.parts if len(path.parts) > 1 else (name, f"seed{DATA_SEED}")
    stem = places.existing("data", "runs", *(*parts[:-1], f"{parts[-1]}.json")).with_suffix("")
    return read(stem if stem.with_suffix(".json").exists() else Path(*parts))


def stale(run: Run) -> str:
    """Why a run no longer belongs to the code beside it, or an empty string."""
    known = recipes.RECIPES.get(run.recipe.name)
    if known is not None and known != run.recipe:
        return "its recipe has changed since"
    return (
        ""
        if run.record["code"] == code_fingerprint(CODE)
        else "the training code has changed since"
    )


def finished(recipe: recipes.Recipe, target: GaussianMixture, seed: int) -> bool:
    """Whether a complete run of that recipe and seed is on disk."""
    path = places.existing(*folder(recipe, target).parts, f"seed{seed}.json")
    return path.exists() and _read_record(path)["complete"]


def load(recipe: recipes.Recipe, target: GaussianMixture, seed: int = DATA_SEED) -> Run:
    """The saved run, with one printed line when recipe or code has changed since."""
    stem = places.existing(*folder(recipe, target).parts, f"seed{seed}.json").with_suffix("")
    run = read(stem)
    reason = stale(run)
    if reason:
        print(f"{recipe.name}, seed {seed}: {reason}; train it again to refresh it")
    return run


# ------------------------------------------------------------------------------------- networks


def fresh(
    recipe: recipes.Recipe, target: GaussianMixture, points: Tensor, generator: torch.Generator
) -> tuple[nn.Module, nn.Module | None]:
    """A model to sample from and, for a GAN, its critic."""
    if recipe.family == "vae":
        return building.build_vae(recipe, target, points, generator), None
    return building.build_gan(recipe, target, points, generator)


def provenance(device: torch.device) -> dict:
    """What a result depends on besides its recipe: code, versions, machine."""
    return {
        "code": code_fingerprint(CODE),
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": device.type,
    }
