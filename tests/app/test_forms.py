"""Fields made from the recipes: one for every number, with its reason and its bounds."""

import dataclasses

import pytest
from streamlit.testing.v1 import AppTest

from helpers import experiments, recipes
from helpers.app import forms


def shown(name):
    """A page of nothing but the fields of a recipe."""
    return AppTest.from_function(fields, args=(name,), default_timeout=60).run()


def fields(name):
    import streamlit as st

    from helpers import experiments
    from helpers.app import forms

    recipe = experiments.named(name)
    with forms.one_line():
        values = {each: forms.number(recipe, each) for each in forms.tunable(recipe)}
        st.session_state["values"] = values


@pytest.mark.parametrize("name", ["vae-iwae", "gan-wgan-gp", "vae-digits-8", "vae-beta-0"])
def test_untouched_fields_give_the_recipe_back(name):
    recipe = experiments.named(name)
    values = shown(name).session_state["values"]
    assert dataclasses.replace(recipe, **values) == recipe
    assert set(values) | forms.FIXED >= {field.name for field in dataclasses.fields(recipe)}


def test_help_tells_reason_unit_and_bounds():
    app = shown("gan")
    assert app.number_input(key="form gan epochs").help == (
        "1 to 10,000 passes over the training points. The usual value: the assignment's."
    )
    assert "out their circling" in app.number_input(key="form gan average").help
    assert "Goodfellow" in app.selectbox(key="form gan objective").help


@pytest.mark.parametrize("text", ["", "many", "-3", "1.5", "²", "9" * 5_000])
def test_widths_are_read_and_what_is_none_is_told_in_one_line(text):
    assert forms.widths("discriminator", " 64,128 8 ") == (64, 128, 8)
    with pytest.raises(recipes.BadRecipe, match="give whole numbers, as in 64 128") as told:
        forms.widths("discriminator", text)
    assert len(str(told.value)) < 120


def test_what_goes_wrong_takes_one_line_which_can_be_put_aside():
    aside = []
    for error in (ValueError("first\n mistake"), MemoryError()):
        with forms.one_line(aside):
            raise error
    assert aside == ["first mistake", "MemoryError"]
