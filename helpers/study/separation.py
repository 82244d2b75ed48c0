"""How far apart may modes lie? Leakage between them, against the theory of the walls.

The means of the five Gaussians are scaled, their covariances kept, and both families trained on
each. What leaks is set beside ∫ N(z) D / L over the borders of the latent regions: a wall that is
L steep crosses a gap of width D within D / L of latent space.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch

from helpers import experiments
from helpers.metrics import latent, modes
from helpers.recipes import Recipe
from helpers.study.records import Say, complete, fit, grid
from helpers.targets import GaussianMixture, gmm5
from helpers.training import stream

SCALES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
SEEDS = (0, 1)
RECIPES = {"VAE": "vae-fast", "GAN": "gan-fast"}
DRAWN = 100_000  # latents
VERSION = 2  # of how a cell is measured


def scaled(scale: float) -> GaussianMixture:
    """The five Gaussians, their means `scale` times as far from the origin."""
    target = gmm5()
    return replace(target, name=f"gmm5-by-{scale:g}", means=scale * target.means)


def measured(workers: int, say: Say, device: str = "cpu") -> dict:
    """The record: both families at every scale, two seeds each."""
    cells = grid(product(map(experiments.named, RECIPES.values()), SCALES), SEEDS)
    return complete("separation", cells, measure, workers, say, device, VERSION)


def measure(recipe: Recipe, scale: float, seeds: Sequence[int], device: str) -> list[dict]:
    """Train from these seeds on the scaled target; leakage of each, and what the theory says."""
    target = scaled(scale)
    trained = fit(recipe, target, target.draws().train.points, seeds, device)
    return [leakage(networks[0].cpu(), target) for networks in trained]


@torch.no_grad()
def leakage(model: torch.nn.Module, target: GaussianMixture) -> dict:
    """Share of latents that decode between the modes, found and foretold; modes and shares."""
    noise = stream(51)
    z = torch.randn(DRAWN, model.latent, generator=noise)
    x = model.draw(z, noise)
    return {
        "between": latent.between_mass(target, model.decode, z),
        "foretold": latent.foretold_between(target, model.decode),
        "border": latent.border_measure(target, model.decode),
        "modes": modes.modes_covered(target, x),
        "share": modes.high_quality_fraction(target, x),
    }
