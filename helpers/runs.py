"""Runs: a recipe trained on a target from a seed, kept on disk and found again.

A run is one file, `data/runs/<recipe>[@<target>]/seed<k>.zip`: its record as JSON and, unless the
record alone is kept, its weights. One rename makes it visible, and its checksums are those of zip.
Beside it lie `seed<k>.frames.zip`, what films are drawn from, and, while a training is under way,
`seed<k>.checkpoint.zip`, all that it goes on from; neither is committed.
"""

import hashlib
import io
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

from helpers import experiments, files, memory, recipes, targets
from helpers.targets import DATA_SEED, Target
from helpers.training import TRAINING_VERSION

KINDS = {"recipe": dict, "target": dict, "seed": int, "complete": bool, "training_version": int}
KINDS |= {"metrics": dict, "history": dict}  # what a record must have
LARGE = 250_000  # weights of a matrix from which on bytes are worth a scale
SCALE = " scale"  # how the name of a row's scales ends
NAMES = ("model", "critic")  # of networks in the file of weights: "critic" is any discriminator
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every part, so that equal runs are equal files
LARGEST = 2**30  # bytes of a part, in a small file; it can claim to hold any number
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
    raw: bytes | None = None  # its weights, read with the record: a later training may replace both

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
        weights = _weights(self.stem, self.record, self.raw)
        memory.check_weights(self.recipe, memory.shape_of(self.target))
        blank = torch.Generator().manual_seed(0)  # what it draws is overwritten at once
        some = torch.randn(64, 2, generator=blank)  # norms measured on it are overwritten too
        try:
            networks = self.target.networks(self.recipe, some, blank)
            for network, name in zip(networks, NAMES, strict=False):
                network.load_state_dict(unpacked(weights[name]))
        except Exception as error:  # weights of any form may be in a file
            raise BadRun(f"{file_of(self.stem)}: {_brief(error)}; {AGAIN}") from None
        return networks

    @property
    def has_frames(self) -> bool:
        """Whether the snapshots that films are drawn from are kept, and are its own."""
        try:
            return bool(self.frames)
        except BadRun:
            return False

    @cached_property
    def frames(self) -> list[Frame]:
        """The snapshots that films are drawn from; raises BadRun where they were not kept."""
        path = file_of(self.stem, ".frames.zip")
        if not path.exists():
            raise BadRun(f"{path}: films need it and the repository leaves it out; {AGAIN}")
        saved = load_tensors(*unpack(path, "frames.pt"), path)
        if saved.get("weights") != self.record.get("weights"):
            raise BadRun(f"{path}: the snapshots of another training; {AGAIN}")
        try:
            rows = [{name: v.float() for name, v in row.items()} for row in saved["frames"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise BadRun(f"{path}: damaged ({_brief(error)}); {AGAIN}") from None
        return [Frame(epoch, row) for epoch, row in enumerate(rows, start=1)]

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """z ~ N(0, I), then x from the model, decoder noise included: (n, d).

        Raises TooLarge for more than fit in memory.
        """
        memory.check_samples(self.recipe, memory.shape_of(self.target), n)
        z = torch.randn(n, self.model.latent, generator=generator)
        return self.model.draw(z, generator)


# ------------------------------------------------------------------------------ where runs lie


def folder(recipe: recipes.Recipe, target: Target) -> Path:
    """Where runs of a recipe lie in the project; other targets than `gmm5` have their own."""
    known = targets.MIXTURES.get(target.name)
    built_in = known is not None and known().definition() == target.definition()
    if built_in and target.name == "gmm5":
        return Path("data", "runs", recipe.name)
    key = "" if built_in or not hasattr(target, "key") else f"-{target.key}"  # names are not unique
    suffix = "@" + re.sub(r"[^\w.-]+", "_", target.name) + key
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
    """A run by `recipe`, `recipe/seed7`, a folder, or the path of its file. Raises BadRun.

    A recipe's name comes before a folder's; what begins with a point or a slash is a path.
    """
    path = Path(name)
    if not path.name:  # "", "." or "/"
        raise BadRun(f"run {name!r}: no name; give a recipe, recipe/seed7 or a path")
    if path.suffix == ".zip" and not path.is_dir():
        return read(path.with_suffix(""))
    usual = path / f"seed{DATA_SEED}"
    named = [_saved(Path("data", "runs") / part) for part in (usual, path)]
    tried = [*([] if name.startswith((".", "/", "~")) else named), usual, path]
    found = next((stem for stem in tried if file_of(stem).is_file()), None)
    if found is None:
        base, _, seed = name.partition("/seed")
        if base in experiments.RECIPES:
            seed = seed if seed.isdecimal() else DATA_SEED
            others = [run.partition("/")[2] for run in known() if run.startswith(f"{base}/")]
            there = f", only from {', '.join(others)}" if others else ""
            raise BadRun(
                f"{name}: not trained from seed {seed}{there}; python -m helpers train {base} "
                f"--seed {seed}"
            )
        raise BadRun(recipes.unknown(name, known(), "run", "train RECIPE` makes one"))
    return read(found)


def known() -> list[str]:
    """What the saved runs are called, as in `gan` and `gan/seed0`."""
    roots = {files.REPOSITORY / "data" / "runs", files.written("data", "runs")}
    found = {path.with_suffix("") for root in roots for path in root.glob("*/seed*[0-9].zip")}
    stems = sorted(f"{stem.parent.name}/{stem.name}" for stem in found)
    return [*dict.fromkeys(name.partition("/")[0] for name in stems), *stems]


def read(stem: Path) -> Run:
    """Load a run's record; raises BadRun where the file is missing, damaged or no run."""
    record, raw = _parts(stem)
    try:
        recipe = recipes.from_dict(record["recipe"])
        target = targets.from_definition(record["target"], "its target")
        recipes.check_domain(recipe, target)
    except ValueError as error:
        raise BadRun(f"{file_of(stem)}: {_brief(error)}; {AGAIN}") from None
    return Run(stem, record, recipe, target, raw)


def finished(
    recipe: recipes.Recipe,
    target: Target,
    seed: int,
    current: bool = False,
    weights: bool = False,
) -> bool:
    """Whether a complete run of that recipe, target and seed is on disk.

    A named recipe may have changed since, of which `load` gives notice; one without a fixed
    meaning, as `gan-custom-1a2b3c`, must be the very same. `current` wants one that today's
    training would give, `weights` one whose weights are kept. A damaged file counts as missing,
    with a notice.
    """
    stem = stem_of(recipe, target, seed)
    if not file_of(stem).exists():
        return False
    try:
        record, raw = _parts(stem)
        if raw is None and weights:
            return False
        if raw is not None:
            _weights(stem, record, raw)
    except BadRun as error:
        print(f"{error}; this counts as missing", flush=True)
        return False
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
    except recipes.BadRecipe:
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


def unpack(path: Path, *names: str) -> list[bytes | None]:
    """Parts of a zip file, from one opening; None for what it has not. Raises BadRun if damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            there = [name if name in archive.namelist() else None for name in names]
            most = max(LARGEST, 100 * path.stat().st_size)
            if any(archive.getinfo(name).file_size > most for name in there if name):
                raise ValueError("it claims to hold gigabytes")
            return [name and archive.read(name) for name in there]
    except FileNotFoundError:
        raise BadRun(f"{path}: no such run; `python -m helpers train RECIPE` makes one") from None
    except Exception as error:  # an archive that is no archive raises nearly anything
        raise BadRun(f"{path}: damaged ({_brief(error)}); {AGAIN}") from None


def write(stem: Path, record: dict, weights: dict) -> str:
    """Save a run; returns the hash of its weights, which the record names."""
    content = save_tensors(weights)
    digest = hashlib.sha256(content).hexdigest()
    text = files.as_json({**record, "weights": digest})
    pack(file_of(stem), {"record.json": text.encode(), "weights.pt": content})
    return digest


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dictionary in half precision, its large matrices in bytes with a scale for each row.

    Pixels have eight bits and need no more; `unpacked` gives back floats, to 1/254 of the largest
    weight of a row.
    """
    found = {}
    for name, values in state.items():
        if values.ndim == 2 and values.numel() > LARGE:
            scale = (values.abs().amax(1, keepdim=True) / 127).clamp(min=1e-12)  # (rows, 1)
            found |= {name: (values / scale).round().to(torch.int8), name + SCALE: scale}
        else:
            found[name] = values.to(torch.float16)
    return found


def unpacked(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dictionary as networks load it, from what `packed` made or from floats."""
    return {
        name: values * state[name + SCALE] if values.dtype == torch.int8 else values
        for name, values in state.items()
        if not name.endswith(SCALE)
    }


def read_record(stem: Path) -> dict:
    """A run's record; raises BadRun where it is missing, damaged or lacks a part."""
    return _record(stem, *unpack(file_of(stem), "record.json"))


def _parts(stem: Path) -> tuple[dict, bytes | None]:
    """A run's record and, where they are kept, its weights as they lie in the same file."""
    text, raw = unpack(file_of(stem), "record.json", "weights.pt")
    return _record(stem, text), raw


def _record(stem: Path, text: bytes | None) -> dict:
    path = file_of(stem)
    try:
        record = files.parse_json(text or b"", f"{path}: its record")
    except files.Unreadable as error:
        raise BadRun(f"{error}; {AGAIN}") from None
    if fault := _fault(record):
        raise BadRun(f"{path}: not a run's record ({fault}); {AGAIN}")
    return record


def _fault(record) -> str:
    """What is wrong with the form of a record, or an empty string."""
    if not isinstance(record, dict):
        return "no names"
    if missing := [name for name in KINDS if name not in record]:
        return f"it has no {missing[0]}"
    wrong = [name for name, kind in KINDS.items() if type(record[name]) is not kind]
    if wrong or not 0 <= record["seed"] < 2**63:
        return f"{(*wrong, 'seed')[0]} = {str(record[(*wrong, 'seed')[0]])[:40]}"
    if not all(isinstance(c, list) and all(map(_is_value, c)) for c in record["history"].values()):
        return "its history holds what is no number"
    for name in ("epoch", "seconds"):
        if not record["history"].get(name) or None in record["history"][name]:
            return f"its history has no {name}"
    columns = record["history"].values()
    return "" if len({len(c) for c in columns}) <= 1 else "columns of unequal length in its history"


def _is_value(value) -> bool:
    return value is None or type(value) in (int, float)


def _weights(stem: Path, record: dict, raw: bytes | None) -> dict:
    """State dictionaries by network; raises BadRun where they are damaged or were not kept."""
    path = file_of(stem)
    if raw is None:
        name = f"train {record['recipe']['name']} --seed {record['seed']}"
        raise BadRun(f"{path}: only the record of this seed is kept; python -m helpers {name}")
    if hashlib.sha256(raw).hexdigest() != record.get("weights"):
        raise BadRun(f"{path}: not the weights that its record names; {AGAIN}")
    return load_tensors(raw, path)


def has_weights(stem: Path) -> bool:
    """Whether a run's weights are kept beside its record."""
    try:
        with zipfile.ZipFile(file_of(stem)) as archive:
            return "weights.pt" in archive.namelist()
    except Exception:  # an archive that is no archive raises nearly anything
        return False


def save_tensors(values: dict) -> bytes:
    """A dictionary of tensors as bytes."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def load_tensors(content: bytes | None, path: Path) -> dict:
    """What `save_tensors` made; nothing in it is run. Raises BadRun where it is anything else."""
    try:
        values = torch.load(io.BytesIO(content or b""), map_location="cpu", weights_only=True)
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
