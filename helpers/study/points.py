"""How many training points? Both families on 1,000, 10,000 and 100,000, and what they recite.

All take as many steps: fewer points are only met more often.
"""

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn

from helpers import experiments
from helpers.metrics import memorisation
from helpers.recipes import Recipe
from helpers.study.records import Say, complete, fit, grid
from helpers.study.samplers import scored
from helpers.targets import SIZES, GaussianMixture, gmm5
from helpers.training import stream

NUMBERS = (1_000, 10_000, 100_000)
SEEDS = (0, 1, 2)
RECIPES = {"VAE": "vae-full", "GAN": "gan-fast"}
DRAWN = 10_000  # samples that are looked up among the training points


def measured(workers: int, say: Say, device: str = "cpu") -> dict:
    """The record: both families from each number of points, three seeds each; and the truth's."""
    cells = grid(product(map(experiments.named, RECIPES.values()), NUMBERS), SEEDS)
    found = complete("points", cells, measure, workers, say, device)
    return found | {f"truth/{n}": recited(gmm5().sample(DRAWN, stream(60)), n) for n in NUMBERS}


def measure(recipe: Recipe, n: int, seeds: Sequence[int], device: str) -> list[dict]:
    """Train from these seeds on n points; scores, and how near samples lie to those points."""
    target = gmm5()
    points = target.draws().train.points[:n].repeat(SIZES[0] // n, 1)
    trained = fit(recipe, target, points, seeds, device)
    return [_found(networks[0], target, n, device) for networks in trained]


def _found(model: nn.Module, target: GaussianMixture, n: int, device: str) -> dict:
    scores, noise = scored(model, target, device), stream(61)
    with torch.no_grad():
        x = model.draw(torch.randn(DRAWN, model.latent, generator=noise), noise)
    return scores | recited(x, n)


def recited(x: Tensor, n: int) -> dict:
    """The memorisation metrics of samples (m, 2) against the first n training points."""
    draws = gmm5().draws()
    train, fresh = draws.train.points[:n], draws.validation.points[: len(x)]
    return {
        "nearest_training_distance": memorisation.nearest_training_distance(x, train),
        "authenticity": memorisation.authenticity(x, train),
        "copying_z": memorisation.copying_z(x, train, fresh),
    }
