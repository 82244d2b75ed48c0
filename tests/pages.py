"""The app's pages without a browser, and trials that were trained a moment ago."""

import dataclasses

import pytest
import torch
from small import shrink
from streamlit.testing.v1 import AppTest

from helpers import experiments, galleries, images, orders, recipes, runs, trials, worker
from helpers.metrics import images as scores
from helpers.places import REPOSITORY

PATIENCE = 120  # seconds, for a machine that is busy
WIDTHS = {"vae": {"encoder": (8,), "decoder": (8,)}, "gan": {"generator": (8,), "critic": (8,)}}


def page(name="train", **query):
    """A page as a reader finds it."""
    app = AppTest.from_file(REPOSITORY / "helpers" / "app.py", default_timeout=PATIENCE)
    app.query_params.update(query)
    app.run()
    if name != "train":
        app.switch_page(f"screens/{name}.py").run()
    assert not app.exception
    return app


def order(name="gan", target="gmm5", **values):
    """A training of a moment."""
    base = experiments.named(name)
    numbers = {"epochs": 2, "batch": 100, **WIDTHS[base.family], **values}
    few = 40 if target in orders.IMAGES else None
    return orders.Order(recipes.changed(base, **numbers), target, images=few, fast=False)


def digits():
    """A training of a moment on images."""
    return order("vae-digits-8", "digits", batch=10, encoder=(2, 4), decoder=(4, 2))


def trained(what):
    """The id of a trial of that order, trained in this process with plain steps."""
    trial = trials.prepare(dataclasses.replace(what, fast=False))
    worker.train(trial)
    return trial


def said(app):
    """All messages on a page."""
    return [box.value for kind in (app.error, app.info, app.warning) for box in kind]


@pytest.fixture
def quick(monkeypatch):
    """Few points, made-up digits, no second process: what is started is trained at once."""
    shrink_all(monkeypatch)
    monkeypatch.setattr(trials, "start", trained)


def some_pixels(x):
    """Features that cost nothing."""
    return x.flatten(1)[:, ::40]


def shrink_all(monkeypatch):
    """Few points and few images, whose pixels are their features."""
    before = runs.data
    shrink(monkeypatch)
    small = runs.data
    monkeypatch.setattr(
        runs, "data", lambda target: (small if hasattr(target, "means") else before)(target)
    )

    def load(name, size, generator, n=None):
        x = torch.rand(80, 1, size, size, generator=generator) * 2 - 1
        labels = torch.arange(80) % 10
        return images.ImageSet(name, x[:40], labels[:40], x[40:], labels[40:], "", ())

    monkeypatch.setattr(images, "load", load)
    monkeypatch.setattr(scores, "LITE0", scores.Network("pixels", some_pixels))
    monkeypatch.setattr(scores, "features", some_pixels)
    galleries._loaded.cache_clear()
