"""Images on an `Axes`: grids of samples, pairs, walks through a latent plane."""

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

GAP = 1  # pixels of white between images


def tiled(images: Tensor, columns: int = 0) -> np.ndarray:
    """Images (n, c, h, w) in [-1, 1] side by side: (height, width, 3) in [0, 1], white between.

    Row by row, `columns` in each; as near to a square as can be where none is given.
    """
    columns = columns or math.ceil(math.sqrt(len(images)))
    shown = ((images.detach().clamp(-1, 1) + 1) / 2).expand(-1, 3, -1, -1)
    blank = shown.new_ones(-len(shown) % columns, *shown.shape[1:])
    padded = torch.nn.functional.pad(torch.cat([shown, blank]), (0, GAP, 0, GAP), value=1.0)
    rows = padded.unflatten(0, (-1, columns))  # (rows, columns, 3, h, w)
    joined = rows.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    return joined[:-GAP, :-GAP].numpy()


def grid(ax: Axes, images: Tensor, columns: int = 0, title: str = "") -> AxesImage:
    """Draw images (n, c, h, w) as one picture without axes."""
    ax.set_axis_off()
    ax.set_title(title, loc="left")
    return ax.imshow(tiled(images, columns), interpolation="nearest")


def plane_walk(n: int = 15, mass: float = 0.98) -> Tensor:
    """n × n latents of a plane at equal steps of the prior's mass, top row first: (n², 2)."""
    share = torch.linspace((1 - mass) / 2, (1 + mass) / 2, n)
    ticks = torch.special.ndtri(share)
    rows, columns = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
    return torch.stack([columns, rows], -1).view(-1, 2)


def between(first: Tensor, last: Tensor, steps: int = 10) -> Tensor:
    """Latents on the way from (n, d) to (n, d), ends included: (n · steps, d), way by way.

    Along the great circle (Shoemake 1985), so that no latent on the way is shorter than the
    prior makes them.
    """
    t = torch.linspace(0, 1, steps)[:, None]
    cosine = torch.nn.functional.cosine_similarity(first, last, dim=-1).clamp(-0.9999, 0.9999)
    angle = torch.acos(cosine)[:, None, None]  # (n, 1, 1)
    weights = torch.sin((1 - t) * angle), torch.sin(t * angle)
    ways = (weights[0] * first[:, None] + weights[1] * last[:, None]) / torch.sin(angle)
    return ways.flatten(0, 1)
