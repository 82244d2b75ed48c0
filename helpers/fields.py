"""Numbers over a latent plane, drawn as images: how the map from it bends and stretches."""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from helpers import maps
from helpers.metrics import atlas

REACH = 3.5  # standard deviations of the prior, as in `maps.latent_map`


def distortion(decode: Callable[[Tensor], Tensor], n: int = 160) -> dict[str, np.ndarray]:
    """log |det J| and log₁₀ of the condition number on an n × n grid, first index along z₁."""
    ticks = (torch.arange(n) + 0.5) / n * 2 * REACH - REACH
    with torch.no_grad():
        found = atlas.distortion(decode, torch.cartesian_prod(ticks, ticks))
    fields = {"log_det": found.log_det, "log_condition": found.condition.log10()}
    return {name: values.view(n, n).numpy() for name, values in fields.items()}


def draw(ax: Axes, values: np.ndarray, low: float, high: float, cmap: str) -> AxesImage:
    """A field as an image with colours from low to high; panels that compare share them."""
    extent = (-REACH, REACH, -REACH, REACH)
    options = {"origin": "lower", "extent": extent, "interpolation": "nearest", "cmap": cmap}
    image = ax.imshow(values.T, vmin=low, vmax=high, **options)
    maps.plane(ax, extent, ("z₁", "z₂"))
    ax.grid(False)
    return image
