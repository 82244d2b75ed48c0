"""Widgets made from the recipes: one for every number, with its reason and its bounds."""

import dataclasses

import pytest
from streamlit.testing.v1 import AppTest

from helpers import experiments, recipes, widgets


def numbers(name):
    """A page of nothing but the widgets of a recipe."""
    import streamlit as st

    from helpers import experiments, widgets

    recipe = experiments.named(name)
    with widgets.one_line():
        values = {each: widgets.number(recipe, each) for each in widgets.tunable(recipe)}
        st.session_state["values"] = values


def shown(name):
    return AppTest.from_function(numbers, args=(name,), default_timeout=60).run()


@pytest.mark.parametrize("name", ["vae-iwae", "gan-wgan-gp", "vae-digits-8", "vae-beta-0"])
def test_untouched_widgets_give_the_recipe_back(name):
    recipe = experiments.named(name)
    values = shown(name).session_state["values"]
    assert dataclasses.replace(recipe, **values) == recipe
    assert set(values) | {"name", "idea", "family", "start"} >= {
        field.name for field in dataclasses.fields(recipe)
    }


def test_help_tells_reason_unit_and_bounds():
    app = shown("gan")
    assert app.number_input(key="gan epochs").help == (
        "1 to 10,000 passes over the training points. The usual value: the assignment's."
    )
    assert "out their circling" in app.number_input(key="gan average").help
    assert "Goodfellow" in app.selectbox(key="gan objective").help


def test_an_empty_number_is_told():
    with pytest.raises(recipes.BadRecipe, match="epochs: no number; give one, for instance 250"):
        widgets._given("epochs", None, 250)


@pytest.mark.parametrize(
    ("text", "widths"), [("64 128", (64, 128)), ("64,128", (64, 128)), (" 8 ", (8,))]
)
def test_widths_are_read(text, widths):
    assert widgets.widths("critic", text) == widths


@pytest.mark.parametrize("text", ["", "many", "64 x", "-3", "1.5", "²", "9" * 5_000])
def test_what_is_no_width_is_told_in_one_line(text):
    with pytest.raises(recipes.BadRecipe, match="give whole numbers, as in 64 128") as told:
        widgets.widths("critic", text)
    assert len(str(told.value)) < 120


def test_a_step_is_a_tenth_of_the_value():
    assert widgets.step(2e-3) == pytest.approx(1e-4)
    assert widgets.step(0.0) == 0.1


def several():
    from helpers import widgets

    mistakes = widgets.Mistakes()
    for word in ("first", "second"):
        with mistakes.caught():
            raise ValueError(f"{word}\n mistake")
    mistakes.tell()


def test_of_several_mistakes_the_first_is_told_in_one_line():
    app = AppTest.from_function(several).run()
    assert [error.value for error in app.error] == ["first mistake"]
