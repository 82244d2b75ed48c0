"""Costs against counts by hand."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from helpers import experiments, recipes
from helpers.study import costs
from helpers.targets import gmm5
from helpers.training import stream

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
    lazy = recipes.changed(experiments.named("gan-non-saturating"), discriminator_steps=5)
    assert relativistic > 1.5 * plain
    assert costs.training_flops(lazy, gmm5()) < 0.9 * plain


GENERATOR, DISCRIMINATOR = 4_482, 17_537
DECODER = 2 * 64 + 64 + 64 * 128 + 128 + 128 * 2 + 2


@pytest.mark.parametrize(
    ("name", "values", "trained", "sampler"),
    [
        ("gan", {}, GENERATOR + DISCRIMINATOR, GENERATOR),
        ("vae", {}, 18_054, DECODER),
        # frozen layers are sampled from but not trained
        ("gan", {"frozen": 1, "start": "vae"}, GENERATOR - 3 * 64 + DISCRIMINATOR, GENERATOR),
    ],
)
def test_parameters_are_the_assignments(name, values, trained, sampler):
    recipe, target = recipes.changed(experiments.named(name), **values), gmm5()
    networks = target.networks(recipe, target.means.float(), stream(0))
    run = SimpleNamespace(recipe=recipe, model=networks[0], discriminator=(*networks, None)[1])
    assert costs.parameters(run) == {"trained": trained, "sampler": sampler}
