"""The page that trains: what cannot be trained is told in one line, and the button waits."""

import pytest
from pages import order, page, quick, said, trained

from helpers import experiments, orders, trials
from helpers.screens import train

assert quick  # a fixture


@pytest.mark.parametrize(
    ("kind", "name", "value", "complaint"),
    [
        ("number_input", "epochs", 0, "epochs = 0: must be at least 1"),
        ("number_input", "epochs", 10**9, "epochs = 1000000000: must be at most 10000 here"),
        ("number_input", "learning_rate", -1.0, "learning_rate = -1.0: must be from"),
        ("number_input", "latent", 10**15, "latent = 1000000000000000: must be from 1 to 10000"),
        ("number_input", "penalty", 1.0, "give both or neither"),
        ("text_input", "generator", "many", "generator = 'many': give whole numbers"),
        ("text_input", "critic", "9999999", "critic = 9999999: must be from 1 to 10000"),
        ("text_input", "critic", "<script>", "give whole numbers"),
    ],
)
def test_a_bad_number_is_told_and_nothing_starts(kind, name, value, complaint):
    app = page()
    getattr(app, kind)(key=f"gan-fast {name}").set_value(value).run()
    assert not app.exception
    assert complaint in said(app)[0]
    assert app.button(key="start").disabled
    assert len(app.number_input) > 5  # the other widgets stay


def test_what_cannot_be_trained_after_all_is_told(quick):
    app = page()
    app.number_input(key="gan-fast batch").set_value(90_000).run()
    app.button(key="start").click().run()
    assert not app.exception
    assert said(app) == ["batch 90000 exceeds the 600 training points; lower it"]


@pytest.mark.parametrize("name", ["gan-01234567", "../../../etc/passwd", "<b>"])
def test_an_address_that_names_no_training_is_told(name):
    app = page(run=name)
    assert len(said(app)) == 1
    assert "no" in said(app)[0]


def test_a_reload_finds_the_training_again(quick):
    trial = trained(order())
    app = page(run=trial)
    assert said(app) == []
    assert any(trial in text.value for text in app.markdown)


def test_a_damaged_training_is_told(quick):
    trial = trained(order())
    (trials.folder(trial) / "status.json").write_text("{", encoding="utf-8")
    app = page(run=trial)
    assert said(app) == [f"{trial}: its status is damaged; train it again"]


def test_a_running_one_can_be_stopped(quick):
    trial = trials.prepare(order())
    trials.write(trial, "status", {"state": "training", "epochs": 9})
    app = page(run=trial)
    app.button(key="stop").click().run()
    assert not app.exception
    assert trials.asked_to_stop(trial)


def test_every_choice_begins_with_a_recipe_that_fits():
    for target in orders.TARGETS:
        for family in train.SHOWN:
            recipe = experiments.named(train.FIRST[target, family])
            assert train._fits(recipe, target)
            assert recipe.family == family


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (99, "99 s"), (600, "10 min"), (7_200, "2.0 h")]
)
def test_times_are_told_in_words(seconds, words):
    assert train._time(seconds) == words
