"""Runs: a recipe trained on a target from a seed, found again on disk.

A run lies at `data/runs/<recipe>/seed<k>`; `helpers.storage` says in which files. Those for
films and for resuming are not committed.
"""

import platform
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from helpers import building, experiments, galleries, places, probes, recipes, storage, targets
from helpers.galleries import Gallery
from helpers.provenance import code_fingerprint
from helpers.storage import BadRun
from helpers.targets import Draws, GaussianMixture

DATA_SEED = 5  # the assignment's; every run sees the same points
Target = GaussianMixture | Gallery
CODE = ("helpers.training", "helpers.objectives", "helpers.models")
IMAGE_CODE = (*CODE, "helpers.convolutions")


def data(target: Target) -> Draws:
    """The training, validation and test points that every run of this target shares."""
    if isinstance(target, Gallery):
        return galleries.draws(target, DATA_SEED)
    return targets.draw(target, torch.Generator().manual_seed(DATA_SEED))


def target_named(name: str) -> Target:
    """A mixture by name or JSON file, or a gallery by name or folder; raises BadTarget."""
    if name.partition("-")[0] in galleries.SIZES or Path(name).is_dir():
        return galleries.named(name)
    return targets.named(name)


def folder(recipe: recipes.Recipe, target: Target) -> Path:
    """Where runs of a recipe lie, relative to the project; other targets have their own folders."""
    own = target.name == "gmm5" and target.definition() == targets.gmm5().definition()
    suffix = "" if own else "@" + re.sub(r"[^\w.-]+", "_", target.name)
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
    target: Target
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
        return [
            Frame(epoch, {name: torch.from_numpy(v.astype(np.float32)) for name, v in row.items()})
            for epoch, row in enumerate(storage.read_frames(self.stem), start=1)
        ]

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n samples of the model, (n, 2)."""
        return probes.sample(self.model, n, generator)


def read(stem: Path) -> Run:
    """Load a run from its stem; raises BadRun when a file is missing, damaged or of another run."""
    record = storage.read_record(stem)
    weights = storage.read_weights(stem, record["weights"])
    try:
        recipe = recipes.from_dict(record["recipe"])
        target = _target_of(record["target"])
        blank = torch.Generator().manual_seed(0)  # what it draws is overwritten at once
        some = torch.randn(64, 2, generator=blank)  # norms measured on it are overwritten too
        model, critic = fresh(recipe, target, some, blank)
        model.load_state_dict(weights["model"])
        if critic is not None:
            critic.load_state_dict(weights["critic"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        why = " ".join(str(error).split())[:120]  # torch lists every parameter on a line of its own
        raise BadRun(f"{stem}.json: cannot be built ({why}); train the run again") from None
    return Run(stem, record, recipe, target, model, critic)


def _target_of(definition: dict) -> Target:
    if "source" in definition:
        return galleries.from_definition(definition)
    return targets.from_definition(definition)


def find(name: str) -> Run:
    """A run by `recipe`, `recipe/seed7`, a folder, or the path of either of its files."""
    path = Path(name)
    if path.suffix in (".json", ".pt"):
        return read(path.with_suffix(""))
    usual = path / f"seed{DATA_SEED}"
    tried = [_below_runs(usual), _below_runs(path), usual, path]
    likeliest = tried[0] if len(path.parts) == 1 else tried[1]
    there = (stem for stem in tried if stem.with_suffix(".json").is_file())
    return read(next(there, likeliest))


def _below_runs(path: Path) -> Path:
    file = path.with_name(f"{path.name}.json")
    return places.existing("data", "runs", *file.parts).with_suffix("")


def stale(run: Run) -> str:
    """Why a run no longer belongs to the code beside it, or an empty string."""
    return _outdated(run.record)


def _outdated(record: dict) -> str:
    known = experiments.RECIPES.get(record["recipe"]["name"])
    saved = recipes.from_dict(record["recipe"])
    if known is not None and known != replace(saved, idea=known.idea):  # words train nothing
        return "its recipe has changed since"
    same = record["code"] == code_of(record["target"])
    return "" if same else "the training code has changed since"


def finished(recipe: recipes.Recipe, target: Target, seed: int, current: bool = False) -> bool:
    """Whether a complete run of that recipe, target and seed is on disk.

    A named recipe may have changed since, of which `load` gives notice; one without a fixed
    meaning, as `gan-custom`, must be the very same. `current` wants one made by today's code.
    """
    stem = saved_stem(recipe, target, seed)
    if not stem.with_suffix(".json").exists():
        return False
    record = storage.read_record(stem)
    same = recipe.name in experiments.RECIPES or _same(record["recipe"], recipe)
    there = record["complete"] and same and record["target"] == target.definition()
    return there and not (current and _outdated(record))


def _same(saved: dict, recipe: recipes.Recipe) -> bool:
    """Whether a saved recipe is this one; numbers that it does not name have their defaults."""
    try:
        return recipes.from_dict(saved) == recipe
    except (KeyError, TypeError, ValueError):
        return False


def saved_stem(recipe: recipes.Recipe, target: Target, seed: int) -> Path:
    """Where a saved run is read from."""
    path = places.existing(*folder(recipe, target).parts, f"seed{seed}.json")
    return path.with_suffix("")


def load(recipe: recipes.Recipe, target: Target, seed: int = DATA_SEED) -> Run:
    """The saved run, with one printed line when recipe or code has changed since."""
    run = read(saved_stem(recipe, target, seed))
    reason = stale(run)
    if reason:
        print(f"{recipe.name}, seed {seed}: {reason}; train it again to refresh it")
    return run


def fresh(
    recipe: recipes.Recipe, target: Target, points: Tensor, generator: torch.Generator
) -> tuple[nn.Module, nn.Module | None]:
    """A model to sample from and, for a GAN, its critic."""
    if recipe.family == "vae":
        return building.build_vae(recipe, target, points, generator), None
    return building.build_gan(recipe, target, points, generator)


def code_of(definition: dict) -> str:
    """The fingerprint of the code that trains on a target of that definition."""
    return code_fingerprint(IMAGE_CODE if "source" in definition else CODE)


def provenance(device: torch.device, definition: dict = MappingProxyType({})) -> dict:
    """What a result depends on besides its recipe: code (by the target), versions, machine."""
    return {
        "code": code_of(definition),
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": device.type,
    }
