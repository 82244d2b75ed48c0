"""Maps against closed forms: masses of cells, levels of contours, colours of pixels."""

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from helpers import maps
from helpers.plots import component_colours
from helpers.targets import from_definition, gmm5, ring8


def mixture(means: list, sigmas: list):
    """Round components of equal weight at the given places."""
    k = len(means)
    covariances = [[[s * s, 0], [0, s * s]] for s in sigmas]
    return from_definition({"weights": [1 / k] * k, "means": means, "covariances": covariances})


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.mark.parametrize("target", [gmm5(), ring8()], ids=lambda t: t.name)
def test_limits_are_square_and_hold_the_truth(target, generator):
    left, right, bottom, top = maps.limits(target)
    if target.name == "ring8":  # in closed form
        assert (left, right, bottom, top) == pytest.approx((-1.035, 1.035, -1.035, 1.035))
    x, y = target.sample(20_000, generator).T
    inside = (x > left) & (x < right) & (y > bottom) & (y < top)
    assert right - left == pytest.approx(top - bottom)
    assert inside.float().mean() > 0.999


def test_cell_density_against_the_error_function():
    target = mixture([[0.3, -0.2]], [0.5])
    edges = np.linspace(-2, 2, 9)  # cells as wide as a standard deviation
    phi = [[math.erf((e - m) / (0.5 * math.sqrt(2))) / 2 for e in edges] for m in (0.3, -0.2)]
    exact = np.outer(*np.diff(phi)) / 0.25
    found = maps.cell_density(target, 8, (-2, 2, -2, 2))
    assert np.abs(found - exact).max() < 0.02 * exact.max()
    assert not np.allclose(found, found.T)  # the two axes are not interchanged


def standardised(points: torch.Tensor) -> np.ndarray:
    """Residuals over their standard deviation where cells expect at least 20 points."""
    target, n = gmm5(), len(points)
    truth = maps.cell_density(target, maps.BINS)
    area = maps.cell_area(target)
    busy = truth * area * n > 20
    return (maps.residuals(target, points) / np.sqrt(truth / (area * n)))[busy]


def test_residual_of_the_truth_is_sampling_noise_and_of_a_shifted_sample_more(generator):
    points = gmm5().sample(200_000, generator)
    scores = standardised(points)
    assert abs(scores.mean()) < 0.2
    assert scores.std() == pytest.approx(1, abs=0.1)
    assert standardised(points + 0.1).std() > 2


def test_a_residual_shows_points_where_they_are_in_symmetric_colours(ax):
    image = maps.residual(ax, gmm5(), torch.tensor([[4.0, -3.0]]))
    assert image.norm.vmin == -image.norm.vmax
    assert maps.residual(ax, gmm5(), torch.zeros(9, 2), scale=0.3).norm.vmax == 0.3
    row, column = np.unravel_index(image.get_array().argmax(), image.get_array().shape)
    left, right, bottom, top = image.get_extent()
    assert left + (column + 0.5) * (right - left) / maps.BINS == pytest.approx(4, abs=0.15)
    assert bottom + (row + 0.5) * (top - bottom) / maps.BINS == pytest.approx(-3, abs=0.15)
    assert image.origin == "lower"


def test_mass_levels_of_one_gaussian_in_closed_form():
    """The region of N(0, I) with density above c holds the mass 1 − c / peak."""
    target = mixture([[0, 0]], [1])
    values = maps.cell_density(target, 400, (-6, 6, -6, 6), refine=1)
    levels = maps.mass_levels(values, (0.5, 0.9, 0.99))
    expected = np.array([0.5, 0.1, 0.01]) / (2 * math.pi)
    assert np.allclose(levels, expected, rtol=0.01)


def test_contours_follow_the_density(ax):
    target = mixture([[1, 0], [-1, 2]], [0.5, 0.3])
    maps.contours(ax, target, masses=(0.9,))
    (contour,) = ax.collections
    heights = target.log_prob(torch.from_numpy(contour.get_paths()[0].vertices)).exp()
    assert heights.std() / heights.mean() < 0.02


def test_scatter_infers_the_components_it_is_not_given(ax):
    target = mixture([[-3, 0], [3, 0]], [0.2, 0.2])
    points = torch.tensor([[2.9, 0.1], [-3.1, 0.0]])
    maps.scatter(ax, target, points)
    maps.scatter(ax, target, points, components=[0, 0])
    first, second = component_colours(2)
    inferred, given = (collection.get_facecolors()[:, :3] for collection in ax.collections)
    assert np.allclose(inferred, [to_rgb(second), to_rgb(first)])
    assert np.allclose(given, [to_rgb(first)] * 2)
    assert ax.get_aspect() == 1
    assert (*ax.get_xlim(), *ax.get_ylim()) == pytest.approx(maps.limits(target))


def test_latent_map_of_the_identity_shows_the_target_itself(ax):
    target = mixture([[-2, -2], [2, 2], [2, -2]], [0.4, 0.4, 0.4])
    image = maps.latent_map(ax, target, lambda z: z, n=71)

    def at(x: float, y: float) -> np.ndarray:
        return image.get_array()[int((y + 3.5) / 7 * 71), int((x + 3.5) / 7 * 71)]

    for (x, y), colour in zip([(-2, -2), (2, 2), (2, -2)], component_colours(3), strict=True):
        assert np.allclose(at(x, y)[:3], to_rgb(colour))
        assert at(x, y)[3] == pytest.approx(1, abs=1e-6)
    assert at(-3.2, 0)[3] < maps.PALE + 1e-6  # more than 3σ from everything
    assert at(2, 0)[3] == pytest.approx(maps.PALE / 4)  # a half each of two, (1/2 − 1/3) / (2/3)


def test_a_latent_field_has_the_first_latent_across(ax):
    image = maps.latent_field(ax, np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 5, "Purples")
    assert image.get_array().tolist() == [[1, 3], [2, 4]]
    assert image.get_clim() == (0, 5)
    assert (*ax.get_xlim(), *ax.get_ylim()) == tuple(image.get_extent()) == maps.LATENT
    assert (ax.get_xlabel(), ax.get_ylabel()) == maps.LATENT_AXES


def test_path_is_hollow_between_the_components(ax):
    target = mixture([[-3, 0], [3, 0]], [0.5, 0.5])
    steps = torch.stack([torch.linspace(-3, 3, 13), torch.zeros(13)], 1)
    maps.path(ax, target, steps)
    dots = next(c for c in ax.collections if len(c.get_offsets()) == 13)
    hollow = (dots.get_facecolors() == 1).all(1)
    assert hollow.tolist() == (steps[:, 0].abs() < 1.5).tolist()
