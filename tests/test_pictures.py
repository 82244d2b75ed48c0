import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from helpers import pictures


def test_tiles_lie_row_by_row_with_white_between():
    images = torch.stack([torch.full((1, 2, 3), v) for v in (-1.0, 0.0, 0.5)])
    out = pictures.tiled(images, 2)
    assert out.shape == (5, 7, 3)
    assert np.allclose(out[:2, :3], 0)
    assert np.allclose(out[:2, 4:], 0.5)
    assert np.allclose(out[3:, :3], 0.75)
    assert np.allclose(out[2], 1)
    assert np.allclose(out[3:, 4:], 1)  # the place that nothing fills


def test_colours_stay_and_what_is_too_bright_is_cut():
    image = torch.tensor([-1.0, 1.0, 7.0])[:, None, None].expand(1, 3, 4, 4)
    assert pictures.tiled(image)[0, 0].tolist() == [0, 1, 1]


def test_a_grid_is_one_picture():
    ax = Figure().add_subplot()
    shown = pictures.grid(ax, torch.zeros(9, 1, 4, 4), title="nine")
    assert shown.get_array().shape == (14, 14, 3)
    assert ax.get_title("left") == "nine"


def test_a_walk_takes_equal_steps_of_the_priors_mass():
    z = pictures.plane_walk(5, 0.8).view(5, 5, 2)
    share = torch.special.ndtr(z)
    assert torch.allclose(share[0, :, 0], torch.linspace(0.1, 0.9, 5), atol=1e-5)
    assert torch.allclose(share[:, 0, 1], torch.linspace(0.9, 0.1, 5), atol=1e-5)


def test_a_way_keeps_the_length_of_its_ends():
    g = torch.Generator().manual_seed(0)
    first, last = torch.nn.functional.normalize(torch.randn(2, 3, 16, generator=g), dim=-1) * 4
    ways = pictures.between(first, last, 7).view(3, 7, 16)
    assert torch.allclose(ways[:, 0], first, atol=1e-4)
    assert torch.allclose(ways[:, -1], last, atol=1e-4)
    assert ways.norm(dim=-1).flatten().tolist() == pytest.approx([4.0] * 21, abs=1e-3)
