"""The pictures of the app, as PNG files in memory, and the samples they show.

A server draws for several readers at once, and matplotlib for one at a time: a lock keeps them
apart. Figures are made without pyplot, which would remember each of them.
"""

import functools
import io
import json
import threading
from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from PIL import Image
from torch import Tensor

from helpers import animation, maps, objectives, plots, recorder, targets, training
from helpers.images.figures import tiled
from helpers.metrics.perturbations import PERTURBATIONS
from helpers.recipes import Recipe
from helpers.runs import Frame, Run
from helpers.targets import GaussianMixture, Target

LOCK = threading.Lock()
SHARP = 150  # dots an inch
CLICKED = (5.0, 5.0)  # inches
SQUARE = (0.12, 0.1, 0.98, 0.96)  # where the axes lie in a picture that can be clicked
MARK = {"s": 140, "facecolors": "none", "edgecolors": plots.ROLES["truth"], "linewidth": 1.8}
MOST = {"plane": 100_000, "images": 2_000}  # samples to a draw
PART = 5_000  # latents that are decoded at once: layers of all would stay in the server's memory
WAYS = {way.name: way for way in PERTURBATIONS}


def sample(run: Run, n: int, seed: int, way: str = "", strength: float = 0.0) -> Tensor:
    """n samples from latents that are perturbed as named: (n, 2), or of images (n, c, h, w).

    Raises ValueError for numbers that cannot be drawn.
    """
    most = MOST[run.target.domain]
    if n is None or not 1 <= n <= most:
        raise ValueError(f"{n} samples: must be from 1 to {most:,}")
    if seed is None or not 0 <= seed < 2**63:
        raise ValueError(f"seed = {seed}: must be a whole number from 0")
    generator = training.stream(seed)
    z = torch.randn(n, run.recipe.latent, generator=generator)
    if way:
        z = WAYS[way].apply(z, strength, generator)
    with torch.no_grad():
        x = torch.cat([run.model.draw(part, generator) for part in z.split(PART)])
    return run.target.fold(x) if run.target.domain == "images" else x


# ---------------------------------------------------------------------- while a training runs


def learned(recipe: Recipe, target: Target, epoch: int, probe: dict[str, np.ndarray]) -> bytes:
    """The frame of a run's film after an epoch."""
    if recipe.latent < 2 and target.domain == "plane":
        return samples(target, probe["samples"], f"after epoch {epoch}")  # too thin for a scene
    frame = Frame(epoch, {name: torch.from_numpy(values) for name, values in probe.items()})
    with LOCK:
        empty = _kept_scene(recipe, json.dumps(target.definition()))
        return png(next(animation.pictures(empty, [frame])))


@functools.lru_cache(maxsize=4)
def _kept_scene(recipe: Recipe, definition: str) -> animation.Scene:
    return scene(recipe, targets.from_definition(json.loads(definition)))


def scene(recipe: Recipe, target: Target) -> animation.Scene:
    """The empty scene of a recipe's film."""
    brought = hasattr(target, "scene")  # one of its own needs no probe
    probe = None if brought else recorder.probe_of(recipe, target, target.draws())
    return animation.scene_of(recipe, target, probe)


def discriminator(target: Target, seen: dict[str, np.ndarray]) -> bytes:
    """The discriminator's number over the plane, samples on it, and the pull on some of them.

    `seen` is what `views.pull` gives, with the samples. An arrow shows the direction of the
    gradient; all have one length, where there is any pull.
    """
    field, arrows = seen["field"], seen["arrows"]
    most = max(np.abs(field).max(), 1e-6)
    sizes = np.linalg.norm(arrows[:, 2:], axis=1, keepdims=True)
    ways = arrows[:, 2:] / np.maximum(sizes, 1e-12)

    def draw(ax: Axes) -> None:
        extent = maps.limits(target)
        colours = {"cmap": "PuOr_r", "vmin": -most, "vmax": most, "alpha": 0.75}
        ax.imshow(field.T, origin="lower", extent=extent, **colours)
        ax.quiver(*arrows[:, :2].T, *ways.T, scale=22, width=0.004, color="0.15", zorder=5)
        ax.plot(*arrows[:, :2].T, ".", markersize=4, color=plots.ROLES["GAN"], zorder=6)
        maps.plane(ax, extent)
        ax.set_title("discriminator: orange taken for real, violet for fake", fontsize=9)

    return sheet(draw)


def gaussians(target: Target, seen: dict[str, np.ndarray]) -> bytes:
    """A VAE's Gaussians at 2σ: q(z | x) over the prior's circles, and p(x | z) over the target."""

    def draw(axes: Sequence[Axes]) -> None:
        for ax, name in zip(axes, ("coded", "decoded"), strict=True):
            lines = seen.get(name, np.empty((0, 25, 2)))
            ax.add_collection(LineCollection(lines, colors=plots.ROLES["VAE"], linewidths=0.9))
        for radius in (1, 2, 3):
            axes[0].add_patch(Circle((0, 0), radius, fill=False, color="0.6", linestyle="--"))
        maps.plane(axes[0], maps.LATENT, maps.LATENT_AXES)
        maps.contours(axes[1], target)
        axes[0].set_title("codes q(z | x) at 2σ, and the prior at 1, 2, 3σ", fontsize=9)
        axes[1].set_title("p(x | z) at 2σ, of z from the prior", fontsize=9)

    return sheet(draw, (9.0, 4.6), (0.07, 0.11, 0.99, 0.93), panels=2)


def losses(recipe: Recipe, epochs: Sequence[float], columns: dict[str, Sequence[float]]) -> bytes:
    """Loss curves by epoch."""

    def draw(ax: Axes) -> None:
        plots.by_epoch(ax, epochs, columns, f"loss ({objectives.build(recipe).unit})")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.5g}"))
        if len(epochs) == 1:  # a line of one point cannot be seen
            for line in ax.lines:
                line.set_marker("o")

    return sheet(draw, (7.0, 2.6), (0.11, 0.19, 0.995, 0.97))


