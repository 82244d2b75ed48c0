"""What is shown while a training runs: first steps, networks beside samples, its pace."""

import threading
import time

import numpy as np
import pytest
import torch
from small import shrink

from helpers import targets
from helpers.app import jobs, render, views
from helpers.app.jobs import Reporter
from helpers.models import Gaussian, PlaneGaussian

from .support import a_job, page, quick, trained, until, written_down  # noqa: F401

GMM = targets.gmm5()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


def test_the_pull_on_samples_is_the_gradient_of_the_discriminators_number():
    class Hill(torch.nn.Linear):  # D(x) = −‖x − (1, 2)‖², highest at (1, 2)
        def forward(self, x):
            return -(x - torch.tensor([1.0, 2.0])).square().sum(-1)

    fake = torch.tensor([[0.0, 0.0], [1.0, 5.0]])
    seen = views.pull(Hill(2, 1), GMM, fake)
    assert np.allclose(seen["arrows"], [[0, 0, 2, 4], [1, 5, 0, -6]])
    left, right, low, high = views.maps.limits(GMM)
    i, j = np.unravel_index(seen["field"].argmax(), seen["field"].shape)
    cell = (right - left) / views.SIDE
    assert abs(left + (i + 0.5) * cell - 1.0) <= cell
    assert abs(low + (j + 0.5) * (high - low) / views.SIDE - 2.0) <= cell


def test_outlines_lie_at_two_deviations_of_their_gaussian():
    below = PlaneGaussian(
        torch.tensor([[3.0, -1.0]]), torch.tensor([[0.2, -0.5]]), torch.tensor([0.7])
    )
    a, c = torch.tensor([0.2, -0.5]).exp()
    factor = torch.tensor([[a, 0.0], [0.7, c]])
    line = views.outline(below)[0] - below.mean
    squared = (line @ torch.linalg.inv(factor @ factor.T) * line).sum(-1)
    assert torch.allclose(squared, torch.full((25,), 4.0), atol=1e-4)
    round_ = views.outline(Gaussian(torch.zeros(4, 2), torch.zeros(4, 2)))
    assert torch.allclose(round_.norm(dim=-1), torch.full((4, 25), 2.0))


@pytest.mark.parametrize("base", ["gan", "vae"])
def test_what_is_seen_of_each_family_can_be_drawn(base):
    name = trained(a_job(base))
    seen = jobs.preview(name)
    assert tuple(seen["modes"])[1] == 5
    names = {"gan": {"field", "arrows"}, "vae": {"coded", "decoded"}}[base]
    assert names <= set(seen)
    draw = {"gan": render.discriminator, "vae": render.gaussians}[base]
    assert draw(GMM, seen).startswith(b"\x89PNG")


def told(monkeypatch):
    """Every status that is told from now on."""
    lines = []
    tell = Reporter._tell

    def both(self, state, **values):
        lines.append({"state": state, **self.last, **values})
        tell(self, state, **values)

    monkeypatch.setattr(Reporter, "_tell", both)
    return lines


def test_a_training_is_shown_before_its_first_step_and_after_powers_of_two(monkeypatch):
    lines = told(monkeypatch)
    monkeypatch.setattr(jobs, "OFTEN", 1e9)
    trained(a_job("gan", epochs=1, batch=20))
    steps = [line["step"] for line in lines if line.get("step") is not None]
    assert steps[:6] == [0, 1, 2, 4, 8, 16]
    assert lines[-1]["state"] == "complete"
    assert "step" not in lines[-1]


def test_the_first_steps_of_compiled_trainings_are_those_of_a_copy(monkeypatch):
    """Seen, they change nothing: the run is the one that nobody watched."""
    from helpers import recorder
    from helpers.training import PLAIN

    slow = PLAIN._replace(steps=dict(PLAIN.steps))  # another engine, as quick to start
    recipe, seen = a_job("gan").recipe, []
    runs_ = [
        recorder.train(recipe, GMM, (seed,), engine=slow, early=early)[0]
        for seed, early in (
            (5, None),
            (5, lambda recorder, step, number: seen.append(number) or number < 3),
        )
    ]
    assert seen[:4] == [0, 1, 2, 3]
    assert seen[4] == 1  # then the training itself
    assert (
        runs_[0].record["history"]["discriminator"] == runs_[1].record["history"]["discriminator"]
    )


@pytest.fixture
def paused():
    """A training that waits at its first step, in a thread, and how to end it."""
    name = written_down(a_job("gan", epochs=3, batch=50))
    jobs.pace(name, "pause")
    words = jobs.replace(jobs.job_of(name), compiled=False).arguments(jobs.folder(name))
    from helpers import cli

    thread = threading.Thread(target=cli.run, args=(words,), daemon=True)
    thread.start()
    until(lambda: jobs.read(name).step == 0)
    yield name
    jobs.pace(name, "full speed")
    thread.join(60)
    assert jobs.read(name).state in ("complete", "stopped")


def test_a_pause_holds_a_step_goes_one_on_and_stop_ends_it(paused):
    time.sleep(0.2)
    assert jobs.read(paused).step == 0
    for number in (1, 2, 3):
        jobs.pace(paused, "one step")
        until(lambda wanted=number: jobs.read(paused).step == wanted)
        assert jobs.paced(jobs.folder(paused)) == "pause"
    time.sleep(0.2)
    assert jobs.read(paused).step == 3
    jobs.stop(paused)
    assert until(lambda: not (now := jobs.read(paused)).active and now).state == "stopped"


def test_the_page_shows_speed_modes_and_the_discriminator(paused):
    app = page(run=paused)
    (speed,) = [control for control in app.segmented_control if control.label == "Speed"]
    assert speed.options == ["full speed", "slow motion", "pause"]
    assert any("modes found" in caption.value for caption in app.caption)
    step = next(button for button in app.button if button.label == "One step")
    step.click()
    app.run()
    until(lambda: jobs.read(paused).step == 1)
    assert not app.exception


def test_slow_motion_takes_its_time(monkeypatch):
    monkeypatch.setattr(jobs, "SLOW", 0.05)
    lines = told(monkeypatch)
    name = written_down(a_job("gan", epochs=1, batch=200))
    jobs.pace(name, "slow motion")
    from helpers import cli

    start = time.monotonic()
    cli.run(jobs.replace(jobs.job_of(name), compiled=False).arguments(jobs.folder(name)))
    steps = [line["step"] for line in lines if line.get("step") is not None]
    assert steps == list(range(len(steps)))  # each is shown
    assert time.monotonic() - start > 0.05 * len(steps)
