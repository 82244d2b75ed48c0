"""Runs: a recipe trained on a target from a seed, kept on disk and found again.

A run is one file, `data/runs/<recipe>[@<target>]/seed<k>.zip`: its record as JSON and, unless the
record alone is kept, its weights. One rename makes it visible, and its checksums are those of zip.
Beside it lie `seed<k>.frames.zip`, what films are drawn from, and, while a training is under way,
`seed<k>.checkpoint.zip`, all that it goes on from; neither is committed.
"""

import hashlib
import io
import json
import platform
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers import experiments, files, recipes, targets
from helpers.targets import DATA_SEED, Target
from helpers.training import TRAINING_VERSION

PARTS = {"recipe", "target", "seed", "complete", "training_version", "metrics", "history"}
NAMES = ("model", "critic")  # of networks in the file of weights: "critic" is any discriminator
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every part, so that equal runs are equal files
AGAIN = "train the run again"


class BadRun(ValueError):
    """A run that is missing or damaged; the message says which file and what to do."""


class Frame(NamedTuple):
    """What the probe saw after an epoch."""

    epoch: int
    probe: dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """A trained model with everything that is known about it."""

    stem: Path  # its files' path without ending
    record: dict
    recipe: recipes.Recipe
    target: Target

    @property
    def seed(self) -> int:
        """The seed that weights, batches and noise came from."""
        return self.record["seed"]

    @property
    def history(self) -> dict[str, list[float | None]]:
        """Columns by name, one value an epoch, the untrained model's first."""
        return self.record["history"]

    @property
    def metrics(self) -> dict:
        """Scores taken when the training ended."""
        return self.record["metrics"]

    @property
    def model(self) -> nn.Module:
        """What samples are drawn from: a VAE or a generator. Raises BadRun without weights."""
        return self._networks[0]

    @property
    def discriminator(self) -> nn.Module | None:
        """A GAN's second network."""
        return (*self._networks, None)[1]

    @cached_property
    def _networks(self) -> tuple[nn.Module, ...]:
        weights = read_weights(self.stem, self.record)
        blank = torch.Generator().manual_seed(0)  # what it draws is overwritten at once
        some = torch.randn(64, 2, generator=blank)  # norms measured on it are overwritten too
        try:
            networks = self.target.networks(self.recipe, some, blank)
            for network, name in zip(networks, NAMES, strict=False):
                network.load_state_dict(weights[name])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise BadRun(f"{file_of(self.stem)}: {_brief(error)}; {AGAIN}") from None
        return networks

    @cached_property
    def frames(self) -> list[Frame]:
        """The snapshots that films are drawn from; raises BadRun where they were not kept."""
        path = file_of(self.stem, ".frames.zip")
        if not path.exists():
            raise BadRun(f"{path}: films need it and the repository leaves it out; {AGAIN}")
        saved = load_tensors(unpack(path, "frames.pt"), path)
        if saved.get("weights") != self.record.get("weights"):
            raise BadRun(f"{path}: the snapshots of another training; {AGAIN}")
        rows = ({name: v.float() for name, v in row.items()} for row in saved["frames"])
        return [Frame(epoch, row) for epoch, row in enumerate(rows, start=1)]

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """z ~ N(0, I), then x from the model, decoder noise included: (n, d)."""
        z = torch.randn(n, self.model.latent, generator=generator)
        return self.model.draw(z, generator)


# ------------------------------------------------------------------------------ where runs lie


def folder(recipe: recipes.Recipe, target: Target) -> Path:
    """Where runs of a recipe lie in the project; other targets than `gmm5` have their own."""
    own = target.name == "gmm5" and target.definition() == targets.gmm5().definition()
    suffix = "" if own else "@" + re.sub(r"[^\w.-]+", "_", target.name)
    return Path("data", "runs", recipe.name + suffix)


def stem_of(recipe: recipes.Recipe, target: Target, seed: int) -> Path:
    """Where a saved run is read from."""
    return _saved(folder(recipe, target) / f"seed{seed}")


def file_of(stem: Path, ending: str = ".zip") -> Path:
    """One of the files of a run."""
    return stem.with_name(stem.name + ending)


def _saved(stem: Path) -> Path:
    path = files.existing(*file_of(stem).parts)
    return path.with_name(stem.name)


def find(name: str) -> Run:
    """A run by `recipe`, `recipe/seed7`, a folder, or the path of its file. Raises BadRun."""
    path = Path(name)
    if path.suffix == ".zip":
        return read(path.with_suffix(""))
    usual = path / f"seed{DATA_SEED}"
    below = [_saved(Path("data", "runs") / part) for part in (usual, path) if part.name]
    tried = [*below, usual, *([path] if path.name else [])]
    likeliest = tried[0] if len(path.parts) <= 1 else tried[1]
    return read(next((stem for stem in tried if file_of(stem).is_file()), likeliest))


