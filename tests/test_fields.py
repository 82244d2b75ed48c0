"""Fields over a latent plane: the numbers drawn are those of the map."""

import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from helpers import fields


def test_a_linear_map_is_the_same_everywhere():
    matrix = torch.tensor([[2.0, 0.0], [0.0, 0.5]])
    found = fields.distortion(lambda z: z @ matrix, n=10)
    assert found["log_det"] == pytest.approx(np.zeros((10, 10)), abs=1e-2)
    assert found["log_condition"] == pytest.approx(np.full((10, 10), math.log10(4)), abs=1e-2)


def test_the_first_index_runs_along_the_first_latent():
    """A map that is steep on the right: z₁ ↦ 3 z₁ for positive z₁."""

    def steep(z):
        first = torch.where(z[:, 0] > 0, 3 * z[:, 0], z[:, 0])
        return torch.stack([first, z[:, 1]], -1)

    found = fields.distortion(steep, n=8)["log_det"]
    assert found[:4] == pytest.approx(np.zeros((4, 8)), abs=1e-2)
    assert found[4:] == pytest.approx(np.full((4, 8), math.log(3)), abs=1e-2)


def test_the_image_has_the_first_latent_across():
    ax = Figure().add_subplot()
    image = fields.draw(ax, np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 5, "Purples")
    assert image.get_array().tolist() == [[1, 3], [2, 4]]
    assert image.get_clim() == (0, 5)
    assert ax.get_xlim() == (-fields.REACH, fields.REACH)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z₁", "z₂")
