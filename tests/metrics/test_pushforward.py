"""Densities of mapped planes: against closed forms, histograms, and maps that fold."""

import math

import pytest
import torch

from helpers.metrics.pushforward import density
from helpers.training import stream as rng

SHEAR = torch.tensor([[1.0, 0.5], [-0.3, 0.8]])
SHIFT = torch.tensor([0.2, -0.4])


def linear(z):
    return z @ SHEAR.T + SHIFT


def folded(z):
    """Mirrored at x₁ = 0: two sheets."""
    return torch.stack([z[:, 0].abs(), z[:, 1]], -1)


def network():
    torch.manual_seed(3)
    layers = (torch.nn.Linear(2, 16), torch.nn.LeakyReLU(0.2), torch.nn.Linear(16, 2))
    net = torch.nn.Sequential(*layers)
    return lambda z: z + 2 * net(z)  # a mosaic of affine pieces, none of them nearly flat


def grid(reach, n):
    ticks = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * reach - reach
    return torch.cartesian_prod(ticks, ticks).float(), (2 * reach / n) ** 2


def test_a_linear_map_has_its_closed_form():
    x = linear(torch.randn(2_000, 2, generator=rng(0)))
    gaussian = torch.distributions.MultivariateNormal(SHIFT, SHEAR @ SHEAR.T)
    found = density(linear, x, nodes=150).log()
    assert (found - gaussian.log_prob(x)).abs().max() < 1e-4


def test_two_sheets_of_a_fold_add_up_and_nothing_lies_beyond_it():
    x = torch.tensor([[0.51, 0.31], [1.52, -1.03], [-0.51, 0.31]])
    normal = torch.exp(-0.5 * x.square().sum(-1)) / (2 * math.pi)
    found = density(folded, x, nodes=200)
    assert found[:2] == pytest.approx(2 * normal[:2], rel=1e-3)
    assert found[2] == 0


def test_a_network_agrees_with_the_histogram_of_its_samples():
    net, n = network(), 1_000_000
    with torch.no_grad():
        x = net(torch.randn(n, 2, generator=rng(0)))
    fine, cell = grid(1.5, 450)  # 900 midpoints stand for each cell of the histogram
    inside = x[(x.abs() < 1.5).all(-1)]
    index = ((inside + 1.5) / 0.2).long().clamp(max=14)
    counts = torch.bincount(index[:, 0] * 15 + index[:, 1], minlength=225).double()
    means = density(net, fine, nodes=300).view(15, 30, 15, 30).mean((1, 3)).view(-1)
    expected = means * 900 * cell * n
    chi2 = ((counts - expected).square() / expected.clamp(min=25)).sum()
    assert chi2 < 225 + 6 * math.sqrt(450)


def bent(z):
    """A map of whole numbers, so that points of a coarse mesh can be met exactly."""
    return torch.stack([2 * z[:, 0] + z[:, 1], z[:, 1] - z[:, 0]], -1)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_points_on_corners_and_edges_of_the_mesh_count_once(mirror):
    """Six triangles meet in a corner, two in an edge; the prior at the point tells the truth."""

    def decode(z):
        return bent(z) * torch.tensor([mirror, 1.0])

    z = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1], [-2, 1], [0.5, 0], [0, 0.5], [0.5, 0.5]])
    found = density(decode, decode(z), nodes=12)  # squares of side one
    prior = (-0.5 * z.square().sum(1)).exp() / (2 * math.pi) / 3  # |det| = 3
    torch.testing.assert_close(found, prior.double(), rtol=1e-5, atol=0)
