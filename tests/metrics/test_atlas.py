"""Borders with known measures, maps with known Jacobians, codes with known information."""

import math

import pytest
import torch

from helpers.metrics import atlas
from helpers.targets import GaussianMixture, gmm5

TARGET = gmm5()
EVEN = torch.full((5,), 0.2).double()
APART = GaussianMixture(
    "apart",
    torch.tensor([0.5, 0.5]).double(),
    torch.tensor([[-30.0, 0.0], [30.0, 0.0]]).double(),
    torch.eye(2).double().expand(2, 2, 2),
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def by_angle(z):
    turn = (torch.atan2(z[:, 1], z[:, 0]) + math.pi) / (2 * math.pi)
    return TARGET.means[(5 * turn).long().clamp(max=4)].float()


def by_strip(z):
    cuts = torch.distributions.Normal(0.0, 1.0).icdf(TARGET.weights.cumsum(0)[:-1].float())
    return TARGET.means[(z[:, :1] > cuts).sum(1)].float()


def test_measures_of_the_three_ideal_divisions():
    # the values for equal weights: strips 1.333, five rays .997, an island and four rays .937
    assert atlas.strips(EVEN) == pytest.approx(1.333, abs=1e-3)
    assert atlas.rays(5) == pytest.approx(0.997, abs=1e-3)
    assert atlas.island(EVEN, 0) == pytest.approx(0.937, abs=1e-3)


def test_borders_on_a_grid_have_their_measure():
    assert atlas.border_measure(TARGET, by_angle) == pytest.approx(atlas.rays(5), rel=0.05)
    assert atlas.border_measure(TARGET, by_strip) == pytest.approx(
        atlas.strips(TARGET.weights), rel=0.06
    )


def test_a_turned_map_has_the_same_borders():
    angles = torch.linspace(0, 3, 7)
    turns = [torch.tensor([[a.cos(), -a.sin()], [a.sin(), a.cos()]]) for a in angles]
    found = [atlas.border_measure(TARGET, lambda z, t=t: by_strip(z @ t), n=300) for t in turns]
    assert max(found) < 1.15 * min(found)


def test_one_component_has_no_border():
    assert atlas.border_measure(TARGET, lambda z: TARGET.means[:1].float().expand(len(z), 2)) == 0


def test_a_code_that_tells_everything_has_the_weights_entropy():
    z = torch.randn(20_000, 2, generator=rng())
    x = torch.where(z[:, :1] > 0, 30.0, -30.0) * torch.tensor([1.0, 0.0])
    found = atlas.mutual_information(APART, lambda _: x, z)
    assert found.value == pytest.approx(math.log(2), abs=1e-3)
    assert found.low < found.value < found.high
    assert atlas.weight_entropy(APART) == pytest.approx(math.log(2))


def test_a_decoder_that_ignores_its_code_tells_nothing():
    stream = rng(1)
    z = torch.randn(2_000, 2, generator=rng())
    found = atlas.mutual_information(APART, lambda z: APART.sample(len(z), stream), z, draws=100)
    assert found.value == pytest.approx(0, abs=0.02)


def test_distortion_of_a_linear_map_is_its_singular_values():
    matrix = torch.tensor([[3.0, 1.0], [0.0, 0.5]])
    z = torch.randn(10, 2, generator=rng())
    found = atlas.distortion(lambda z: z @ matrix.T, z)
    largest, smallest = torch.linalg.svdvals(matrix).tolist()
    assert found.log_det == pytest.approx(torch.full((10,), math.log(1.5)).double(), abs=1e-2)
    assert found.stretch == pytest.approx(torch.full((10,), largest).double(), rel=1e-2)
    assert found.condition == pytest.approx(
        torch.full((10,), largest / smallest).double(), rel=0.03
    )


def test_clusters_in_well_parted_codes_are_the_components():
    x, components = APART.sample_labelled(500, rng())
    assert atlas.cluster_agreement(x, components) == 1
    shuffled = components[torch.randperm(500, generator=rng(1))]
    assert abs(atlas.cluster_agreement(x, shuffled)) < 0.03
