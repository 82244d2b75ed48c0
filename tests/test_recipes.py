"""Recipes: plain data that survives JSON, refuses nonsense, and changes by name."""

import dataclasses
import json

import pytest

from helpers import experiments, recipes
from helpers.experiments import named
from helpers.recipes import BadRecipe, GANRecipe, VAERecipe, changed

ALL = list(experiments.RECIPES.values())


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_a_recipe_comes_back_from_json(recipe):
    there = json.loads(json.dumps(recipes.to_dict(recipe)))
    assert recipes.from_dict(there) == recipe
    assert there == recipes.to_dict(recipe)


def test_changed_renames_only_when_a_value_differs():
    gan = named("gan")
    assert changed(gan, epochs=250) is gan
    other = changed(gan, epochs=20)
    assert other == dataclasses.replace(gan, epochs=20, name="gan-custom")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("gan", {"epochs": 0}, "epochs = 0: must be at least 1"),
        ("gan", {"batch": 1}, "batch = 1: must be at least 2"),
        ("gan", {"batch": -5}, "batch = -5: must be at least 2"),
        ("gan", {"latent": 0}, "latent = 0: must be from 1 to 10000"),
        ("gan", {"learning_rate": 0.0}, "learning_rate = 0.0: must be from 1e-12 to 1"),
        ("gan", {"learning_rate": float("nan")}, "learning_rate = nan: must be"),
        ("gan", {"generator": (64, 0)}, "generator = 0: must be from 1 to 10000"),
        ("gan", {"average": 1.0}, r"average = 1\.0: must be from 0"),
        ("gan", {"critic_steps": 0}, "critic_steps = 0: must be from 1"),
        ("gan", {"objective": "elbo"}, "objective = 'elbo': choose one of non-saturating,"),
        ("gan", {"penalty": 0.1}, "penalty = 0.1, penalty_end = 0: .* give both or neither"),
        ("gan", {"beta": 2.0}, "beta: gan is a GAN, which has no such number"),
        ("vae", {"critic": (8,)}, "critic: vae is a VAE, which has no such number"),
        ("vae", {"beta": float("inf")}, "beta = inf: must be"),
        ("vae", {"beta": -1.0}, r"beta = -1\.0: must be from 0"),
        ("vae", {"samples": 0}, "samples = 0: must be from 1"),
        ("vae", {"variance": "half"}, "variance = 'half': choose one of unit, scale, full"),
    ],
)
def test_nonsense_is_refused_by_name_and_remedy(name, values, message):
    with pytest.raises(BadRecipe, match=message):
        changed(named(name), **values)


@pytest.mark.parametrize("kind", [VAERecipe, GANRecipe])
def test_every_number_has_a_reason_and_every_one_that_could_be_wrong_a_bound(kind):
    for field in dataclasses.fields(kind):
        if field.name not in ("name", "idea", "family"):
            assert field.metadata["reason"]
            assert (
                field.metadata["options"] or field.name in recipes.BOUNDS or field.name == "start"
            )
