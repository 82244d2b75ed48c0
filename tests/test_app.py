"""The app without a browser: train, then generate; and every page before anything is trained."""

import pytest
from pages import page, quick, said

from helpers import app, trials

assert quick  # a fixture

SMALL = {
    "gan-fast": {"epochs": 2, "batch": 100, "generator": "8", "critic": "8"},
    "vae-full": {"epochs": 2, "batch": 100, "encoder": "8", "decoder": "8"},
    "vae-digits-8": {"epochs": 2, "batch": 10, "encoder": "2 4", "decoder": "4 2"},
}


def choose(at, target, family):
    """Set what to learn and with which family."""
    what, kind = at.segmented_control
    what.set_value(target).run()
    at.segmented_control[1].set_value(family).run()
    assert kind


@pytest.mark.parametrize(
    ("target", "recipe"),
    [("gmm5", "gan-fast"), ("gmm5", "vae-full"), ("digits", "vae-digits-8")],
)
def test_train_then_generate(quick, target, recipe):
    at = page()
    choose(at, target, recipe[:3])
    for name, value in SMALL[recipe].items():
        kind = at.text_input if isinstance(value, str) else at.number_input
        kind(key=f"{recipe} {name}").set_value(value)
    at.run()
    assert not at.exception
    assert said(at) == ["No training is shown: start one on the left."]
    at.button(key="start").click().run()
    assert not at.exception
    assert said(at) == []
    (trial,) = trials.listed()
    assert at.query_params["run"] == trial
    assert trials.read(trial).state == "complete"

    at.switch_page("screens/generate.py").run()
    assert not at.exception
    assert at.selectbox(key="select run").value == f"app/{trial}"
    assert [button.label for button in at.get("download_button")] == [
        "Samples (.npy)",
        "Picture (.png)",
    ]


@pytest.mark.parametrize("name", [name for name in app.PAGES if name != "train"])
def test_before_anything_is_chosen_a_page_leads_to_training(name):
    at = page(name)
    assert at.title[0].value == app.PAGES[name][0]
    if name == "watch":
        return  # the project's own films are there
    assert said(at)[0].startswith("No run is chosen yet")
    next(button for button in at.button if button.label == "Train one").click().run()
    assert not at.exception
    assert at.title[0].value == "Train"


def test_two_tabs_do_not_disturb_each_other(quick):
    first, second = page(), page()
    first.number_input(key="gan-fast epochs").set_value(1)
    first.number_input(key="gan-fast batch").set_value(100)
    first.run().button(key="start").click().run()
    assert said(second.run()) == ["No training is shown: start one on the left."]
    assert said(first.run()) == []
