"""Latent scores against maps whose regions are known."""

import math

import pytest
import torch

from helpers.metrics import latent
from helpers.targets import from_definition


@pytest.fixture
def halves():
    """Two narrow components of equal weight, left and right."""
    return from_definition(
        {
            "weights": [0.5, 0.5],
            "means": [[-5, 0], [5, 0]],
            "covariances": [[[1, 0], [0, 1]], [[1, 0], [0, 1]]],
        }
    )


def jump(z):
    """Everything on the left to the left mean, on the right to the right one."""
    return torch.stack([5 * z[:, 0].sign(), 0 * z[:, 0]], -1)


def bands(z):
    """Left and right in alternating bands of width one."""
    return torch.stack([5 * (2 * (z[:, 0].floor() % 2) - 1), 0 * z[:, 0]], -1)


def test_region_mass_of_a_half_plane(halves, generator):
    z = torch.randn(40_000, 2, generator=generator)
    mass = latent.region_mass(halves, jump, z)
    assert torch.allclose(mass, torch.tensor([0.5, 0.5]), atol=0.01)


def test_a_jump_leaves_nothing_between_and_a_ramp_does(halves, generator):
    z = torch.randn(40_000, 2, generator=generator)
    assert latent.between_mass(halves, jump, z) == 0
    flat = torch.stack([10 * z[:, 0], 0 * z[:, 0]], -1)  # along the axis the oracle is exact
    normal = torch.distributions.Normal(0.0, 10.0)
    expected = normal.cdf(torch.tensor(2.0)) - normal.cdf(torch.tensor(-2.0))
    expected += 2 * (1 - normal.cdf(torch.tensor(8.0)))
    assert latent.between_mass(halves, lambda _: flat, z) == pytest.approx(
        expected.item(), abs=0.01
    )


def test_connected_regions_are_counted(halves):
    one_each = latent.connected_regions(halves, jump, n=101)
    assert one_each.counts.tolist() == [1, 1]
    assert torch.allclose(one_each.largest, torch.ones(2))
    striped = latent.connected_regions(halves, bands, reach=3.0, n=120)
    assert striped.counts.tolist() == [3, 3]
    assert (striped.largest < 0.8).all()


def test_separated_codes_tell_their_component_and_mixed_ones_do_not(generator):
    components = torch.arange(400) % 2
    apart = torch.randn(400, 2, generator=generator) + 10 * components[:, None]
    mixed = torch.randn(400, 2, generator=generator)
    for score in (latent.neighbour_accuracy, latent.linear_accuracy):
        assert score(apart, components) > 0.99
        assert score(mixed, components) < 0.65


def test_straight_boundaries_cannot_tell_a_ring_from_its_middle(generator):
    components = torch.arange(400) % 2
    angle = 2 * math.pi * torch.rand(400, generator=generator)
    ring = (1 + 4 * components)[:, None] * torch.stack([angle.cos(), angle.sin()], -1)
    assert latent.neighbour_accuracy(ring, components) > 0.99
    assert latent.linear_accuracy(ring, components) < 0.7


def test_stretch_is_the_largest_singular_value(generator):
    matrix = torch.tensor([[2.0, 1.0], [0.0, 0.5]])
    z = torch.randn(50, 2, generator=generator)
    expected = torch.linalg.matrix_norm(matrix, ord=2)
    assert torch.allclose(latent.stretch(lambda z: z @ matrix.T, z), expected, rtol=1e-2)
