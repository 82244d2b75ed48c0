"""The named experiments: found by name, complete, and of the assignment's sizes."""

import pytest

from helpers import experiments
from helpers.experiments import named
from helpers.recipes import BadRecipe

ALL = list(experiments.RECIPES.values())


def test_names_are_the_recipes_own_and_none_is_lost():
    parts = (experiments._STUDIES, experiments._MIXTURES, experiments._FRONTS, experiments._IMAGES)
    every = [recipe for part in parts for recipe in part]
    assert [recipe.name for recipe in every] == list(experiments.RECIPES)
    assert all(named(name).name == name for name in experiments.RECIPES)


def test_the_assignments_numbers():
    vae, gan = named("vae"), named("gan")
    assert (vae.epochs, vae.batch, vae.encoder, vae.decoder) == (250, 128, (128, 64), (64, 128))
    assert (gan.epochs, gan.batch, gan.generator, gan.critic) == (250, 256, (64, 64), (128, 128))
    assert (vae.beta, vae.variance, gan.objective) == (1.0, "unit", "non-saturating")


def test_every_start_is_a_vae_with_the_generators_widths():
    for recipe in (recipe for recipe in ALL if getattr(recipe, "start", "")):
        source = named(recipe.start)
        assert source.family == "vae"
        assert (source.decoder, source.latent) == (recipe.generator, recipe.latent)
        assert recipe.activation == "relu"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BadRecipe, match=r"gam: no such recipe; choose one of vae, gan, .*gan-warm"):
        named("gam")
