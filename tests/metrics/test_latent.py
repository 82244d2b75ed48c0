"""Latent scores against maps whose regions, borders, Jacobians and information are known."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from helpers.metrics import latent
from helpers.targets import from_definition, gmm5

TARGET = gmm5()
EYE = [[1, 0], [0, 1]]
EVEN = torch.full((5,), 0.2).double()
HALVES = from_definition(
    {"weights": [0.5, 0.5], "means": [[-5, 0], [5, 0]], "covariances": [EYE, EYE]}
)
APART = from_definition(
    {"weights": [0.5, 0.5], "means": [[-30, 0], [30, 0]], "covariances": [EYE, EYE]}
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, seed=0):
    return torch.randn(n, 2, generator=rng(seed))


def jump(z):
    """Everything on the left to the left mean, on the right to the right one."""
    return torch.stack([5 * z[:, 0].sign(), 0 * z[:, 0]], -1)


def bands(z):
    """Left and right in alternating bands of width one."""
    return torch.stack([5 * (2 * (z[:, 0].floor() % 2) - 1), 0 * z[:, 0]], -1)


def by_angle(z):
    turn = (torch.atan2(z[:, 1], z[:, 0]) + math.pi) / (2 * math.pi)
    return TARGET.means[(5 * turn).long().clamp(max=4)].float()


def by_strip(z):
    cuts = torch.distributions.Normal(0.0, 1.0).icdf(TARGET.weights.cumsum(0)[:-1].float())
    return TARGET.means[(z[:, :1] > cuts).sum(1)].float()


def test_region_mass_of_a_half_plane():
    mass = latent.region_mass(HALVES, jump, normal(40_000))
    assert torch.allclose(mass, torch.tensor([0.5, 0.5]), atol=0.01)


def test_a_jump_leaves_nothing_between_and_a_ramp_does():
    z = normal(40_000)
    assert latent.between_mass(HALVES, jump, z) == 0
    cdf = torch.distributions.Normal(0.0, 10.0).cdf  # along the axis the oracle is exact
    expected = 2 * cdf(torch.tensor(2.0)) - 1 + 2 * (1 - cdf(torch.tensor(8.0)))
    found = latent.between_mass(HALVES, lambda z: z * torch.tensor([10.0, 0.0]), z)
    assert found == pytest.approx(expected.item(), abs=0.01)


def test_connected_regions_are_counted():
    assert latent.connected_regions(HALVES, jump, n=101).tolist() == [1, 1]
    assert latent.connected_regions(HALVES, bands, reach=3.0, n=120).tolist() == [3, 3]


def test_measures_of_the_three_ideal_divisions():
    # the values for equal weights: strips 1.333, five rays .997, an island and four rays .937
    assert latent.strips(EVEN) == pytest.approx(1.333, abs=1e-3)
    assert latent.rays(5) == pytest.approx(0.997, abs=1e-3)
    assert latent.island(EVEN, 0) == pytest.approx(0.937, abs=1e-3)


def test_borders_on_a_grid_have_their_measure():
    strips = latent.strips(TARGET.weights)
    assert latent.border_measure(TARGET, by_angle) == pytest.approx(latent.rays(5), rel=0.05)
    assert latent.border_measure(TARGET, by_strip) == pytest.approx(strips, rel=0.06)
    alone = latent.border_measure(TARGET, lambda z: TARGET.means[:1].float().expand(len(z), 2))
    assert alone == 0


def test_a_turned_map_has_the_same_borders():
    angles = torch.linspace(0, 3, 7)
    turns = [torch.tensor([[a.cos(), -a.sin()], [a.sin(), a.cos()]]) for a in angles]
    found = [latent.border_measure(TARGET, lambda z, t=t: by_strip(z @ t), n=300) for t in turns]
    assert max(found) < 1.15 * min(found)


def test_gaps_are_what_lies_between_two_ellipses_of_three_sigma():
    found = latent.gaps(gmm5())
    torch.testing.assert_close(found, found.T)
    assert found.diagonal().abs().max() == 0
    stretched = [[[4.0, 0], [0, 1]], [[1.0, 0], [0, 1]]]
    pair = {"weights": [0.5, 0.5], "means": [[0, 0], [12, 0]], "covariances": stretched}
    assert latent.gaps(from_definition(pair))[0, 1].item() == pytest.approx(12 - 3 * 2 - 3 * 1)
    near = pair | {"means": [[0, 0], [8, 0]]}
    assert latent.gaps(from_definition(near))[0, 1] == 0


def test_a_wall_that_is_steep_leaks_what_the_theory_foretells():
    eye = [[1.0, 0], [0, 1]]
    pair = {"weights": [0.5, 0.5], "means": [[-10, 0], [10, 0]], "covariances": [eye, eye]}
    target = from_definition(pair)

    def wall(z):  # from one mean to the other with slope 200, within |z₁| < .05
        return torch.stack([(200 * z[:, 0]).clamp(-10, 10), 0.1 * z[:, 1]], -1)

    strip = 14 / 200 / math.sqrt(2 * math.pi)  # the prior's mass where |x₁| < 7
    assert latent.foretold_between(target, wall) == pytest.approx(strip, rel=0.06)
    found = latent.between_mass(target, wall, normal(400_000))
    assert found == pytest.approx(strip, rel=0.03)


def test_a_code_that_tells_everything_has_the_weights_entropy():
    found = latent.mutual_information(APART, lambda z: 6 * jump(z), normal(20_000))
    assert found.value == pytest.approx(math.log(2), abs=1e-3)
    assert found.low < found.value < found.high
    assert latent.weight_entropy(APART) == pytest.approx(math.log(2))


def test_a_decoder_that_ignores_its_code_tells_nothing():
    stream = rng(1)

    def draw(z):
        return APART.sample(len(z), stream)

    found = latent.mutual_information(APART, draw, normal(2_000), draws=100)
    assert found.value == pytest.approx(0, abs=0.02)


def test_distortion_of_a_linear_map_is_its_singular_values():
    matrix = torch.tensor([[3.0, 1.0], [0.0, 0.5]])
    found = latent.distortion(lambda z: z @ matrix.T, normal(10))
    largest, smallest = torch.linalg.svdvals(matrix).tolist()
    for values, expected in zip(found, (math.log(1.5), largest / smallest, largest), strict=True):
        assert values == pytest.approx(torch.full((10,), expected).double(), rel=0.03)


def test_the_first_index_of_a_map_runs_along_the_first_latent():
    def steep(z):  # z₁ ↦ 3 z₁ for positive z₁
        first = torch.where(z[:, 0] > 0, 3 * z[:, 0], z[:, 0])
        return torch.stack([first, z[:, 1]], -1)

    found = latent.distortion_map(steep, n=8)
    for name, expected in (("log_det", math.log(3)), ("log_condition", math.log10(3))):
        assert found[name][:4] == pytest.approx(np.zeros((4, 8)), abs=1e-2)
        assert found[name][4:] == pytest.approx(np.full((4, 8), expected), abs=1e-2)


def test_separated_codes_tell_their_component_and_mixed_ones_do_not():
    components = torch.arange(400) % 2
    apart, mixed = normal(400) + 10 * components[:, None], normal(400, 1)
    for score in (latent.neighbour_accuracy, latent.linear_accuracy):
        assert score(apart, components) > 0.99
        assert score(mixed, components) < 0.65


def test_straight_boundaries_cannot_tell_a_ring_from_its_middle():
    components = torch.arange(400) % 2
    angle = 2 * math.pi * torch.rand(400, generator=rng())
    ring = (1 + 4 * components)[:, None] * torch.stack([angle.cos(), angle.sin()], -1)
    assert latent.neighbour_accuracy(ring, components) > 0.99
    assert latent.linear_accuracy(ring, components) < 0.7


def test_clusters_in_well_parted_codes_are_the_components():
    x, components = APART.sample_labelled(500, rng())
    assert latent.cluster_agreement(x, components) == 1
    shuffled = components[torch.randperm(500, generator=rng(1))]
    assert abs(latent.cluster_agreement(x, shuffled)) < 0.03


def test_the_gap_is_one_for_axes_that_are_factors_and_small_for_others():
    factors = torch.randint(4, (4_000, 2), generator=rng())
    axes = torch.cat([factors + 0.01 * normal(4_000, 3), normal(4_000, 4)], 1)  # (n, 4)
    assert latent.mutual_information_gap(axes, factors).min() > 0.95
    shared = torch.stack([axes[:, 0] + axes[:, 1], axes[:, 0] - axes[:, 1]], 1)
    assert latent.mutual_information_gap(shared, factors).max() < 0.1
    mixed = [
        latent.mutual_information_gap(axes @ turn, factors).mean()
        for turn in latent.rotations(4, 20, rng(7))
    ]
    assert max(mixed) < 0.9
    assert latent.mutual_information_gap(normal(4_000, 5), factors).max() < 0.02


def test_the_gap_is_that_of_mutual_informations_by_another_library():
    codes, factor = normal(500, 3), torch.randint(0, 4, (500,), generator=rng(3))
    codes[:, 1] += factor
    ranks = codes.argsort(0).argsort(0) * 10 // 500
    told = sorted(mutual_info_score(factor.numpy(), cut.numpy()) for cut in ranks.T)
    wanted = (told[-1] - told[-2]) / mutual_info_score(factor.numpy(), factor.numpy())
    still = torch.zeros_like(factor)  # a factor that never varies has nothing to be held
    found = latent.mutual_information_gap(codes, torch.stack([factor, still], 1), bins=10)
    assert found.tolist() == pytest.approx([wanted, 0.0], abs=1e-6)


def test_rotations_keep_lengths_and_spread_evenly():
    turns = torch.stack([*latent.rotations(3, 2_000, rng())])
    assert torch.allclose(turns @ turns.mT, torch.eye(3).expand_as(turns), atol=1e-5)
    assert turns.mean(0).abs().max() < 0.05
    assert (turns.square().mean(0) - 1 / 3).abs().max() < 0.03
