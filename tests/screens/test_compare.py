"""The page that compares: scores of one target side by side, never of two."""

import pytest
from pages import digits, order, page, quick, said, trained

from helpers import scoring

assert quick  # a fixture


def compared(*orders):
    names = [f"app/{trained(what)}" for what in orders]
    at = page("compare")
    for side, name in zip(("left", "right"), names, strict=True):
        at.selectbox(key=f"select {side}").set_value(name)
    at.run()
    assert not at.exception
    return at


def test_two_runs_of_a_target_are_scored(quick, monkeypatch):
    rows = [scoring.Row("within 3σ", "share", "higher", 0.9, 0.99, 0.98, 1.0, False, 0.01)]
    monkeypatch.setattr(scoring, "score", lambda *given: rows)
    at = compared(order("gan"), order("vae"))
    assert said(at) == []
    next(button for button in at.button if button.label == "Score both").click().run()
    assert not at.exception
    assert list(at.dataframe[0].value["left"]) == ["0.9 ✗"]


def test_image_runs_keep_their_scores(quick):
    at = compared(digits(), digits())
    assert said(at) == []
    assert "held-out images" in at.dataframe[0].value


@pytest.mark.parametrize("other", [order("gan", "ring8"), digits()], ids=["ring", "images"])
def test_runs_of_two_targets_are_not_set_side_by_side(quick, other):
    at = compared(order("gan"), other)
    assert "their scores are of different targets" in said(at)[0]
