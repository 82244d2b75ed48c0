"""What the app can train: its targets, and sizes beyond which a laptop would no longer answer."""

from helpers import memory
from helpers.recipes import BOUNDS, WIDTHS

TARGETS = {
    "gmm5": "five Gaussians",
    "ring8": "ring of eight",
    "grid25": "grid of 25",
    "digits": "digits",
}
IMAGES = ("digits",)
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
SHAPES = {"digits": (1, 28, 28)}  # of a point; (2,) elsewhere
POINTS = {"digits": 4_000}  # to train on; 100,000 elsewhere
PLACES = {"digits": 9}  # that each lies in
IMAGES_LEAST = 30
BYTES = 2e9  # of memory for a training


class BadJob(ValueError):
    """A training that cannot be started or found; the message says why and what to do."""


def check(job) -> None:
    """Raise BadJob for what no laptop can train, BadRecipe for what is no recipe."""
    for name, value in job.values.items():
        if name in MOST:
            _check_size(name, value, MOST[name])
    recipe = job.recipe
    if job.target not in TARGETS:
        raise BadJob(f"target {job.target!r}: choose one of {', '.join(TARGETS)}")
    if not 0 <= job.seed < 2**63:
        raise BadJob(f"seed = {job.seed}: must be from 0 to {2**63 - 1}")
    if job.images is not None and job.images < IMAGES_LEAST:
        raise BadJob(f"images = {job.images}: must be at least {IMAGES_LEAST}, some to score by")
    points = min(POINTS.get(job.target, 100_000), job.images or 100_000)
    points *= PLACES.get(job.target, 1)
    if recipe.batch > points:
        raise BadJob(f"batch = {recipe.batch}: there are {points} points to train on; lower it")
    shape = SHAPES.get(job.target, (2,))
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
    if max(values, default=0) > most:
        raise BadJob(f"{name} = {max(values)}: must be from {BOUNDS[name][0]} to {most:,}")
    if not 0 < len(values) <= LAYERS:
        raise BadJob(f"{name}: {len(values)} layers; must be from 1 to {LAYERS}")
