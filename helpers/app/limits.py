"""What the app can train: its targets, and sizes beyond which a laptop would no longer answer."""

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
ROWS = 200_000  # codes a step: batch times samples


class BadJob(ValueError):
    """A training that cannot be started or found; the message says why and what to do."""


def check(job) -> None:
    """Raise BadJob for what no laptop can train, BadRecipe for what is no recipe."""
    recipe = job.recipe
    if job.target not in TARGETS:
        raise BadJob(f"target {job.target!r}: choose one of {', '.join(TARGETS)}")
    if not 0 <= job.seed < 2**63:
        raise BadJob(f"seed = {job.seed}: must be from 0 to {2**63 - 1}")
    if job.images is not None and job.images < 2:
        raise BadJob(f"images = {job.images}: must be at least 2")
    for name, most in MOST.items():
        _check_size(name, getattr(recipe, name, 1), most)
    rows = recipe.batch * getattr(recipe, "samples", 1)
    if rows > ROWS:
        raise BadJob(f"batch × samples = {rows}: must be at most {ROWS}; lower one of them")


def _check_size(name: str, value: int | tuple[int, ...], most: int) -> None:
    values = value if isinstance(value, tuple) else (value,)
    if max(values, default=0) > most:
        raise BadJob(f"{name} = {max(values)}: must be at most {most} here; lower it")
    if not 0 < len(values) <= LAYERS:
        raise BadJob(f"{name}: {len(values)} layers, must be from 1 to {LAYERS}")
