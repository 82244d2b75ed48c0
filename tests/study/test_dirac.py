"""The Dirac-GAN against what its papers and linear algebra say of it."""

import math

import numpy as np
import pytest

from helpers.study import dirac
from helpers.study.dirac import Rules

SMALL = (1e-3, 0.0)  # so near the equilibrium that the game is linear


def test_small_steps_go_round_in_circles():
    """θ² + ψ² is constant in continuous time (Mescheder et al. 2018, lemma 2.3)."""
    path = dirac.play(Rules(rate=1e-3, turns=False), 20_000)
    assert np.linalg.norm(path, axis=1) == pytest.approx(1, abs=0.01)
    assert path[:, 0].min() < -0.9  # half way round at least


def test_growth_has_its_closed_forms():
    h, slope = 0.2, 0.5
    assert dirac.growth(Rules(h, turns=False)) == pytest.approx(math.hypot(1, h * slope))
    assert dirac.growth(Rules(h)) == pytest.approx(1)
    gamma = 0.3  # alternating with R1: determinant of the step is 1 − h γ, its roots are complex
    assert dirac.growth(Rules(h, penalty=gamma)) == pytest.approx(math.sqrt(1 - h * gamma))


@pytest.mark.parametrize("rules", dirac.GAMES.values(), ids=dirac.GAMES)
def test_a_game_near_the_equilibrium_grows_as_its_linear_part(rules):
    steps = 4_000 if rules.momentum == 0 else 600
    distance = np.linalg.norm(dirac.play(rules, steps, SMALL), axis=1)
    turn = slice(-200, None)  # some rounds at the end against some at the start
    found = (distance[turn].mean() / distance[:200].mean()) ** (1 / (steps - 199))
    assert found == pytest.approx(dirac.growth(rules), abs=2e-4)


def test_momentum_parts_the_players_the_more_the_stronger():
    grown = [dirac.growth(Rules(momentum=m)) for m in (-0.5, 0.0, 0.5, 0.9)]
    assert grown == sorted(grown)
    assert grown[0] < 1 < grown[2]


def test_the_pull_is_the_gradient_of_the_game():
    rules, step = Rules(penalty=0.4), 1e-6
    value = lambda t, p: -math.log1p(math.exp(-p * t))  # noqa: E731
    theta, psi = 0.7, -1.2
    pulled = dirac.pull(theta, psi, rules)
    down = (value(theta + step, psi) - value(theta - step, psi)) / (2 * step)
    up = (value(theta, psi + step) - value(theta, psi - step)) / (2 * step)
    assert pulled == pytest.approx((-down, up - 0.4 * psi), abs=1e-8)


def test_an_average_of_a_circle_is_its_middle_and_of_a_point_the_point():
    angle = np.linspace(0, 40 * math.pi, 4_001)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    assert np.linalg.norm(dirac.averaged(circle, 0.99)[-1]) < 0.4
    still = np.tile([0.3, -0.2], (50, 1))
    assert dirac.averaged(still, 0.9) == pytest.approx(still)
