"""The app's pages without a browser, and jobs that are trained a moment ago."""

import contextlib
import os
import secrets
import time

import pytest
from small import WIDTHS, shrink
from streamlit.testing.v1 import AppTest

from helpers import cli, experiments, files
from helpers.app import jobs, limits
from helpers.app.pages import navigation

PATIENCE = 120  # seconds, for a machine that is busy


def until(condition):
    """Wait for what must come."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.05)
    return found


def page(name="train", **query):
    """A page as a reader finds it."""
    app = AppTest.from_file(navigation.__file__, default_timeout=PATIENCE)
    app.query_params.update(query)
    app.run()
    if name != "train":
        app.switch_page(f"{name}.py").run()
    assert not app.exception
    return app


def page_of(name, job, **state):
    """A page that shows a job's run."""
    app = page()
    for key, value in {"job": job, **state}.items():
        app.session_state[key] = value
    app.switch_page(f"{name}.py").run()
    assert not app.exception
    return app


def said(app):
    """All messages on a page."""
    return [box.value for kind in (app.error, app.info, app.warning) for box in kind]


def a_job(base="gan", target="gmm5", compiled=False, **values):
    """A training of a moment."""
    family = experiments.named(base).family
    numbers = {"epochs": 2, "batch": 100, **WIDTHS[family], **values}
    images = 40 if limits.pictures(target) else None
    return jobs.Job(base, numbers, target, images=images, compiled=compiled)


def digits():
    """A training of a moment on images."""
    return a_job("vae-digits-8", "digits", batch=10, encoder=(2, 4), decoder=(4, 2))


def written_down(job, pid=None, born=None):
    """The name of a job that this process, or another, is said to train."""
    name = f"{job.recipe.name}-{secrets.token_hex(4)}"
    process = {"pid": pid or os.getpid(), "born": born or jobs.psutil.Process().create_time()}
    files.write_json(jobs.folder(name) / "job.json", {**vars(job), **process})
    return name


def trained(job):
    """The name of a job that was trained in this process."""
    limits.check(job)
    name = written_down(job)
    plain = jobs.replace(job, compiled=False)
    with contextlib.suppress(ValueError):  # the status says so
        cli.run(plain.arguments(jobs.folder(name)))
    return name


@pytest.fixture
def quick(monkeypatch):
    """Few points, no second process: what is started is trained at once."""
    shrink(monkeypatch)
    monkeypatch.setattr(jobs, "start", trained)
