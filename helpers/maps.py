"""Maps of the plane: points, densities and latent spaces, drawn on a given `Axes`.

Every map of one target has the same square limits and equal axes, so pictures side by side
compare at a glance. Points may be tensors or arrays, (n, 2).
"""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from torch import Tensor

from helpers.plots import ROLES, component_colours
from helpers.targets import GaussianMixture

Extent = tuple[float, float, float, float]  # xmin, xmax, ymin, ymax

BINS = 60
MASSES = (0.5, 0.9, 0.99)  # shares of p* that the contours enclose
PALE = 0.3  # opacity where a latent decodes to nowhere near any component


def limits(target: GaussianMixture, reach: float = 3.5) -> Extent:
    """The square around all components, each taken `reach` standard deviations wide."""
    sigma = torch.diagonal(target.covariances, dim1=1, dim2=2).sqrt()  # (k, 2)
    low = (target.means - reach * sigma).amin(0)
    high = (target.means + reach * sigma).amax(0)
    centre, half = (low + high) / 2, float((high - low).max()) / 2
    (x, y) = centre.tolist()
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
    colours = np.array([to_rgb(colour) for colour in component_colours(target.k)])  # (k, 3)
    x, y = array(points).T
    ax.scatter(x, y, s=size, c=colours[labels], alpha=0.7, linewidth=0, rasterized=True, zorder=2)
    plane(ax, limits(target))


def cell_density(
    target: GaussianMixture, bins: int, extent: Extent | None = None, refine: int = 3
) -> np.ndarray:
    """p* averaged over each cell of a square grid, (bins, bins), first index along x.

    The mean of `refine`² midpoints stands for the cell, so that a cell wider than a component
    is narrow still holds about the right mass.
    """
    x = _midpoints(extent or limits(target), bins * refine)  # (bins·refine, 2)
    grid = torch.cartesian_prod(*torch.from_numpy(x).T)
    density = target.log_prob(grid).exp().numpy().reshape(bins, refine, bins, refine)
    return density.mean((1, 3))


def histogram(target: GaussianMixture, points: ArrayLike | Tensor, bins: int = BINS) -> np.ndarray:
    """Density of samples on the target's square, (bins, bins), first index along x.

    Its integral is the share of the points that lie inside the square, one if all do.
    """
    extent = limits(target)
    x, y = array(points).T
    counts, _, _ = np.histogram2d(x, y, bins=bins, range=(extent[:2], extent[2:]))
    return counts / (len(x) * cell_area(target, bins))


def cell_area(target: GaussianMixture, bins: int = BINS) -> float:
    """Area of one cell of the target's square cut into bins²."""
    left, right, _, _ = limits(target)
    return ((right - left) / bins) ** 2


def residuals(target: GaussianMixture, points: ArrayLike | Tensor, bins: int = BINS) -> np.ndarray:
    """Density of the samples minus p*, cell by cell: (bins, bins)."""
    return histogram(target, points, bins) - cell_density(target, bins)


def density(
    ax: Axes,
    target: GaussianMixture,
    points: ArrayLike | Tensor,
    top: float | None = None,
    bins: int = BINS,
) -> AxesImage:
    """The samples' density as an image; `top` is shared by pictures that are to be compared."""
    top = cell_density(target, bins).max() if top is None else top
    return _image(ax, target, histogram(target, points, bins), cmap="bone_r", vmin=0, vmax=top)


def residual(
    ax: Axes,
    target: GaussianMixture,
    points: ArrayLike | Tensor,
    scale: float | None = None,
    bins: int = BINS,
) -> AxesImage:
    """Samples' density minus p*: red where there are too many points, blue where too few.

    Colours run from −scale to +scale; give panels that are to be compared the same one.
    """
    difference = residuals(target, points, bins)
    scale = float(np.abs(difference).max()) if scale is None else scale
    return _image(ax, target, difference, cmap="RdBu_r", vmin=-scale, vmax=scale)


def contours(
    ax: Axes, target: GaussianMixture, masses: tuple[float, ...] = MASSES, zorder: float = 1.0
) -> None:
    """Outlines of p*: the regions of highest density that hold the given shares of its mass."""
    extent = limits(target)
    bins = _resolution(target)
    values = cell_density(target, bins, refine=1)
    levels = sorted(mass_levels(values, masses))
    x, y = _midpoints(extent, bins).T
    ax.contour(x, y, values.T, levels, colors="#777777", linewidths=0.8, zorder=zorder)
    plane(ax, extent)


