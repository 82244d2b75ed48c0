"""What the app can be asked to train, and what no laptop could."""

from dataclasses import dataclass

from helpers.recipes import Recipe

TARGETS = {  # by name, as people know them
    "gmm5": "five Gaussians",
    "ring8": "ring of eight",
    "grid25": "grid of 25",
    "digits": "digits",
}
IMAGES = ("digits",)
MOST = {  # where a page would no longer answer, well below `recipes.BOUNDS`
    "latent": 1_000,
    "epochs": 10_000,
    "batch": 100_000,
    "samples": 64,
    "critic_steps": 100,
    "encoder": 2_048,
    "decoder": 2_048,
    "generator": 2_048,
    "critic": 2_048,
}
LAYERS = 6
ROWS = 200_000  # codes a step: batch times samples


class BadOrder(ValueError):
    """What cannot be trained here; the message says why and what to change."""


@dataclass(frozen=True)
class Order:
    """What to train."""

    recipe: Recipe
    target: str  # a key of TARGETS
    seed: int = 5
    images: int | None = None  # for training, at the most
    fast: bool = True  # compile the steps


def check(order: Order) -> None:
    """Raise BadOrder for what no laptop can train; recipes check their own bounds."""
    if order.target not in TARGETS:
        raise BadOrder(f"target {order.target!r}: choose one of {', '.join(TARGETS)}")
    if not 0 <= order.seed < 2**63:
        raise BadOrder(f"seed = {order.seed}: must be from 0 to 9223372036854775807")
    if order.images is not None and order.images < 2:
        raise BadOrder(f"images = {order.images}: must be at least 2")
    for name, most in MOST.items():
        _check_size(name, getattr(order.recipe, name, 1), most)
    rows = order.recipe.batch * getattr(order.recipe, "samples", 1)
    if rows > ROWS:
        raise BadOrder(f"batch × samples = {rows}: must be at most {ROWS}; lower one of them")


def _check_size(name: str, value, most: int) -> None:
    values = value if isinstance(value, tuple) else (value,)
    if max(values, default=0) > most:
        raise BadOrder(f"{name} = {max(values)}: must be at most {most} here; lower it")
    if not 0 < len(values) <= LAYERS:
        raise BadOrder(f"{name}: {len(values)} layers, must be from 1 to {LAYERS}")
