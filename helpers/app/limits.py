"""What the app can train: its targets, and sizes beyond which a laptop would no longer answer."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from helpers import files, memory
from helpers.recipes import BOUNDS, WIDTHS


class Pictures(NamedTuple):
    """What the form knows of a set of images before anything is loaded."""

    label: str
    shape: tuple[int, int, int]  # channels, height, width
    points: int  # to train on
    kind: str  # in the names of its recipes
    places: int = 1  # that each image lies in


PLANE = {"gmm5": "five Gaussians", "ring8": "ring of eight", "grid25": "grid of 25"}
PLANE_POINTS = 100_000
IMAGES = {
    "digits": Pictures("digits", (1, 28, 28), 4_000, "digits", 9),
    "coloured-mnist": Pictures("digits in colour", (3, 32, 32), 4_000, "colour"),
    "avatars": Pictures("avatars", (3, 32, 32), 45_000, "colour"),
    "emoji": Pictures("emoji", (3, 32, 32), 3_596, "colour"),
    "faces": Pictures("faces", (3, 64, 64), 7_300, "faces"),
    "mnist": Pictures("MNIST", (1, 28, 28), 60_000, "digits"),
    "fashion": Pictures("Fashion-MNIST", (1, 28, 28), 60_000, "digits"),
    "cifar10": Pictures("CIFAR-10", (3, 32, 32), 50_000, "colour"),
    "cub": Pictures("CUB-200", (3, 32, 32), 10_000, "colour"),
}
NEED_FILES = ("mnist", "fashion", "cifar10", "cub")  # in data/images/NAME
FOLDER = Pictures("a folder", (3, 64, 64), 1_000_000, "faces")  # how many is not known yet
MOST = {  # well below `recipes.BOUNDS`
    "latent": 1_000,
    "epochs": 10_000,
    "batch": 100_000,
    "samples": 64,
    "discriminator_steps": 100,
    "encoder": 2_048,
    "decoder": 2_048,
    "generator": 2_048,
    "discriminator": 2_048,
}
LAYERS = 6
IMAGES_LEAST = 30
FEWEST = 60  # images of a folder, some of which are held out
LOOKED_AT = 100_000  # files in a folder and below
BYTES = 2e9  # of memory for a training


class BadJob(ValueError):
    """A training that cannot be started or found; the message says why and what to do."""


def targets() -> dict[str, str]:
    """What a job can learn, and how it is called; a folder of one's own is beside these."""
    missing = {name for name in NEED_FILES if not files.existing("data", "images", name).is_dir()}
    images = {name: known.label for name, known in IMAGES.items() if name not in missing}
    return PLANE | own_targets() | images


def own_targets() -> dict[str, str]:
    """Mixtures that were drawn in the app, by their file."""
    found = files.written("build", "app", "targets").glob("*.json")
    return {str(path): path.stem for path in sorted(found)}


def pictures(target: str) -> Pictures | None:
    """What is known of a set of images, a folder among them; None of what lies in the plane."""
    if target in IMAGES:
        return IMAGES[target]
    return FOLDER if target not in targets() and _is_folder(target) else None


def check_folder(target: str) -> None:
    """Raise BadJob for what is no folder of enough images; it counts no further than needed."""
    if not _is_folder(target):
        raise BadJob(f"{target[:200]!r}: no such folder; give its whole path")
    from helpers.images import readers  # it brings PyTorch: not for the first page to wait for

    images = filter(readers.pictured, islice(readers.listed(Path(target)), LOOKED_AT))
    if (found := len(list(islice(images, FEWEST)))) < FEWEST:
        raise BadJob(f"{target}: {found} images; {FEWEST} are needed, some to score by")


def label(target: str) -> str:
    """A target's name for people."""
    return targets().get(target) or Path(target).name


def _is_folder(target: str) -> bool:
    try:
        return Path(target).is_absolute() and Path(target).is_dir()
    except (OSError, ValueError):  # too long a name, or a folder that may not be read
        return False


def check(job) -> None:
    """Raise BadJob for what no laptop can train, BadRecipe for what is no recipe."""
    for name, value in job.values.items():
        if name in MOST:
            _check_size(name, value, MOST[name])
    recipe = job.recipe
    if job.target not in targets() and not _is_folder(job.target):
        known = ", ".join(targets().values())
        raise BadJob(f"target {job.target!r}: choose one of {known}, or a folder by its whole path")
    if not 0 <= job.seed < 2**63:
        raise BadJob(f"seed = {job.seed}: must be from 0 to {2**63 - 1}")
    if job.images is not None and job.images < IMAGES_LEAST:
        raise BadJob(f"images = {job.images}: must be at least {IMAGES_LEAST}, some to score by")
    seen = pictures(job.target)
    shape = seen.shape if seen else (2,)
    points = min(seen.points, job.images or seen.points) * seen.places if seen else PLANE_POINTS
    if recipe.batch > points:
        raise BadJob(f"batch = {recipe.batch}: there are {points} points to train on; lower it")
    halvings = max(len(getattr(recipe, name)) for name in WIDTHS[recipe.family])
    if len(shape) == 3 and shape[1] % 2**halvings:
        raise BadJob(f"{halvings} layers: {shape[1]} pixels cannot be halved so often; give fewer")
    needed = memory.of_training(recipe, shape)
    if needed > BYTES:
        raise BadJob(
            f"it takes {needed / 1e9:.1f} GB of memory, at most {BYTES / 1e9:.0f} here; lower "
            "batch, samples, latent or the layers' widths"
        )


def _check_size(name: str, value: int | tuple[int, ...], most: int) -> None:
    values = value if isinstance(value, tuple) else (value,)
    least = BOUNDS[name][0]
    if bad := [value for value in values if not least <= value <= most]:
        raise BadJob(f"{name.replace('_', ' ')} = {bad[0]}: must be from {least} to {most:,}")
    if not 0 < len(values) <= LAYERS:
        raise BadJob(f"{name}: {len(values)} layers; must be from 1 to {LAYERS}")
