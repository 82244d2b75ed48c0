"""Maps of the plane: points, densities and latent spaces, drawn on a given `Axes`.

Every map of one target has the same square limits and equal axes, so pictures side by side
compare at a glance. Points may be tensors or arrays, (n, 2).
"""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from torch import Tensor

from helpers.plots import ROLES, component_colours
from helpers.targets import GaussianMixture

Extent = tuple[float, float, float, float]  # xmin, xmax, ymin, ymax

BINS = 60  # cells along each axis of a histogram
MASSES = (0.5, 0.9, 0.99)  # shares of p* that the contours enclose
PALE = 0.3  # opacity where a latent decodes to nowhere near any component
LATENT: Extent = (-3.5, 3.5, -3.5, 3.5)  # standard deviations of the prior
LATENT_AXES = ("z₁", "z₂")


def limits(target: GaussianMixture) -> Extent:
    """The square around all components, each reaching 3.5 standard deviations to every side."""
    reach = 3.5 * torch.diagonal(target.covariances, dim1=1, dim2=2).sqrt()  # (k, 2)
    low, high = (target.means - reach).amin(0), (target.means + reach).amax(0)
    (x, y), half = ((low + high) / 2).tolist(), float((high - low).max()) / 2
    return x - half, x + half, y - half, y + half


def plane(ax: Axes, extent: Extent, labels: tuple[str, str] = ("x₁", "x₂")) -> None:
    """Fix the limits, make both axes equal and name them."""
    ax.set(xlim=extent[:2], ylim=extent[2:], xlabel=labels[0], ylabel=labels[1])
    ax.set_aspect("equal", adjustable="box")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def array(points: ArrayLike | Tensor) -> np.ndarray:
    """Points as a plain array, wherever and in whatever graph the tensor lives."""
    return points.detach().cpu().numpy() if isinstance(points, Tensor) else np.asarray(points)


def classes(target: GaussianMixture, points: ArrayLike | Tensor) -> np.ndarray:
    """The component that each point most likely belongs to: (n, 2) to (n,)."""
    return target.classify(torch.tensor(array(points))).numpy()


def scatter(
    ax: Axes,
    target: GaussianMixture,
    points: ArrayLike | Tensor,
    components: ArrayLike | Tensor | None = None,
    size: float = 3.0,
) -> None:
    """Points in the colours of their components, which are inferred where not given."""
    labels = classes(target, points) if components is None else array(components)
    look = {"alpha": 0.7, "linewidth": 0, "rasterized": True, "zorder": 2}
    ax.scatter(*array(points).T, s=size, c=_colours(target, labels), **look)
    plane(ax, limits(target))


def cell_density(
    target: GaussianMixture, bins: int, extent: Extent | None = None, refine: int = 3
) -> np.ndarray:
    """p* averaged over each cell of a square grid, (bins, bins), first index along x.

    The mean of `refine`² midpoints stands for the cell, so that a cell wider than a component
    still holds about the right mass.
    """
    points = grid(extent or limits(target), bins * refine)
    density = target.log_prob(points).exp().numpy().reshape(bins, refine, bins, refine)
    return density.mean((1, 3))


def cell_area(target: GaussianMixture) -> float:
    """Area of one cell of the target's square cut into BINS²."""
    left, right, _, _ = limits(target)
    return ((right - left) / BINS) ** 2


def histogram(target: GaussianMixture, points: ArrayLike | Tensor) -> np.ndarray:
    """Density of samples on the target's square, (BINS, BINS), first index along x.

    Its integral is the share of the points that lie inside the square, one if all do.
    """
    extent = limits(target)
    x, y = array(points).T
    counts, _, _ = np.histogram2d(x, y, bins=BINS, range=(extent[:2], extent[2:]))
    return counts / (len(x) * cell_area(target))


def residuals(target: GaussianMixture, points: ArrayLike | Tensor) -> np.ndarray:
    """Density of the samples minus p*, cell by cell: (BINS, BINS)."""
    return histogram(target, points) - cell_density(target, BINS)


def residual(
    ax: Axes,
    target: GaussianMixture,
    points: ArrayLike | Tensor,
    scale: float | None = None,
) -> AxesImage:
    """Samples' density minus p*: red where there are too many points, blue where too few.

    Colours run from −scale to +scale; give panels that are to be compared the same one.
    """
    difference = residuals(target, points)
    scale = float(np.abs(difference).max()) if scale is None else scale
    plane(ax, limits(target))
    return _image(ax, difference, limits(target), cmap="RdBu_r", vmin=-scale, vmax=scale)


