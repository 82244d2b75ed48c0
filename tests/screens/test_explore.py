"""The page that walks through latent spaces: every kind of run, and what browsers send."""

import io

import numpy as np
import pytest
from pages import digits, order, page, quick, said, trained
from PIL import Image

assert quick  # a fixture


def explored(what, part="Decode a code"):
    at = page()
    at.session_state["trial"] = trained(what)
    at.session_state["part"] = part
    at.switch_page("screens/explore.py").run()
    assert not at.exception
    return at


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        (order("gan"), 2),
        (order("gan", latent=4), 2),
        (order("vae-latent-1"), 3),
        (digits(), 3),
    ],
    ids=["gan", "wide", "thin", "images"],
)
def test_every_kind_of_run_can_be_explored(quick, what, parts):
    at = explored(what)
    options = at.segmented_control[0].options
    assert len(options) == parts
    for part in options[1:]:
        at.segmented_control[0].set_value(part).run()
        assert not at.exception
        assert said(at) == []


def test_a_code_can_be_moved(quick):
    at = explored(order("gan"))
    before = next(text.value for text in at.markdown if text.value.startswith("decodes"))
    at.slider(key="z z₁").set_value(3.5).run()
    assert not at.exception
    assert before not in [text.value for text in at.markdown]


def test_a_walk_from_nowhere_is_told(quick):
    at = explored(order("gan"), "Walk between two")
    for label in ("z₁", "z₂"):
        at.slider(key=f"from {label}").set_value(0.0)
    at.run()
    assert not at.exception
    assert "needs two directions" in said(at)[0]


def test_a_point_that_cannot_be_encoded_is_told(quick):
    at = explored(order("vae"), "Encode")
    assert said(at) == []
    at.number_input(key="x₁").set_value(1e9).run()
    assert not at.exception
    assert said(at) == ["x: give two numbers, neither beyond a million"]


def png():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((50, 40), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("raw", "message"),
    [(png(), []), (b"text", ["not a picture, or cut short; send a JPEG or PNG"])],
)
def test_an_upload_is_encoded_or_refused(quick, raw, message):
    at = explored(digits(), "Encode")
    at.file_uploader[0].set_value(("mine.png", raw, "image/png")).run()
    assert not at.exception
    assert said(at) == message
