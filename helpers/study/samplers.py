"""One sampler under the losses of both families: what limits each, the loss or the sampler?

The sampler x = μ(z) + L(z) ε, a VAE's decoder with a covariance of its own for every z, is trained
by the ELBO, by IWAE, and as a GAN's generator by two losses with 1, 3 and 5 steps of the
discriminator to one of its own; beside it a plain map with the same hidden layers. Equal for all
are the steps of the sampler, the points a step and the hidden layers; ten seeds each. Each family
trains as it is used to: a VAE at the rate 4e-3, without averaging its weights, under Adam with
momentum .9; a GAN at 1e-3, averaged, without momentum. A map's density misses what its mesh
misses, well below a percent, which is in its total variation.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from helpers import experiments
from helpers.experiments import LOSSES, TURNS
from helpers.metrics.divergences import NOISE, compare
from helpers.metrics.evaluator import SCORED, MixtureEvaluator
from helpers.recipes import Recipe
from helpers.study.records import Cell, Say, complete, fit, grid, of_recipe
from helpers.study.statistics import Difference, holm, welch
from helpers.study.summaries import TEN, as_lists
from helpers.targets import GaussianMixture, gmm5
from helpers.training import stream

# What is compared, in total variation: the first less the second.
COMPARISONS = {
    **{
        f"noise of its own ({name}, {k} to 1)": (f"map-{loss}-{k}", f"sampler-{loss}-{k}")
        for loss, name in LOSSES.items()
        for k in TURNS
    },
    **{
        f"five steps for one (sampler, {name})": (f"sampler-{loss}-1", f"sampler-{loss}-5")
        for loss, name in LOSSES.items()
    },
    **{
        f"five steps for one (map, {name})": (f"map-{loss}-1", f"map-{loss}-5")
        for loss, name in LOSSES.items()
    },
    "the bound (ELBO, IWAE)": ("sampler-elbo", "sampler-iwae"),
    "the loss (least squares 3 to 1, IWAE)": ("sampler-ls-3", "sampler-iwae"),
    "the loss (least squares 3 to 1, ELBO)": ("sampler-ls-3", "sampler-elbo"),
}


def differences(record: Mapping[str, dict]) -> dict[str, Difference]:
    """Of each comparison the mean difference in total variation, Welch's interval, Holm's p."""
    pairs = {
        name: [of_recipe(record, recipe, "total_variation") for recipe in both]
        for name, both in COMPARISONS.items()
    }
    return holm({name: welch(*both) for name, both in pairs.items()})


def cells() -> dict[str, Cell]:
    """Every recipe of the experiment from ten seeds, by `recipe/seedN`."""
    return grid(((experiments.RECIPES[name],) for name in experiments.SHARED_SAMPLERS), TEN)


def measured(workers: int, say: Say, device: str = "cpu") -> dict:
    """The record: of each cell share, weights, radii and exact divergences."""
    return complete("samplers", cells(), measure, workers, say, device)


def measure(recipe: Recipe, seeds: Sequence[int], device: str) -> list[dict]:
    """Train from these seeds, and score 100,000 samples and the exact density of each."""
    target = gmm5()
    trained = fit(recipe, target, target.draws().train.points, seeds, device)
    return [scored(networks[0], target, device) for networks in trained]


def scored(model: nn.Module, target: GaussianMixture, device: str = "cpu") -> dict:
    """Scores of 100,000 samples as at the end of a training; divergences with errors."""
    apart, noise = as_lists(compare(model, target, device)), stream(NOISE)
    with torch.no_grad():
        x = model.cpu().draw(torch.randn(SCORED, model.latent, generator=noise), noise)
    return MixtureEvaluator(target).score(x) | apart