def read(stem: Path) -> Run:
    """Load a run's record; raises BadRun where the file is missing, damaged or no run."""
    record = read_record(stem)
    try:
        recipe = recipes.from_dict(record["recipe"])
        return Run(stem, record, recipe, targets.from_definition(record["target"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRun(f"{file_of(stem)}: {_brief(error)}; {AGAIN}") from None


def finished(
    recipe: recipes.Recipe,
    target: Target,
    seed: int,
    current: bool = False,
    weights: bool = False,
) -> bool:
    """Whether a complete run of that recipe, target and seed is on disk.

    A named recipe may have changed since, of which `load` gives notice; one without a fixed
    meaning, as `gan-custom`, must be the very same. `current` wants one that today's training
    would give, `weights` one whose weights are kept. Raises BadRun for a damaged file; with
    `weights` it counts as missing.
    """
    stem = stem_of(recipe, target, seed)
    if not file_of(stem).exists() or (weights and not has_weights(stem)):
        return False
    record = read_record(stem)
    there = record["complete"] and record["target"] == target.definition()
    strict = current or recipe.name not in experiments.RECIPES
    return there and not (strict and outdated(record, recipe))


def load(recipe: recipes.Recipe, target: Target, seed: int = DATA_SEED) -> Run:
    """The saved run, with one printed line when its recipe or the training has changed since."""
    run = read(stem_of(recipe, target, seed))
    if reason := outdated(run.record, recipe):
        print(f"{recipe.name}, seed {seed}: {reason}; train it again to refresh it")
    return run


def outdated(record: dict, recipe: recipes.Recipe) -> str:
    """Why a record no longer is what training the recipe today would give, or an empty string."""
    try:
        saved = recipes.to_dict(recipes.from_dict(record["recipe"]))
    except (KeyError, TypeError, ValueError):
        return "its recipe cannot be read"
    if saved | {"idea": recipe.idea} != recipes.to_dict(recipe):  # words train nothing
        return "its recipe has changed since"
    same = record["training_version"] == TRAINING_VERSION
    return "" if same else "training has changed since"


# ------------------------------------------------------------------------------------ its files


def pack(path: Path, parts: Mapping[str, bytes]) -> None:
    """Write a zip file of these parts, whole or not at all."""
    with files.replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, EPOCH)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)


def unpack(path: Path, name: str) -> bytes:
    """One part of a zip file; raises BadRun where it is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except FileNotFoundError:
        raise BadRun(f"{path}: no such run; `python -m helpers train RECIPE` makes one") from None
    except (OSError, KeyError, ValueError, RuntimeError, EOFError, NotImplementedError,
            zipfile.BadZipFile, zipfile.zlib.error) as error:  # fmt: skip
        raise BadRun(f"{path}: damaged ({_brief(error)}); {AGAIN}") from None


def write(stem: Path, record: dict, weights: dict) -> str:
    """Save a run; returns the hash of its weights, which the record names."""
    content = save_tensors(weights)
    digest = hashlib.sha256(content).hexdigest()
    text = files.as_json({**record, "weights": digest})
    pack(file_of(stem), {"record.json": text.encode(), "weights.pt": content})
    return digest


def read_record(stem: Path) -> dict:
    """A run's record; raises BadRun where it is missing, damaged or lacks a part."""
    path = file_of(stem)
    try:
        record = json.loads(unpack(path, "record.json"))
        missing = PARTS - set(record)
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, BadRun):
            raise
        raise BadRun(f"{path}: not a run's record ({_brief(error)}); {AGAIN}") from None
    if missing or not isinstance(record, dict):
        lacking = ", ".join(sorted(missing)) or "names"
        raise BadRun(f"{path}: not a run's record (it has no {lacking}); {AGAIN}")
    return record


def read_weights(stem: Path, record: dict) -> dict:
    """State dictionaries by network; raises BadRun where they are damaged or were not kept."""
    path = file_of(stem)
    if not has_weights(stem):
        name = f"train {record['recipe']['name']} --seed {record['seed']}"
        raise BadRun(f"{path}: only the record of this seed is kept; python -m helpers {name}")
    content = unpack(path, "weights.pt")
    if hashlib.sha256(content).hexdigest() != record.get("weights"):
        raise BadRun(f"{path}: not the weights that its record names; {AGAIN}")
    return load_tensors(content, path)


def has_weights(stem: Path) -> bool:
    """Whether a run's weights are kept beside its record."""
    try:
        with zipfile.ZipFile(file_of(stem)) as archive:
            return "weights.pt" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def save_tensors(values: dict) -> bytes:
    """A dictionary of tensors as bytes."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def load_tensors(content: bytes, path: Path) -> dict:
    """What `save_tensors` made; nothing in it is run. Raises BadRun where it is anything else."""
    try:
        values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler that reads garbage raises nearly anything
        raise BadRun(f"{path}: damaged ({_brief(error)}); {AGAIN}") from None
    if not isinstance(values, dict):
        raise BadRun(f"{path}: damaged (a {type(values).__name__}, no dictionary); {AGAIN}")
    return values


def provenance(device: torch.device) -> dict:
    """What a run depends on besides its recipe: the training's version, packages, machine."""
    return {
        "training_version": TRAINING_VERSION,
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": device.type,
    }


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
