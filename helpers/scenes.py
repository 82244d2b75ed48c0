"""The two films: how the generator, and how the VAE, comes to cover the target.

A frame is a training snapshot with an `epoch` and a `probe`, the positions of fixed points
after that epoch. Nothing but the points and the title moves: limits and colours stay.
"""

from collections.abc import Mapping
from math import exp
from typing import Any, Protocol

import numpy as np
import torch
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from helpers.animation import canvas_figure
from helpers.maps import (
    Extent,
    array,
    classes,
    component_handles,
    contours,
    limits,
    plane,
)
from helpers.metrics.modes import share_within
from helpers.plots import STYLE, component_colours
from helpers.targets import GaussianMixture

NOISE_EXTENT: Extent = (-3.5, 3.5, -3.5, 3.5)
CODE_EXTENT: Extent = (-4.0, 4.0, -4.0, 4.0)
LEGEND_ENTRIES = 10  # more components than these would not fit beside the panels
TRUE_SHARE = 1 - exp(-4.5)  # a plane Gaussian's mass within Mahalanobis distance 3


class Frame(Protocol):
    """What a scene reads of a snapshot."""

    epoch: int
    probe: Mapping[str, Any]


class Dots:
    """Points of one panel, one marker series a component: much quicker than a scatter."""

    def __init__(self, ax: Axes, k: int, size: float = 2.4) -> None:
        self.series = [
            ax.plot([], [], "o", color=colour, markersize=size, markeredgewidth=0, zorder=4)[0]
            for colour in component_colours(k)
        ]

    def move(self, points: np.ndarray, components: np.ndarray) -> None:
        """Show points (n, 2) in the colours of their components (n,)."""
        for component, series in enumerate(self.series):
            series.set_data(*points[components == component].T)


class Caption:
    """Epoch and share of the samples within 3σ, above the panels.

    Laying out text is slow, so only the two numbers move; the words around them stand still.
    """

    def __init__(self, figure: Figure, target: GaussianMixture) -> None:
        self.target = target
        words = {"va": "top", "fontsize": 13, "color": "#222222"}
        numbers = {**words, "ha": "right", "fontweight": "bold", "zorder": 5}
        unit = 1 / figure.canvas.get_width_height()[0]  # one pixel
        self.epoch = figure.text(152 * unit, 0.975, "", **numbers)
        self.share = figure.text(240 * unit, 0.975, "", **numbers)
        figure.text(52 * unit, 0.975, "epoch", **words)
        sentence = f"% of the samples within 3σ of a component (truth {100 * TRUE_SHARE:.1f} %)"
        figure.text(246 * unit, 0.975, sentence, **words)
        self.artists: list[Artist] = [self.epoch, self.share]

    def show(self, epoch: int, samples: np.ndarray) -> None:
        """Write this epoch's two numbers."""
        self.epoch.set_text(str(epoch))
        self.share.set_text(f"{100 * share_within(self.target, torch.tensor(samples)):.1f}")


class GanScene:
    """Left the noise z, right G(z); both in the colour of the component that G(z) belongs to.

    `noise` is (n, 2); wider noise shows its first two numbers. A frame's `probe["samples"]`
    is G of that noise, (n, 2).
    """

    @style.context(STYLE)
    def __init__(self, target: GaussianMixture, noise: ArrayLike | Tensor) -> None:
        self.target = target
        self.noise = _plane_points(noise, "noise")
        self.figure = canvas_figure(960, 480)
        left, right = _panels(self.figure, side=372, lefts=(52, 478), bottom=48)
        _latent_axes(left, "noise z", NOISE_EXTENT, ("z₁", "z₂"))
        _data_axes(right, "generated G(z)", target)
        _legend(self.figure, target)
        self.before, self.after = Dots(left, target.k), Dots(right, target.k)
        self.caption = Caption(self.figure, target)
        self.artists: list[Artist] = [
            *self.before.series,
            *self.after.series,
            *self.caption.artists,
        ]

    def update(self, frame: Frame) -> None:
        """Move the points to this epoch's samples and recolour both panels."""
        samples = _plane_points(frame.probe["samples"], "samples", len(self.noise))
        components = classes(self.target, samples)
        self.before.move(self.noise, components)
        self.after.move(samples, components)
        self.caption.show(frame.epoch, samples)


class VaeScene:
    """The codes of fixed points, their reconstructions, and samples decoded from the prior.

    `components` (n,) are the true ones of the fixed points. Each frame's probe holds their
    `codes` (n, latent), of which the first two numbers are drawn, their `reconstructions`
    (n, 2), and `samples` (m, 2), coloured by the component each most likely belongs to.
    """

    @style.context(STYLE)
    def __init__(self, target: GaussianMixture, components: ArrayLike | Tensor) -> None:
        self.target = target
        self.components = array(components)
        self.figure = canvas_figure(1200, 410)
        axes = _panels(self.figure, side=302, lefts=(52, 410, 768), bottom=48)
        _latent_axes(axes[0], "codes z", CODE_EXTENT, ("z₁", "z₂"))
        _data_axes(axes[1], "reconstructions", target)
        _data_axes(axes[2], "samples", target)
        _legend(self.figure, target)
        self.codes, self.rebuilt, self.drawn = (Dots(ax, target.k) for ax in axes)
        self.caption = Caption(self.figure, target)
        series = [*self.codes.series, *self.rebuilt.series, *self.drawn.series]
        self.artists: list[Artist] = [*series, *self.caption.artists]

    def update(self, frame: Frame) -> None:
        """Move the points to this epoch's codes, reconstructions and samples."""
        n = len(self.components)
        self.codes.move(_plane_points(frame.probe["codes"], "codes", n), self.components)
        rebuilt = _plane_points(frame.probe["reconstructions"], "reconstructions", n)
        self.rebuilt.move(rebuilt, self.components)
        samples = _plane_points(frame.probe["samples"], "samples")
        self.drawn.move(samples, classes(self.target, samples))
        self.caption.show(frame.epoch, samples)


def _plane_points(values: ArrayLike | Tensor, name: str, n: int | None = None) -> np.ndarray:
    """The first two columns; raises ValueError for any other shape or number of points."""
    points = array(values)
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError(f"{name} has shape {points.shape}: a film draws points in two dimensions")
    if n is not None and len(points) != n:
        raise ValueError(f"{name} has {len(points)} points, the scene was made for {n}")
    return points[:, :2]


def _panels(figure: Figure, side: int, lefts: tuple[int, ...], bottom: int) -> list[Axes]:
    """Square axes at exact pixels, so that nothing shifts from frame to frame."""
    width, height = figure.canvas.get_width_height()
    boxes = [(left / width, bottom / height, side / width, side / height) for left in lefts]
    return [figure.add_axes(box) for box in boxes]


def _latent_axes(ax: Axes, title: str, extent: Extent, labels: tuple[str, str]) -> None:
    plane(ax, extent, labels)
    ax.set_title(title)


def _data_axes(ax: Axes, title: str, target: GaussianMixture) -> None:
    contours(ax, target)
    plane(ax, limits(target))
    ax.set_title(title)


def _legend(figure: Figure, target: GaussianMixture) -> None:
    if target.k > LEGEND_ENTRIES:
        return
    figure.legend(
        handles=component_handles(target), title="component", loc="center right", borderaxespad=0.8
    )