def mass_levels(values: np.ndarray, masses: tuple[float, ...]) -> list[float]:
    """The density above which each share of the total mass lies, for equal cells."""
    descending = np.sort(values, axis=None)[::-1]
    held = np.cumsum(descending) / descending.sum()
    return [float(descending[np.searchsorted(held, mass)]) for mass in masses]


def latent_map(
    ax: Axes,
    target: GaussianMixture,
    decode: Callable[[Tensor], Tensor],
    reach: float = 3.5,
    n: int = 240,
) -> AxesImage:
    """Colour each latent z of [−reach, reach]² by the component that decode(z) belongs to.

    `decode` takes (m, 2) to (m, 2). Opacity grows with the component's probability; what
    decodes more than 3σ away from every component is pale. Dotted circles are radii 1, 2, 3.
    """
    extent = (-reach, reach, -reach, reach)
    z = torch.from_numpy(_midpoints(extent, n)).float()
    with torch.no_grad():
        x = decode(torch.cartesian_prod(*z.T))  # (n², 2)
    image = latent_colours(target, x).reshape(n, n, 4).transpose(1, 0, 2)
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2, 3):
        ax.plot(radius * np.cos(angle), radius * np.sin(angle), ":", color="#222222", linewidth=0.8)
    plane(ax, extent, ("z₁", "z₂"))
    ax.grid(False)
    return ax.imshow(image, origin="lower", extent=extent, interpolation="nearest")


def latent_colours(target: GaussianMixture, x: Tensor) -> np.ndarray:
    """Red, green, blue and opacity of decoded points: (m, 2) to (m, 4)."""
    share, label = target.responsibilities(x).max(-1)
    sure = (share - 1 / target.k) / (1 - 1 / target.k) if target.k > 1 else share
    near = target.mahalanobis2(x).amin(-1) <= 9  # (m,)
    opacity = sure * torch.where(near, 1.0, PALE)
    colours = np.array([to_rgb(colour) for colour in component_colours(target.k)])
    return np.column_stack([colours[label.numpy()], opacity.clamp(0, 1).numpy()])


def path(ax: Axes, target: GaussianMixture, points: ArrayLike | Tensor) -> None:
    """Decoded steps between two latents, (m, 2), from the ring to the square.

    Each step has the colour of its component; hollow steps lie more than 3σ from them all.
    """
    contours(ax, target)
    steps = array(points)
    colours = np.array(component_colours(target.k))[classes(target, steps)]
    near = (target.mahalanobis2(torch.tensor(steps)).amin(-1) <= 9).numpy()
    faces = np.where(near, colours, "white")
    ax.plot(*steps.T, color=ROLES["truth"], linewidth=1, zorder=3)
    ax.scatter(*steps.T, s=26, c=faces, edgecolors=colours, linewidth=1.4, zorder=4)
    for step, marker in ((steps[0], "o"), (steps[-1], "s")):
        ends = {"facecolors": "none", "edgecolors": ROLES["truth"], "linewidth": 1.6}
        ax.scatter(*step, s=110, marker=marker, zorder=5, **ends)


def component_handles(target: GaussianMixture) -> list[Line2D]:
    """Legend entries, one a component: its number and its weight."""
    colours = component_colours(target.k)
    weights = target.weights.tolist()
    return [
        Line2D([], [], marker="o", linestyle="", color=colour, label=f"{i + 1}  ({weight:.0%})")
        for i, (colour, weight) in enumerate(zip(colours, weights, strict=True))
    ]


def _image(ax: Axes, target: GaussianMixture, values: np.ndarray, **options) -> AxesImage:
    extent = limits(target)
    image = ax.imshow(values.T, origin="lower", extent=extent, interpolation="nearest", **options)
    plane(ax, extent)
    ax.grid(False)
    return image


def _midpoints(extent: Extent, n: int) -> np.ndarray:
    """Middles of n equal cells along each axis, (n, 2)."""
    low, high = np.array(extent[::2]), np.array(extent[1::2])
    return low + (high - low) * (np.arange(n)[:, None] + 0.5) / n


def _resolution(target: GaussianMixture) -> int:
    """Cells enough for four to the narrowest standard deviation, between 150 and 320."""
    left, right, _, _ = limits(target)
    narrowest = float(torch.linalg.eigvalsh(target.covariances).min()) ** 0.5
    return int(np.clip(4 * (right - left) / narrowest, 150, 320))
