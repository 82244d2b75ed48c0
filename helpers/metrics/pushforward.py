"""Exact density of a map of the plane under N(0, I): what a 2→2 generator really draws.

A network of ReLUs is a mosaic of affine pieces. A fine mesh of triangles over the latent plane is
mapped corner by corner; each mapped triangle that covers a point x holds one preimage z of x, and
by the change of variables p(x) = Σ_z N(z; 0, I) / |det ∂x/∂z|. Where a crease runs through a
triangle that is an approximation, whose error halving the mesh tells. Where the map folds, several
triangles cover a point; where none does, the density is zero and its logarithm −∞.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

PAIRS = 2_000_000  # triangle–point pairs looked at together: what fits in memory
Decode = Callable[[Tensor], Tensor]


@torch.no_grad()
def density(decode: Decode, x: Tensor, nodes: int = 1_000, bound: float = 6.0) -> Tensor:
    """p(x) of x = decode(z), z ~ N(0, I), both in the plane: (n, 2) to (n,), per unit area.

    `nodes`² squares of two triangles each over [−bound, bound]²; of the prior, 2 · 10⁻⁹ a
    dimension lies outside. Raises ValueError where decode does not map the plane to itself.
    """
    corners, latents = _mapped(decode, nodes, bound, x)
    points = x.double().numpy()
    total = np.zeros(len(points))
    for triangle, point in _candidates(corners, points):
        inside, weights, area = _barycentric(corners[triangle], points[point])
        found, owner = triangle[inside], point[inside]
        z = (weights[inside, :, None] * latents[found]).sum(1)  # (pairs, 2)
        scale = area[inside] / (2 * bound / nodes) ** 2  # |det| of each triangle's affine map
        mass = np.exp(-0.5 * (z**2).sum(1)) / (2 * math.pi) / scale
        total += np.bincount(owner, mass, len(points))
    return torch.from_numpy(total)


def _mapped(
    decode: Decode, nodes: int, bound: float, like: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Two triangles a square of the latent plane: corners in the data and in it, (t, 3, 2) each."""
    ticks = torch.linspace(-bound, bound, nodes + 1, dtype=torch.float64)
    z = torch.cartesian_prod(ticks, ticks)  # ((nodes + 1)², 2)
    x = decode(z.to(like.dtype))
    if x.shape != z.shape:
        raise ValueError(
            f"decode maps {tuple(z.shape)} to {tuple(x.shape)}; an exact density needs a map of "
            "the plane to itself, so give the model two latent dimensions"
        )
    first = (np.arange(nodes)[:, None] * (nodes + 1) + np.arange(nodes)).reshape(-1)
    right, up = first + nodes + 1, first + 1
    lower = np.stack([first, right, up], 1)
    upper = np.stack([right + 1, up, right], 1)
    index = np.concatenate([lower, upper])  # (2 · nodes², 3)
    return x.double().numpy()[index], z.numpy()[index]


def _candidates(corners: np.ndarray, points: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (triangle, point) whose bounding boxes meet, some millions at a time.

    Points are sorted into square bins, about one to a bin, and each triangle looks into the bins
    that its bounding box touches.
    """
    bins = _Bins(points)
    low, high = bins.cell(corners.min(1)), bins.cell(corners.max(1))  # (t, 2) each
    away = (corners.max(1) < bins.low).any(1) | (corners.min(1) > bins.high).any(1)
    wide = np.where(away[:, None], 0, high - low + 1)
    count = wide.prod(1)  # bins that each triangle touches
    kept = np.flatnonzero(count)
    edges = np.searchsorted(np.cumsum(count[kept]), np.arange(0, count.sum(), PAIRS))
    for part in np.split(kept, edges[1:]):
        triangle, turn = _expand(part, count[part])
        column, row = np.divmod(turn, wide[triangle, 1])
        cell = (low[triangle, 0] + column) * bins.side + low[triangle, 1] + row
        pair, turn = _expand(np.arange(len(cell)), bins.held[cell])
        yield triangle[pair], bins.order[bins.start[cell[pair]] + turn]


class _Bins:
    """Points sorted into side × side equal bins of their bounding box."""

    def __init__(self, points: np.ndarray):
        self.low, self.high = points.min(0), points.max(0)
        self.side = max(1, math.isqrt(len(points)))
        self.step = np.maximum((self.high - self.low) / self.side, 1e-300)
        columns, rows = self.cell(points).T
        cell = columns * self.side + rows
        self.order = np.argsort(cell, kind="stable")
        self.held = np.bincount(cell, minlength=self.side**2)
        self.start = np.concatenate([[0], np.cumsum(self.held)[:-1]])

    def cell(self, x: np.ndarray) -> np.ndarray:
        """Column and row of the bin that holds x, or of the nearest one: (n, 2) to (n, 2)."""
        with np.errstate(over="ignore"):
            place = np.clip((x - self.low) / self.step, 0, self.side - 1)
        return place.astype(np.int64)


def _expand(items: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each item as often as its count says, and the number of each copy: 0, 1, …"""
    starts = np.cumsum(counts) - counts
    return np.repeat(items, counts), np.arange(counts.sum()) - np.repeat(starts, counts)


def _barycentric(corners: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether x lies in its triangle, its weights (n, 3), and twice the triangle's area (n,).

    An edge belongs to one of the two triangles beside it, that on its left as it goes down; so a
    corner belongs to one of the six around it.
    """
    a, b, c = corners.transpose(1, 0, 2)
    (ux, uy), (vx, vy), (wx, wy) = (b - a).T, (c - a).T, (x - a).T
    determinant = ux * vy - uy * vx
    with np.errstate(divide="ignore", invalid="ignore"):  # a triangle without area holds nothing
        s = (wx * vy - wy * vx) / determinant
        t = (ux * wy - uy * wx) / determinant
        weights = np.stack([1 - s - t, s, t], 1)
    turn = np.sign(determinant)[:, None, None]  # all are gone round the same way
    edges = turn * np.stack([c - b, a - c, b - a], 1)  # (n, 3, 2), opposite to each corner
    own = (edges[..., 1] < 0) | ((edges[..., 1] == 0) & (edges[..., 0] < 0))
    inside = ((weights > 0) | ((weights == 0) & own)).all(1)
    return inside, weights, np.abs(determinant)
