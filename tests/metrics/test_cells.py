import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from helpers.metrics.cells import grid_mass, pushed_mass, spread_error, total_variation
from helpers.targets import gmm5

MATRIX = torch.tensor([[1.5, 0.4], [-0.3, 0.8]])


def linear(z):
    return z @ MATRIX.T


def folded(z):
    return z.abs()


def gaussian(x):
    return MultivariateNormal(torch.zeros(2), MATRIX @ MATRIX.T).log_prob(x)


def test_a_linear_maps_mass_is_the_gaussians():
    found = pushed_mass(linear, 6.0, 60, nodes=1_500)
    assert total_variation(found, grid_mass(gaussian, 6.0, 60)) < 3e-3
    assert found.sum().item() == pytest.approx(1, abs=2e-4)


def test_a_fold_keeps_all_mass_on_its_side():
    found = pushed_mass(folded, 5.0, 40, nodes=1_000)
    assert found[20:, 20:].sum().item() == pytest.approx(1, abs=1e-5)
    assert found[:20].sum() == 0


def test_a_map_onto_a_line_loses_nothing():
    """No grid of points would ever meet such a density."""
    found = pushed_mass(lambda z: z * torch.tensor([1.0, 0.0]), 6.0, 30, nodes=600)
    assert found.sum().item() == pytest.approx(1, abs=1e-6)
    assert int((found.sum(0) > 0).sum()) == 1


def test_what_lands_outside_is_missing():
    found = pushed_mass(lambda z: z, 1.0, 10, nodes=2_000)
    assert found.sum().item() == pytest.approx(math.erf(1 / math.sqrt(2)) ** 2, abs=2e-3)


def test_orientation_x_first():
    found = pushed_mass(lambda z: z * 0.01 + torch.tensor([0.5, -0.5]), 1.0, 2, nodes=100)
    assert found[1, 0].item() == pytest.approx(1)


def test_finer_cells_hide_less():
    target = gmm5()
    apart = [
        total_variation(pushed_mass(linear, 8.0, n, 800), grid_mass(target.log_prob, 8.0, n))
        for n in (4, 8, 32)
    ]
    assert apart == sorted(apart)
    assert apart[-1] > 0.5


def test_total_variation_counts_what_is_outside():
    assert total_variation(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.3])) == pytest.approx(0.2)


def test_the_error_falls_with_the_step():
    coarse, fine = (spread_error(linear, 6.0, 40, nodes) for nodes in (100, 800))
    assert fine < coarse / 3
