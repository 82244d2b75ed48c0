"""The pictures of the app, as PNG files in memory.

A server draws for several readers at once, and matplotlib for one at a time: a lock keeps them
apart. Figures are made without pyplot, which would remember each of them.
"""

import functools
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import torch
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from helpers import animation, films, maps, pictures, plots, runs
from helpers.galleries import Gallery
from helpers.recipes import Recipe
from helpers.targets import GaussianMixture

LOCK = threading.Lock()
SHARP = 150  # dots an inch
MARK = {"s": 140, "facecolors": "none", "edgecolors": plots.ROLES["truth"], "linewidth": 1.8}


def sheet(
    draw: Callable[[Axes], object],
    size: tuple[float, float] = (5.0, 5.0),
    margins: tuple[float, ...] = (),
) -> bytes:
    """One picture of so many inches, as a PNG file.

    Given margins (left, bottom, right, top, as shares) spare the time of finding good ones.
    """
    buffer = io.BytesIO()
    with LOCK, style.context(plots.STYLE):
        figure = Figure(figsize=size, layout="none" if margins else None)
        draw(figure.subplots())
        if margins:
            figure.subplots_adjust(*margins)
        figure.savefig(buffer, format="png", dpi=SHARP)
        figure.clear()
    return buffer.getvalue()


def learned(recipe: Recipe, target: runs.Target, epoch: int, probe: dict[str, np.ndarray]) -> bytes:
    """The frame of a run's film after an epoch."""
    if recipe.latent < 2 and isinstance(target, GaussianMixture):
        return samples(target, probe["samples"], f"after epoch {epoch}")  # too thin for a scene
    tensors = {name: torch.from_numpy(values) for name, values in probe.items()}
    frame = SimpleNamespace(epoch=epoch, probe=tensors)
    with LOCK:
        feed, film = _projector(recipe, _Kept(target))
        feed.append(frame)
        try:
            return png(next(film))
        except Exception:
            _projector.cache_clear()  # a generator that failed has ended
            raise


class _Kept:
    """A target as a key of a cache, known by its definition."""

    def __init__(self, target: runs.Target):
        self.target, self.key = target, repr(target.definition())

    def __eq__(self, other) -> bool:
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@functools.lru_cache(maxsize=4)
def _projector(recipe: Recipe, kept: _Kept) -> tuple[list, Iterator[np.ndarray]]:
    """A list to put a frame on, and the pictures of what is put there, over one background."""
    feed: list = []
    return feed, animation.pictures(films.scene(recipe, kept.target), iter(feed.pop, None))


def png(pixels: np.ndarray) -> bytes:
    """Pixels (height, width, 3 or 4), bytes or shares, as a PNG file."""
    buffer = io.BytesIO()
    if pixels.dtype != np.uint8:
        pixels = (255 * pixels).round().astype(np.uint8)
    Image.fromarray(pixels).convert("RGB").save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def losses(epochs: Sequence[float], columns: dict[str, Sequence[float]]) -> bytes:
    """Loss curves by epoch."""

    def draw(ax: Axes) -> None:
        plots.by_epoch(ax, epochs, columns, "loss (nats)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))

    return sheet(draw, (7.0, 2.6), (0.09, 0.19, 0.995, 0.97))


def samples(target: runs.Target, x: Tensor | np.ndarray, title: str = "") -> bytes:
    """Samples in their components' colours over the target's outlines, or images in a grid."""
    if isinstance(target, Gallery):
        return images(torch.as_tensor(x).reshape(-1, *target.shape))

    def draw(ax: Axes) -> None:
        maps.contours(ax, target)
        maps.scatter(ax, target, x, size=_dot(len(x)))
        ax.set_title(title)

    return sheet(draw)


def _dot(n: int) -> float:
    return float(np.clip(6_000 / n, 0.4, 14))


def images(x: Tensor, columns: int = 0, zoom: int = 0) -> bytes:
    """Images (n, c, h, w) in a grid, each pixel several wide."""
    tiles = pictures.tiled(x, columns)
    zoom = zoom or max(1, 900 // tiles.shape[1])
    return png(tiles.repeat(zoom, 0).repeat(zoom, 1))


def latent(
    target: GaussianMixture, decode: Callable[[Tensor], Tensor], points: Sequence[Sequence[float]]
) -> bytes:
    """The latent plane in the colours of what it decodes to, with marks at some points."""

    def draw(ax: Axes) -> None:
        maps.latent_map(ax, target, decode)
        for (z1, z2), marker in zip(points, "os", strict=False):
            ax.scatter(z1, z2, marker=marker, zorder=5, **MARK)
        ax.set_title("latent plane, coloured by component")

    return sheet(draw)


def decoded(target: GaussianMixture, x: Tensor, cloud: Tensor | None = None) -> bytes:
    """Points of the data plane, ringed, over a cloud of samples where one is given."""

    def draw(ax: Axes) -> None:
        maps.contours(ax, target)
        if cloud is not None:
            maps.scatter(ax, target, cloud, size=4)
        for point, marker in zip(x.tolist(), "os", strict=False):
            ax.scatter(*point, marker=marker, zorder=5, **MARK)
        ax.set_title("data plane")

    return sheet(draw)


def way(target: GaussianMixture, steps: Tensor) -> bytes:
    """Decoded steps from one latent to another."""

    def draw(ax: Axes) -> None:
        maps.path(ax, target, steps)
        ax.set_title("decoded, step by step")

    return sheet(draw)
