"""Mass by cells: where a generator puts its prior's mass, on a grid over the plane.

The density of a trained generator has spikes thinner than any grid of points can meet, so no such
grid sums to one. Mass has no spikes: each small square of the latent plane carries its share of
the prior to the cell that its centre is mapped to, and none is lost on the way.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ROWS = 250  # rows of latent squares mapped together: what fits in memory


@torch.no_grad()
def pushed_mass(
    decode: Callable[[Tensor], Tensor],
    reach: float,
    cells: int,
    nodes: int = 3_000,
    bound: float = 6.0,
) -> Tensor:
    """Share of the prior N(0, I) that decode maps into each cell: (cells, cells), x then y.

    The cells part [−reach, reach]², `nodes`² latent squares part [−bound, bound]²; each carries
    its exact prior mass. What is mapped outside is missing from the sum, and that alone.
    """
    edges = torch.linspace(-bound, bound, nodes + 1, dtype=torch.float64)
    share = torch.special.ndtr(edges).diff()  # (nodes,), exact mass of each strip
    middle = ((edges[1:] + edges[:-1]) / 2).float()
    found = torch.zeros(cells**2, dtype=torch.float64)
    for rows in torch.arange(nodes).split(ROWS):
        x = decode(torch.cartesian_prod(middle[rows], middle))  # (rows · nodes, 2)
        mass = torch.outer(share[rows], share).view(-1)
        place = ((x + reach) / (2 * reach) * cells).floor().long()
        inside = ((place >= 0) & (place < cells)).all(-1)
        flat = place[inside] @ torch.tensor([cells, 1])
        found += torch.bincount(flat, mass[inside], cells**2)
    return found.view(cells, cells)


def grid_mass(log_prob: Callable[[Tensor], Tensor], reach: float, cells: int) -> Tensor:
    """Mass of a smooth density in the same cells, by the midpoint rule with 4 × 4 points a cell."""
    fine = 4 * cells
    ticks = ((torch.arange(fine) + 0.5) / fine * 2 - 1) * reach
    density = log_prob(torch.cartesian_prod(ticks, ticks)).double().exp().view(fine, fine)
    return density.view(cells, 4, cells, 4).sum((1, 3)) * (2 * reach / fine) ** 2


def total_variation(first: Tensor, second: Tensor) -> float:
    """Total variation of two cell masses; what either leaves outside counts as apart.

    At most that of the densities: merging points into cells hides differences, and finer cells
    hide less.
    """
    outside = (first.sum() - second.sum()).abs()
    return (0.5 * ((first - second).abs().sum() + outside)).item()


def spread_error(
    decode: Callable[[Tensor], Tensor], reach: float, cells: int, nodes: int = 3_000
) -> float:
    """Total variation between the masses of a mesh and of one with half the step."""
    coarse, fine = (pushed_mass(decode, reach, cells, count) for count in (nodes, 2 * nodes))
    return total_variation(coarse, fine)
