import pytest

from helpers import budgets, experiments, galleries
from helpers.recipes import BadRecipe


def test_the_laptops_recipe_is_the_named_one():
    recipe = experiments.named("gan-digits")
    assert budgets.fitted(recipe, budgets.named("laptop")) is recipe


def test_a_tiny_recipe_is_smaller_in_every_way_and_says_so():
    recipe, tiny = experiments.named("vae-digits-8"), budgets.named("tiny")
    found = budgets.fitted(recipe, tiny)
    assert found.name == "vae-digits-8-tiny"
    assert (found.epochs, found.batch) == (2, 32)
    assert found.encoder == (4, 8)
    assert found.decoder == (8, 4)
    assert budgets.cut(galleries.named("digits"), tiny).most == 128


def test_a_tiny_recipe_is_found_by_its_name():
    tiny = budgets.named("tiny")
    for name in ("vae-digits-8", "gan-faces-warm"):
        found = budgets.fitted(experiments.named(name), tiny)
        assert budgets.recipe_named(found.name) == found
    assert budgets.recipe_named("gan-faces-warm") is experiments.named("gan-faces-warm")
    with pytest.raises(BadRecipe, match="gan-face: no such recipe"):
        budgets.recipe_named("gan-face-tiny")


def test_what_starts_from_another_starts_from_one_of_its_own_size():
    warm = budgets.fitted(experiments.named("gan-faces-warm"), budgets.named("tiny"))
    vae = budgets.recipe_named(warm.start)
    assert vae.name == "vae-faces-tiny"
    assert vae.decoder == warm.generator


def test_paper_widens_every_layer():
    found = budgets.fitted(experiments.named("gan-digits"), budgets.named("paper"))
    assert found.generator == (128, 64)
    assert found.epochs == 100


def test_an_unknown_budget_names_those_there_are():
    with pytest.raises(BadRecipe, match="tiny, laptop, paper"):
        budgets.named("huge")
