"""Flags: one for every number of a recipe, and values checked as they are read."""

import argparse
import dataclasses

import pytest

from helpers import experiments, flags, recipes


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(exit_on_error=False)
    flags.add_tuning(parser)
    return parser


def test_every_field_but_the_names_has_a_flag():
    kinds = (recipes.VAERecipe, recipes.GANRecipe)
    every = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert set(flags.tunable()) == every - {"name", "idea", "family"}


@pytest.mark.parametrize("recipe", experiments.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_given_flag_by_flag_is_that_recipe(parser, recipe):
    line = []
    for name, families in flags.tunable().items():
        value = getattr(recipe, name, None)
        if recipe.family.upper() in families and value != "":
            values = value if isinstance(value, tuple) else (value,)
            line += [f"--{name.replace('_', '-')}", *map(str, values)]
    given = flags.tuned(parser.parse_args(line))
    assert dataclasses.replace(recipe, **given) == recipe


def test_what_is_not_given_is_not_there(parser):
    assert flags.tuned(parser.parse_args([])) == {}


def test_help_tells_default_unit_reason_and_choices(parser):
    text = " ".join(parser.format_help().split())
    assert "both: default 250 passes over the training points (the assignment's)" in text
    assert "VAE: default 128 points (the assignment's for its VAE); GAN: default 256" in text
    assert "default 64 64 units a hidden layer" in text
    assert "of unit, scale, full" in text


@pytest.mark.parametrize("text", ["-1", "x", "1.5", str(2**63), ""])
def test_a_bad_seed_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not"):
        flags.seed(text)


@pytest.mark.parametrize("text", ["0", "-3", "10000000000", "many"])
def test_a_bad_count_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not"):
        flags.count(text)


def test_good_values_pass():
    assert (flags.seed("0"), flags.seed(str(2**63 - 1)), flags.count("7")) == (0, 2**63 - 1, 7)
    assert flags.ending(".npy")("a/b.npy").name == "b.npy"
    with pytest.raises(argparse.ArgumentTypeError, match=r"'b\.txt' must end in \.npy"):
        flags.ending(".npy")("b.txt")
