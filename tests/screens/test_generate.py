"""The page that draws samples: numbers it cannot draw are told, perturbed latents are drawn."""

import io

import numpy as np
import pytest
from pages import order, page, quick, said, trained

from helpers import trials
from helpers.screens import generate

assert quick  # a fixture


@pytest.fixture
def app(quick):
    """The page with a run just trained."""
    trial = trained(order())
    at = page()
    at.session_state["trial"] = trial
    return at.switch_page("screens/generate.py").run()


@pytest.mark.parametrize("n", [0, -5, 10**9])
def test_a_number_that_cannot_be_drawn_is_told(app, n):
    app.number_input[0].set_value(n).run()
    assert not app.exception
    assert said(app) == [f"{n} samples: must be from 1 to 100000"]


def test_a_perturbation_has_a_strength(app):
    assert not app.slider
    app.selectbox[1].set_value("scale").run()
    assert not app.exception
    assert app.slider[0].label == "strength: factor"
    app.slider[0].set_value(4.0).run()
    assert not app.exception
    assert said(app) == []


def test_a_damaged_run_is_told(app):
    (trial,) = trials.listed()
    (trials.folder(trial) / "run.json").write_text("{}", encoding="utf-8")
    app.run()
    assert not app.exception
    assert "not a run's record" in said(app)[0]


def test_samples_come_as_a_file_that_numpy_reads():
    points = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(np.load(io.BytesIO(generate._npy(points))), points)
