"""Does it fit? What a training or a sample takes of this machine's memory, before it starts."""

from itertools import pairwise
from math import prod

import psutil

from helpers.recipes import WIDTHS, Recipe

FLOAT = 4  # bytes
COPIES = 6  # of the weights: themselves, gradient, Adam's two, an average, one to save
KEPT = 3  # of each activation: itself, its gradient, what a layer keeps for it
KERNEL = 16  # weights of a convolution of 4 × 4


class TooLarge(ValueError):
    """What would not fit in memory; the message says what it takes and what to lower."""


def check(needed: float, what: str, remedy: str) -> None:
    """Raise TooLarge where so many bytes are more than this machine has free."""
    free = psutil.virtual_memory().available
    if needed > free:
        raise TooLarge(
            f"{what} takes about {needed / 1e9:,.1f} GB of memory, of which {free / 1e9:,.1f} GB "
            f"are free; {remedy}"
        )


def _layers(widths: tuple[int, ...], shape: tuple[int, ...]) -> list[float]:
    """Numbers in each hidden layer for one point of shape (d,) or (c, h, w), the core last.

    An image layer's width is its channels; each halving leaves half as many pixels a side.
    """
    if len(shape) == 1:
        return [*widths]
    fewest = sorted(widths)  # channels, where the pixels are most
    return [n * prod(shape[1:]) / 4**layer for layer, n in enumerate(fewest, start=1)]


def of_weights(recipe: Recipe, shape: tuple[int, ...]) -> float:
    """Bytes that the weights take at least, for points of this shape, (d,) or (c, h, w)."""
    kernel, total = KERNEL if len(shape) == 3 else 1, 0.0
    for name in WIDTHS[recipe.family]:
        widths = getattr(recipe, name)
        first = _layers(widths, shape)[-1] * recipe.latent
        total += kernel * sum(a * b for a, b in pairwise(widths)) + first
    return FLOAT * total


def of_training(recipe: Recipe, shape: tuple[int, ...]) -> float:
    """Bytes that training a recipe takes at least."""
    layers = [_layers(getattr(recipe, name), shape) for name in WIDTHS[recipe.family]]
    numbers = prod(shape) + recipe.latent + sum(map(sum, layers))  # of one point
    rows = recipe.batch * getattr(recipe, "samples", 1)
    return COPIES * of_weights(recipe, shape) + FLOAT * KEPT * rows * numbers


def of_samples(recipe: Recipe, shape: tuple[int, ...], n: int) -> float:
    """Bytes that drawing n samples at once takes: a layer and the next."""
    widths = getattr(recipe, WIDTHS[recipe.family][recipe.family == "vae"])  # decoder, generator
    return FLOAT * n * 2 * max(*_layers(widths, shape), prod(shape))


def check_training(recipe: Recipe, shape: tuple[int, ...]) -> None:
    """Raise TooLarge for networks and batches that do not fit in memory."""
    names = " and ".join(WIDTHS[recipe.family])
    check(of_training(recipe, shape), recipe.name, f"lower {names}, latent or batch")


def check_weights(recipe: Recipe, shape: tuple[int, ...]) -> None:
    """Raise TooLarge for networks that do not fit in memory, as a damaged record may ask for."""
    check(of_weights(recipe, shape), f"loading {recipe.name}", "close other programs")


def check_samples(recipe: Recipe, shape: tuple[int, ...], n: int) -> None:
    """Raise TooLarge for more samples than fit in memory."""
    check(of_samples(recipe, shape, n), f"{n:,} samples of {recipe.name}", "draw fewer")


def shape_of(target) -> tuple[int, ...]:
    """The shape of a target's points: (c, h, w) of images, else (d,)."""
    return getattr(target, "shape", (target.dimensions,))