# ------------------------------------------------------------------------------ whole pictures


def sheet(
    draw: Callable[[Axes], object],
    size: tuple[float, float] = (5.0, 5.0),
    margins: tuple[float, ...] = (),
    panels: int = 1,
) -> bytes:
    """One picture of so many inches, as a PNG file; `draw` gets its axes, or all of them.

    Given margins (left, bottom, right, top, as shares) spare the time of finding good ones.
    """
    buffer = io.BytesIO()
    with LOCK, style.context(plots.STYLE):
        figure = Figure(figsize=size, layout="none" if margins else None)
        draw(figure.subplots(1, panels))
        if margins:
            figure.subplots_adjust(*margins)
        figure.savefig(buffer, format="png", dpi=SHARP)
        figure.clear()
    return buffer.getvalue()


def png(pixels: np.ndarray) -> bytes:
    """Pixels (height, width, 3 or 4), bytes or shares, as a PNG file."""
    buffer = io.BytesIO()
    if pixels.dtype != np.uint8:
        pixels = (255 * pixels).round().astype(np.uint8)
    Image.fromarray(pixels).convert("RGB").save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def samples(target: Target, x: Tensor | np.ndarray, title: str = "") -> bytes:
    """Samples in their components' colours over the target's outlines, or images in a grid."""
    if target.domain == "images":
        return images(torch.as_tensor(x).reshape(-1, *target.shape))

    def draw(ax: Axes) -> None:
        maps.contours(ax, target)
        maps.scatter(ax, target, x, size=float(np.clip(6_000 / len(x), 0.4, 14)))
        ax.set_title(title)

    return sheet(draw)


def beside(target: GaussianMixture, x: Tensor) -> str:
    """How many points lie beyond the frame of the target's pictures, in words."""
    left, right, low, high = maps.limits(target)
    inside = (x[:, 0] >= left) & (x[:, 0] <= right) & (x[:, 1] >= low) & (x[:, 1] <= high)
    out = len(x) - int(inside.sum())
    return f"{out:,} of {len(x):,} lie outside the picture." if out else "All lie in the picture."


def images(x: Tensor, columns: int = 0, zoom: int = 0) -> bytes:
    """Images (n, c, h, w) in a grid, each pixel several wide."""
    tiles = tiled(x, columns)
    zoom = zoom or max(1, 900 // tiles.shape[1])
    return png(tiles.repeat(zoom, 0).repeat(zoom, 1))


def place(at: tuple[float, float], extent: maps.Extent) -> tuple[float, float] | None:
    """What lies where a picture with SQUARE axes was clicked; None beside the axes."""
    left, bottom, right, top = SQUARE
    across, up = (at[0] - left) / (right - left), (at[1] - bottom) / (top - bottom)
    if not (0 <= across <= 1 and 0 <= up <= 1):
        return None
    x0, x1, y0, y1 = extent
    return x0 + across * (x1 - x0), y0 + up * (y1 - y0)


def circles(made: Sequence[tuple[float, float, float]], extent: maps.Extent) -> bytes:
    """Gaussians (x₁, x₂, σ) of the plane as circles at 1 and 2σ, on SQUARE axes."""

    def draw(ax: Axes) -> None:
        for (x, y, spread), colour in zip(made, plots.component_colours(len(made)), strict=True):
            for radius in (1, 2):
                look = {"facecolor": colour, "alpha": 0.35, "linewidth": 0}
                ax.add_patch(Circle((x, y), radius * spread, **look))
        maps.plane(ax, extent)
        ax.grid(alpha=0.3)

    return sheet(draw, CLICKED, SQUARE)


def latent(
    target: Target,
    decode: Callable[[Tensor], Tensor],
    marks: Sequence[Sequence[float]],
    codes: Tensor | None = None,
    labels: Tensor | None = None,
) -> bytes:
    """The latent plane on SQUARE axes, with marks at some places.

    On the plane in the colours of what it decodes to; held-out points' codes (n, 2) lie over it,
    of images in the colours of their classes.
    """
    plane = target.domain == "plane"

    def draw(ax: Axes) -> None:
        if plane:
            maps.latent_map(ax, target, decode)
        maps.plane(ax, maps.LATENT, maps.LATENT_AXES)
        if codes is not None:
            hues = plots.component_colours(int(labels.max()) + 1) if len(labels) else []
            look = {"c": "0.15" if plane else [hues[i] for i in labels.tolist()]}
            ax.scatter(*codes.T, s=3 if plane else 9, linewidth=0, zorder=3, **look)
        _mark(ax, marks)

    return sheet(draw, CLICKED, SQUARE)


def decoded(target: GaussianMixture, x: Tensor, cloud: Tensor | None = None) -> bytes:
    """Points of the data plane, ringed, over a cloud of samples where one is given."""

    def draw(ax: Axes) -> None:
        maps.contours(ax, target)
        if cloud is not None:
            maps.scatter(ax, target, cloud, size=4)
        _mark(ax, x.tolist())
        ax.set_title("data plane")

    return sheet(draw)


def _mark(ax: Axes, points: Sequence[Sequence[float]]) -> None:
    for (x, y), marker in zip(points, "os", strict=False):
        ax.scatter(x, y, marker=marker, zorder=5, **MARK)


def path(target: GaussianMixture, steps: Tensor) -> bytes:
    """Decoded steps (m, 2) from one latent to another."""

    def draw(ax: Axes) -> None:
        maps.path(ax, target, steps)
        ax.set_title("decoded, step by step")

    return sheet(draw)
