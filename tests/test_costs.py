"""Costs against counts by hand."""

import math
from itertools import pairwise

import pytest
import torch

from helpers import costs, experiments, recipes, runs
from helpers.targets import gmm5

POINTS = 100_000


def products(*widths):
    """Multiply–adds of one point through linear layers of these widths."""
    return sum(a * b for a, b in pairwise(widths))


def test_a_vaes_training_is_its_matrix_products():
    recipe = recipes.changed(experiments.named("vae"), epochs=3)
    networks = [(2, 128, 64, 4), (2, 64, 128, 2)]
    forward = 2 * sum(products(*widths) for widths in networks)
    inputs = 2 * products(2, 128)  # no gradient is wanted for the data themselves
    steps = POINTS // 128 * 3
    assert costs.training_flops(recipe, gmm5()) == (3 * forward - inputs) * 128 * steps


def test_a_penalty_costs_more_and_fewer_generator_steps_cost_less():
    plain, relativistic = (
        costs.training_flops(experiments.named(name), gmm5())
        for name in ("gan-non-saturating", "gan-relativistic")
    )
    lazy = recipes.changed(experiments.named("gan-non-saturating"), critic_steps=5)
    assert relativistic > 1.5 * plain
    assert costs.training_flops(lazy, gmm5()) < 0.9 * plain


def test_sizes_are_the_assignments():
    generator, critic = 4_482, 17_537
    decoder = 2 * 64 + 64 + 64 * 128 + 128 + 128 * 2 + 2
    assert costs.sizes(untrained("gan")) == {"trained": generator + critic, "sampler": generator}
    assert costs.sizes(untrained("vae")) == {"trained": 18_054, "sampler": decoder}


def test_frozen_layers_are_sampled_from_but_not_trained():
    sizes = costs.sizes(untrained("gan", frozen=1))
    assert sizes == {"trained": 4_482 - 3 * 64 + 17_537, "sampler": 4_482}


def untrained(name, **values):
    """A run of fresh networks."""
    recipe, target = recipes.changed(experiments.named(name), **values), gmm5()
    networks = runs.fresh(recipe, target, target.means.float(), torch.Generator().manual_seed(0))
    return runs.Run(None, {}, recipe, target, *networks)


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 2.0), (0.9, 4.0), (0.95, math.inf)])
def test_time_to_quality_is_the_first_time(threshold, expected):
    run = untrained("gan")
    run.record["history"] = {"seconds": [0.0, 2.0, 4.0, 6.0], "share": [0.1, 0.6, 0.9, 0.7]}
    assert costs.seconds_to(run, "share", threshold) == expected


def test_lower_can_be_better():
    run = untrained("gan")
    run.record["history"] = {"seconds": [0.0, 2.0], "weight_kl": [0.3, 0.01]}
    assert costs.seconds_to(run, "weight_kl", 0.05, better="lower") == 2.0
