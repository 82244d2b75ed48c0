"""Images on an `Axes`: grids of samples, walks through latent space, the film of a training."""

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor
from torch.nn.functional import normalize, one_hot, pad

from helpers.animation import canvas_figure

GAP = 1  # pixels of white between images
OPPOSITE = 1e-4  # sine of an angle below which two directions fix no plane to turn in
TINY = 1e-300  # instead of a length of zero, to divide by
SIDE = 640  # pixels of a film's picture


def tiled(images: Tensor, columns: int = 0) -> np.ndarray:
    """Images (n, c, h, w) in [-1, 1] side by side: (height, width, 3) in [0, 1], white between.

    Row by row, `columns` in each; as near to a square as can be where none is given.
    """
    columns = columns or math.ceil(math.sqrt(len(images)))
    shown = ((images.detach().clamp(-1, 1) + 1) / 2).expand(-1, 3, -1, -1)
    blank = shown.new_ones(-len(shown) % columns, *shown.shape[1:])
    padded = pad(torch.cat([shown, blank]), (0, GAP, 0, GAP), value=1.0)
    rows = padded.unflatten(0, (-1, columns))  # (rows, columns, 3, h, w)
    joined = rows.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (height, width, 3)
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

    The direction turns along the great circle (Shoemake 1985) and the length changes evenly, so
    that no latent is longer or shorter than both ends. Between opposite directions, where every
    great circle would do, it turns towards the axis that is farthest from them; latents of one
    number cannot turn, and pass through zero. To or from an end at zero, which has no direction,
    the way is straight.
    """
    a, b = first.double()[:, None], last.double()[:, None]  # (n, 1, d)
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)  # (n, 1, 1)
    unit_a, unit_b = normalize(a, dim=-1, eps=TINY), normalize(b, dim=-1, eps=TINY)
    sides = (unit_a - unit_b, unit_a + unit_b)  # of the rhombus whose half angle has their ratio
    angle = 2 * torch.atan2(*(side.norm(dim=-1, keepdim=True) for side in sides))  # (n, 1, 1)
    t = torch.linspace(0, 1, steps, dtype=a.dtype)[:, None]  # (steps, 1)
    direction = (t * angle).cos() * unit_a + (t * angle).sin() * _across(unit_a, unit_b)
    turned = torch.lerp(length_a, length_b, t) * direction  # (n, steps, d)
    straight = torch.lerp(a, b, t)
    ways = torch.where((length_a == 0) | (length_b == 0), straight, turned)
    ways[:, 0], ways[:, -1] = a[:, 0], b[:, 0]  # free of rounding
    return ways.flatten(0, 1).to(first.dtype)


def _across(unit_a: Tensor, unit_b: Tensor) -> Tensor:
    """Unit vectors at right angles to `unit_a` towards `unit_b`, or an axis where that is none."""
    towards = _rejected(unit_b, unit_a)
    axis = one_hot(unit_a.abs().argmin(-1), unit_a.shape[-1]).to(unit_a)  # farthest from unit_a
    parallel = towards.norm(dim=-1, keepdim=True) < OPPOSITE
    across = torch.where(parallel, _rejected(axis, unit_a), towards)
    return normalize(across, dim=-1)  # zero on a line, where nothing is across


def _rejected(z: Tensor, unit: Tensor) -> Tensor:
    """What is left of z (..., d) without its part along unit vectors (..., d)."""
    return z - (z * unit).sum(-1, keepdim=True) * unit


class ImageScene:
    """Samples of the same 64 latents, 8 × 8, and the epoch above them; `shape` is (c, h, w)."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.figure = canvas_figure(SIDE, SIDE + 40)
        ax = self.figure.add_axes((0.01, 0.005, 0.98, 0.98 * SIDE / (SIDE + 40)))
        ax.set_axis_off()
        self.image = ax.imshow(tiled(torch.ones(64, *shape), 8), interpolation="nearest")
        words = {"va": "top", "fontsize": 13, "color": "#222222"}
        self.epoch = self.figure.text(0.99, 0.985, "", ha="right", fontweight="bold", **words)
        self.figure.text(0.01, 0.985, "the same 64 latents, decoded after epoch", **words)
        self.artists = [self.image, self.epoch]

    def update(self, frame) -> None:
        """Show the samples of a frame, of which it reads `epoch` and `probe["samples"]`."""
        samples = torch.as_tensor(frame.probe["samples"]).float()[:64]  # (64, c · h · w)
        self.image.set_data(tiled(samples.view(-1, *self.shape), 8))
        self.epoch.set_text(f"{frame.epoch}")
