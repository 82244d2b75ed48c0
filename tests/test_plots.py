"""Colours that can be told apart, and curves whose drawn data are the numbers given."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from helpers import plots

# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, vision: str) -> np.ndarray:
    """CIELAB coordinates of a colour as seen with one kind of vision."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    x, y, z = np.cbrt(TO_XYZ @ seen / TO_XYZ.sum(1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def closest(colours: list[str], vision: str) -> float:
    places = [lab(colour, vision) for colour in colours]
    return min(np.linalg.norm(a - b) for a, b in combinations(places, 2))


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.mark.parametrize("vision", VISION)
def test_components_and_roles_are_told_apart_by_every_eye(vision):
    assert closest([*plots.COMPONENTS, *plots.ROLES.values()], vision) > 16


def test_the_palette_check_sees_red_beside_green():
    assert closest(["#d62728", "#2ca02c"], "normal") > 60
    assert closest(["#c44e00", "#7a7a00"], "deutan") < 16


def test_names_of_one_role_share_a_colour_and_no_two_look_alike():
    names = ["truth", "VAE", "VAE, K = 8", "GAN", "GAN warm", "LSGAN", "WGAN-GP", "relativistic"]
    looks = plots.looks(names)
    assert looks["VAE"]["color"] == looks["VAE, K = 8"]["color"] == plots.ROLES["VAE"]
    assert looks["LSGAN"]["color"] != plots.ROLES["GAN"]
    assert len({(look["color"], look["linestyle"]) for look in looks.values()}) == len(names)


def beaten(i: int, costs: np.ndarray, losses: np.ndarray) -> bool:
    """By the definition: some run is no worse in both and better in one."""
    no_worse = (costs <= costs[i]) & (losses <= losses[i])
    return bool((no_worse & ((costs < costs[i]) | (losses < losses[i]))).any())


def test_front_holds_exactly_the_unbeaten():
    rng = np.random.default_rng(5)
    for _ in range(50):
        costs, losses = rng.integers(0, 9, (2, 15)).astype(float)  # many ties
        unbeaten = {(costs[i], losses[i]) for i in range(15) if not beaten(i, costs, losses)}
        kept = plots.front(costs, losses)
        assert {(costs[i], losses[i]) for i in kept} == unbeaten
        assert len(kept) == len(unbeaten)
        assert (np.diff(costs[kept]) > 0).all()


def test_losses_count_epochs_from_one_and_a_missing_value_is_a_gap(ax):
    plots.losses(ax, {"kl": [None, 2.0, None, 1.0], "loss": [None] * 4}, "nats")
    plots.by_epoch(ax, [1, 2, 3], {"GAN": [[1.0, None, 3.0], [3.0, 4.0, 3.0]]}, "KL")
    kl, loss, score = (line.get_ydata() for line in ax.lines)
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    assert np.array_equal(kl, [np.nan, 2, np.nan, 1], equal_nan=True)
    assert np.isnan(loss).all()
    assert np.array_equal(score, [2, np.nan, 3], equal_nan=True)


@pytest.mark.parametrize("draw", [plots.by_epoch, plots.perturbation])
def test_bands_run_from_the_lowest_seed_to_the_highest(ax, draw):
    runs = np.array([[1.0, 4.0, 2.0], [3.0, 5.0, 9.0]])
    draw(ax, [0, 1, 2], {"VAE": runs, "GAN": runs[0]}, "nats", truth=(0.5, 0.6, 0.7))
    mean, alone = ax.lines[1:]  # the first is the truth's
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    assert list(mean.get_ydata()) == [2, 4.5, 5.5]
    assert list(alone.get_ydata()) == [1, 4, 2]
    for x, low, high in ((0, 1, 3), (1, 4, 5), (2, 2, 9)):
        heights = corners[corners[:, 0] == x, 1]
        assert (heights.min(), heights.max()) == (low, high)


def test_drawn_data_are_the_numbers_given(ax):
    runs = ([10, 20, 30, 40], [5.0, 6.0, 2.0, 3.0])
    plots.pareto(ax, {"GAN": runs}, "parameters", "KL (nats)", log="x")
    assert ax.collections[0].get_offsets().tolist() == np.column_stack(runs).tolist()
    assert ax.lines[0].get_xydata().tolist() == [[10, 5], [30, 2]]  # the front
    ax.clear()
    plots.spread(ax, {"VAE": [1.0, 2.0, 6.0]}, "nats")
    dots = next(c for c in ax.collections if isinstance(c, PathCollection))
    mean = next(c for c in ax.collections if c is not dots)
    assert sorted(dots.get_offsets()[:, 1]) == [1, 2, 6]
    assert mean.get_segments()[0][:, 1].tolist() == [3, 3]
    ax.clear()
    plots.matrix(ax, [[0.0, 1.0], [0.25, 0.004]], ["a", "b"], ["x", "y"], "power")
    assert [(t.get_position(), t.get_text()) for t in ax.texts] == [((1, 0), "100"), ((0, 1), "25")]


def test_a_logarithmic_axis_of_one_decade_has_several_plain_numbers(ax):
    ax.plot([0, 1], [0.4, 12.0])
    plots.log_scale(ax)
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    shown = [t.get_text() for t in ax.get_yticklabels() if low <= t.get_position()[1] <= high]
    assert shown == ["0.5", "1", "2", "5", "10"]
    assert not any(t.get_text() for t in ax.get_yticklabels(minor=True))