def contours(ax: Axes, target: GaussianMixture, masses: tuple[float, ...] = MASSES) -> None:
    """Outlines of p*: the regions of highest density that hold the given shares of its mass."""
    left, right, _, _ = extent = limits(target)
    narrowest = float(torch.linalg.eigvalsh(target.covariances).min()) ** 0.5
    bins = int(np.clip(4 * (right - left) / narrowest, 150, 320))  # four to the narrowest σ
    values = cell_density(target, bins, refine=1)
    x, y = _midpoints(extent, bins).T
    levels = sorted(mass_levels(values, masses))
    ax.contour(x, y, values.T, levels, colors="#777777", linewidths=0.8, zorder=1.0)
    plane(ax, extent)


def mass_levels(values: np.ndarray, masses: tuple[float, ...]) -> list[float]:
    """The density above which each share of the total mass lies, for equal cells."""
    descending = np.sort(values, axis=None)[::-1]
    held = np.cumsum(descending) / descending.sum()
    return [float(descending[np.searchsorted(held, mass)]) for mass in masses]


def latent_map(
    ax: Axes, target: GaussianMixture, decode: Callable[[Tensor], Tensor], n: int = 240
) -> AxesImage:
    """Colour each latent z, n × n of them, by the component that decode(z) belongs to.

    `decode` takes (m, 2) to (m, 2). Opacity grows with the component's probability; what
    decodes more than 3σ away from every component is pale. Dotted circles are radii 1, 2, 3.
    """
    with torch.no_grad():
        x = decode(grid(LATENT, n).float())  # (n², 2)
    share, label = target.responsibilities(x).max(-1)
    sure = (share - 1 / target.k) / (1 - 1 / target.k) if target.k > 1 else share
    colours = to_rgba_array(component_colours(target.k))[label.numpy()]  # (n², 4)
    colours[:, 3] = (sure * torch.where(_near(target, x), 1.0, PALE)).clamp(0, 1).numpy()
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2, 3):
        ax.plot(radius * np.cos(angle), radius * np.sin(angle), ":", color="#222222", linewidth=0.8)
    plane(ax, LATENT, LATENT_AXES)
    return _image(ax, colours.reshape(n, n, 4), LATENT)


def latent_field(ax: Axes, values: np.ndarray, low: float, high: float, cmap: str) -> AxesImage:
    """A number at each latent, (n, n), first index along z₁, in colours from low to high.

    Panels that are to be compared share low and high.
    """
    plane(ax, LATENT, LATENT_AXES)
    return _image(ax, values, LATENT, cmap=cmap, vmin=low, vmax=high)


def path(ax: Axes, target: GaussianMixture, points: ArrayLike | Tensor) -> None:
    """Decoded steps between two latents, (m, 2), from the ring to the square.

    Each step has the colour of its component; hollow steps lie more than 3σ from them all.
    """
    contours(ax, target)
    steps = array(points)
    colours = _colours(target, classes(target, steps))
    faces = np.where(_near(target, torch.tensor(steps)).numpy(), colours, "white")
    ax.plot(*steps.T, color=ROLES["truth"], linewidth=1, zorder=3)
    ax.scatter(*steps.T, s=26, c=faces, edgecolors=colours, linewidth=1.4, zorder=4)
    for step, marker in ((steps[0], "o"), (steps[-1], "s")):
        ends = {"facecolors": "none", "edgecolors": ROLES["truth"], "linewidth": 1.6}
        ax.scatter(*step, s=110, marker=marker, zorder=5, **ends)


def component_handles(target: GaussianMixture) -> list[Line2D]:
    """Legend entries, one a component: its number and its weight."""
    look = {"marker": "o", "linestyle": ""}
    rows = zip(component_colours(target.k), target.weights.tolist(), strict=True)
    return [
        Line2D([], [], color=colour, label=f"{i}  ({weight:.0%})", **look)
        for i, (colour, weight) in enumerate(rows, start=1)
    ]


def _near(target: GaussianMixture, x: Tensor) -> Tensor:
    """Whether each point lies within 3σ of some component: (m, 2) to (m,)."""
    return target.mahalanobis2(x).amin(-1) <= 9


def _colours(target: GaussianMixture, components: np.ndarray) -> np.ndarray:
    return np.array(component_colours(target.k))[components]


def _image(ax: Axes, values: np.ndarray, extent: Extent, **colours) -> AxesImage:
    """Values (n, n) or (n, n, 4), first index along x, as pixels with x across and y up."""
    ax.grid(False)
    look = {"origin": "lower", "interpolation": "nearest", **colours}
    return ax.imshow(values.swapaxes(0, 1), extent=extent, **look)


def grid(extent: Extent, n: int) -> Tensor:
    """Midpoints of n × n cells, (n², 2), the second coordinate running fastest."""
    return torch.cartesian_prod(*torch.from_numpy(_midpoints(extent, n)).T)


def _midpoints(extent: Extent, n: int) -> np.ndarray:
    """Middles of n equal cells along each axis, (n, 2)."""
    low, high = np.array(extent[::2]), np.array(extent[1::2])
    return low + (high - low) * (np.arange(n)[:, None] + 0.5) / n
