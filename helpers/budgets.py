"""Budgets: the same experiment on images for a test, for a laptop, for a machine with a GPU.

A named recipe is the laptop's. `tiny` shows in seconds that all runs; `paper` has the sizes of
the published work.
"""

from dataclasses import dataclass, replace

from helpers import experiments, galleries
from helpers.galleries import Gallery
from helpers.recipes import BadRecipe, Recipe

WIDTHS = {"vae": ("encoder", "decoder"), "gan": ("generator", "critic")}


@dataclass(frozen=True)
class Budget:
    """What an experiment may cost, as changes of its recipe."""

    name: str
    about: str
    width: float = 1.0  # of every layer, times
    epochs: int | None = None  # instead of the recipe's
    batch: int | None = None
    images: int = galleries.ALL  # for training, at the most
    fast: bool = True  # compile the steps, which takes longer than a tiny training


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget("tiny", "seconds, to see that all runs", 0.25, 2, batch=32, images=128, fast=False),
        Budget("laptop", "minutes on two cores"),
        Budget("paper", "the published sizes, for a GPU", 4.0),
    )
}


def named(name: str) -> Budget:
    """The budget of that name; raises BadRecipe with the list of names."""
    if name not in BUDGETS:
        raise BadRecipe(f"budget {name!r}: choose one of {', '.join(BUDGETS)}")
    return BUDGETS[name]


def fitted(recipe: Recipe, budget: Budget) -> Recipe:
    """The recipe within a budget, named `<recipe>-<budget>` if that changes it."""
    values = {
        field: tuple(max(2, int(width * budget.width)) for width in getattr(recipe, field))
        for field in WIDTHS[recipe.family]
    }
    values |= {"epochs": budget.epochs or recipe.epochs, "batch": budget.batch or recipe.batch}
    other = replace(recipe, **values)
    if other == recipe:
        return recipe
    values = {"name": f"{recipe.name}-{budget.name}"}
    if getattr(recipe, "start", ""):  # what it starts from must have its sizes
        values["start"] = f"{recipe.start}-{budget.name}"
    return replace(other, **values)


def recipe_named(name: str) -> Recipe:
    """The recipe of that name, or of the name that `fitted` gave it; raises BadRecipe."""
    base, _, budget = name.rpartition("-")
    if name not in experiments.RECIPES and budget in BUDGETS:
        return fitted(experiments.named(base), BUDGETS[budget])
    return experiments.named(name)


def cut(gallery: Gallery, budget: Budget) -> Gallery:
    """The gallery with as many training images as the budget allows."""
    return replace(gallery, most=min(gallery.most, budget.images))
