"""A training on images from end to end: kept, read back, filmed, refused where it has no sense."""

import dataclasses

import pytest
import torch

from helpers import budgets, experiments, films, galleries, images, recipes, recording, runs
from helpers.__main__ import main
from helpers.galleries import Gallery
from helpers.metrics import images as scores

GALLERY = Gallery("digits", 8, 1)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Sixty blots for images, and their pixels for features."""

    def load(name, size, generator, n):
        x = torch.rand(60, 1, size, size, generator=generator) * 2 - 1
        labels = torch.arange(60) % 10
        return images.ImageSet(name, x[:40], labels[:40], x[40:], labels[40:], "", ())

    monkeypatch.setattr(images, "load", load)
    monkeypatch.setattr(scores, "LITE0", scores.Network("pixels", lambda x: x.flatten(1)))
    monkeypatch.setattr(scores, "features", lambda x: x.flatten(1))
    galleries._loaded.cache_clear()
    yield
    galleries._loaded.cache_clear()


def tiny(name, **values):
    recipe = budgets.fitted(experiments.named(name), budgets.named("tiny"))
    return dataclasses.replace(recipe, batch=10, **values)


@pytest.mark.parametrize("name", ["vae-digits-8", "gan-digits"])
def test_an_image_run_is_kept_read_back_and_filmed(written, name):
    recipe = tiny(name)
    (run,) = recording.train(recipe, GALLERY, (3,), fast=False)
    again = runs.read(run.stem)
    assert again.target == GALLERY
    assert run.stem.parent.name == f"{recipe.name}@digits-8"
    z = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again.model.decode(z), run.model.decode(z))
    assert again.model.decode(z).shape == (5, 64)
    assert len(run.history["kid"]) == 3
    assert set(run.metrics) == {"fake", "reference"}
    film, *others = films.film_run(again, written / "one.mp4")
    assert film.stat().st_size > 0
    assert all(path.exists() for path in others)


def test_one_seed_gives_the_same_images_twice(written):
    recipe = tiny("gan-digits")
    stems = [written / name / "seed3" for name in ("one", "two")]
    (one,), (two,) = (
        recording.train(recipe, GALLERY, (3,), stems=[stem], fast=False) for stem in stems
    )
    assert one.record["weights"] == two.record["weights"]


@pytest.mark.parametrize(
    ("variance", "target"), [("full", GALLERY), ("bernoulli", runs.target_named("gmm5"))]
)
def test_a_variance_that_cannot_be_is_refused(written, variance, target):
    recipe = recipes.changed(tiny("vae-digits-8"), variance=variance)
    with pytest.raises(recipes.BadRecipe, match=f"variance = {variance}"):
        recording.train(recipe, target, (3,), fast=False)


def test_targets_are_found_by_name_be_they_mixtures_or_images(tmp_path):
    assert runs.target_named("ring8").k == 8
    assert runs.target_named("digits").shape == (1, 28, 28)
    assert runs.target_named("faces-32").shape == (3, 32, 32)
    assert runs.target_named(str(tmp_path)).source == str(tmp_path)


def test_the_scorecard_of_the_plane_refuses_images_in_one_line(written, capsys):
    (run,) = recording.train(tiny("gan-digits"), GALLERY, (3,), fast=False)
    assert main(["evaluate", str(run.stem)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "digits-8" in error


def test_an_image_training_ends_with_its_scores_beside_real_ones(written, capsys, monkeypatch):
    monkeypatch.setattr(runs, "target_named", lambda name: GALLERY)
    words = (
        "train gan-digits --target digits --epochs 1 --batch 10 --generator 4 --critic 4 --plain"
    )
    assert main(words.split()) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "(real " in line]
    assert len(lines) == 7
    assert lines[0].split()[0] == "FID"


def test_images_are_refused_before_any_is_decoded(written, monkeypatch):
    (run,) = recording.train(tiny("gan-digits"), GALLERY, (3,), fast=False)
    monkeypatch.setattr(runs.Run, "sample", None)  # calling it would raise
    assert main(["evaluate", str(run.stem)]) == 2
