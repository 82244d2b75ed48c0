"""One sampler under the losses of both families: what limits each, the loss or the sampler?

The sampler x = μ(z) + L(z) ε, a VAE's decoder with a covariance of its own for every z, is trained
by the ELBO, by IWAE, and as a GAN's generator by two losses with 1, 3 and 5 steps of the
discriminator to one of its own; beside it a plain map with the same hidden layers. Equal steps of
the sampler, points a step and hidden layers; ten seeds each.
"""

from collections.abc import Sequence

import torch

from helpers import experiments
from helpers.metrics import modes
from helpers.metrics.divergences import compare
from helpers.metrics.evaluator import SCORED
from helpers.recipes import Recipe
from helpers.study.records import Cell, Say, complete, fit
from helpers.study.summaries import TEN, as_lists
from helpers.targets import gmm5
from helpers.training import stream

NAME = "samplers"


def cells() -> dict[str, Cell]:
    """Every recipe of the experiment from ten seeds, by `recipe/seedN`."""
    chosen = [experiments.RECIPES[name] for name in experiments.SHARED_SAMPLERS]
    return {f"{recipe.name}/seed{seed}": Cell((recipe,), seed) for recipe in chosen for seed in TEN}


def measured(workers: int, say: Say, device: str = "cpu") -> dict:
    """The record: of each cell share, weights, radii and exact divergences."""
    return complete(NAME, cells(), measure, workers, say, device)


def measure(recipe: Recipe, seeds: Sequence[int], device: str) -> list[dict]:
    """Train from these seeds, and score 100,000 samples and the exact density of each."""
    target = gmm5()
    trained = fit(recipe, target, target.draws().train.points, seeds, device)
    return [scored(networks[0], target, device) for networks in trained]


def scored(model: torch.nn.Module, target, device: str = "cpu") -> dict:
    """Share within 3σ, KL of the weights, modes, ratio of radii; divergences with errors."""
    apart = as_lists(compare(model, target, device))
    noise = stream(31)
    model = model.cpu()
    with torch.no_grad():
        x = model.draw(torch.randn(SCORED, model.latent, generator=noise), noise)
    return {
        "share": modes.high_quality_fraction(target, x),
        "weight_kl": modes.mode_kl(target, x),
        "modes": modes.modes_covered(target, x),
        "radius_ratio": modes.radius_ratio(target, x).tolist(),
        **apart,
    }
