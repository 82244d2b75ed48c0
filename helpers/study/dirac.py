"""The Dirac-GAN: why no momentum, why an average, and what R1 does, in two parameters.

The truth is a point at 0, the generator a point at θ, the discriminator D(x) = ψ x (Mescheder,
Geiger & Nowozin 2018, section 2). The only equilibrium is θ = ψ = 0. The generator descends and
the discriminator ascends f(ψ θ), f(t) = −log(1 + e^(−t)): infinitely small steps go round in
circles, θ² + ψ² being constant. The non-saturating loss plays the same game near the equilibrium.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

SLOPE = 0.5  # f′(0)
KEEP = 0.99  # of itself, that a running average keeps a step


class Rules(NamedTuple):
    """How the two play: step size, momentum, weight of R1, and whether they take turns."""

    rate: float = 0.1
    momentum: float = 0.0
    penalty: float = 0.0
    turns: bool = True  # the generator answers the discriminator's new place, not its old one


GAMES = {
    "at once": Rules(turns=False),
    "by turns": Rules(),
    "with momentum .5": Rules(momentum=0.5),
    "with R1": Rules(penalty=0.3),
}


def play(rules: Rules, steps: int, start: tuple[float, float] = (1.0, 0.0)) -> np.ndarray:
    """The path of (θ, ψ) from a start: (steps + 1, 2). Momentum is the heavy ball's."""
    theta, psi = start
    speed = np.zeros(2)
    path = [(theta, psi)]
    for _ in range(steps):
        speed[1] = rules.momentum * speed[1] + pull(theta, psi, rules)[1]
        after = psi + rules.rate * speed[1]
        seen = after if rules.turns else psi
        speed[0] = rules.momentum * speed[0] + pull(theta, seen, rules)[0]
        theta, psi = theta + rules.rate * speed[0], after
        path.append((theta, psi))
    return np.array(path)


def pull(theta, psi, rules: Rules) -> tuple:
    """Where each is drawn at (θ, ψ), numbers or arrays: −∂f(ψ θ)/∂θ, and ∂f(ψ θ)/∂ψ less R1's pull.

    R1 of D(x) = ψ x is ψ² / 2.
    """
    slope = expit(-psi * theta)  # f′(ψ θ)
    return -psi * slope, theta * slope - rules.penalty * psi


def growth(rules: Rules) -> float:
    """The factor by which a step changes the distance from the equilibrium, near it.

    Spectral radius of the linearised step on (θ, ψ, and their speeds): above one the players part,
    at one they circle for ever, below one they arrive.
    """
    theta, psi, v_theta, v_psi = np.eye(4)
    v_psi = rules.momentum * v_psi + SLOPE * theta - rules.penalty * psi
    after = psi + rules.rate * v_psi
    seen = after if rules.turns else psi
    v_theta = rules.momentum * v_theta - SLOPE * seen
    step = np.stack([theta + rules.rate * v_theta, after, v_theta, v_psi])
    return float(np.abs(np.linalg.eigvals(step)).max())


def averaged(path: np.ndarray, keep: float = KEEP) -> np.ndarray:
    """The running average of a path (n, 2) that keeps this share of itself a step."""
    found = [path[0]]
    for place in path[1:]:
        found.append(keep * found[-1] + (1 - keep) * place)
    return np.array(found)


def measured() -> dict:
    """The record: of each game its growth, and how far from the equilibrium it ends."""
    steps = 2_000
    found = {}
    for name, rules in GAMES.items():
        path = play(rules, steps)
        last = averaged(path)[-1]
        found[name] = {
            **rules._asdict(),
            "growth": growth(rules),
            "distance": float(np.linalg.norm(path[-1])),
            "of the average": float(np.linalg.norm(last)),
        }
    return found
