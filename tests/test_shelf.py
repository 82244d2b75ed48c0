"""Saved runs by name: only what is on the list is read, and draws are the model's own."""

import pytest
import torch
from pages import digits, order, shrink_all, trained

from helpers import recording, shelf, targets, trials
from helpers.storage import BadRun


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink_all(monkeypatch)


def test_runs_of_the_app_come_first_then_those_of_the_project():
    trial = trained(order())
    trials.prepare(order())  # nothing saved yet
    names = shelf.names()
    assert names[0] == f"app/{trial}"
    assert "gan/seed5" in names
    assert [name for name in names if name.startswith("app/")] == names[:1]
    assert names.index("gan/seed2") < names.index("gan/seed5")


def test_what_was_written_elsewhere_is_on_the_list_too(written):
    (run,) = recording.train(order("vae").recipe, targets.gmm5(), (11,), fast=False)
    assert "vae-custom/seed11" in shelf.names()
    assert shelf.load("vae-custom/seed11").stem == run.stem
    assert "vae-custom/seed11" in shelf.filmed()


@pytest.mark.parametrize("name", ["../../etc/passwd", "gan/seed5/../..", "app/x", "", "gan/seed99"])
def test_nothing_that_is_not_listed_is_read(name):
    with pytest.raises(BadRun, match="no such run"):
        shelf.load(name)


def test_a_damaged_run_is_told(written):
    trial = trained(order())
    (trials.folder(trial) / "run.pt").write_bytes(b"0")
    with pytest.raises(BadRun, match="not the weights"):
        shelf.load(f"app/{trial}")


def test_labels_are_words():
    assert shelf.label("gan-mixture@ring8/seed3") == "gan-mixture@ring8, seed 3"
    assert shelf.label("app/gan-01234567") == "trained here: gan-01234567"


def test_without_perturbation_samples_are_the_runs_own():
    run = shelf.load("vae/seed5")
    own = run.sample(50, torch.Generator().manual_seed(3))
    assert torch.equal(shelf.sample(run, 50, 3), own)


def test_a_perturbation_at_its_neutral_strength_changes_nothing():
    run = shelf.load("gan/seed5")
    for name, way in shelf.WAYS.items():
        if name != "uniform":  # it draws who is replaced
            same = shelf.sample(run, 20, 0, name, way.strengths[0])
            assert torch.allclose(same, shelf.sample(run, 20, 0), atol=1e-5)
    far = shelf.sample(run, 20, 0, "scale", 4.0)
    assert not torch.allclose(far, shelf.sample(run, 20, 0), atol=0.1)


def test_samples_of_an_image_run_are_images():
    run = shelf.load(f"app/{trained(digits())}")
    assert shelf.sample(run, 5, 0).shape == (5, 1, 28, 28)
    with pytest.raises(shelf.BadDraw, match="401 samples: must be from 1 to 400"):
        shelf.sample(run, 401, 0)


@pytest.mark.parametrize(
    ("n", "seed"), [(0, 0), (-1, 0), (10**9, 0), (None, 0), (5, -1), (5, None)]
)
def test_numbers_that_cannot_be_drawn_are_refused(n, seed):
    with pytest.raises(shelf.BadDraw, match="must be"):
        shelf.sample(shelf.load("gan/seed5"), n, seed)
