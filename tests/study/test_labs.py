"""What the labs train and load: at which preset, on which images, from which seeds."""

import pytest
import torch
from images import formats

from helpers import experiments, recorder, runs
from helpers.cli import main
from helpers.images import classifier
from helpers.study import labs
from helpers.study.labs import Lab


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in (labs.PRESET, labs.IMAGES):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", labs.PLANS)
def test_a_lab_is_its_plan_unless_the_environment_says_otherwise(name, monkeypatch):
    lab = Lab.named(name)
    assert (lab.dataset.source, lab.preset.name) == (labs.PLANS[name].source, "laptop")
    assert lab.usual
    monkeypatch.setenv(labs.IMAGES, "fashion")
    assert Lab.named(name).dataset.source == "fashion"
    assert not Lab.named(name).usual
    assert Lab.named(name, images=lab.dataset.source).usual  # what is given goes first
    monkeypatch.setenv(labs.PRESET, "tiny")
    tiny = Lab.named(name, images=lab.dataset.source)
    assert not tiny.usual
    assert tiny.dataset.most == experiments.PRESETS["tiny"].images


@pytest.mark.parametrize("name", labs.PLANS)
def test_a_lab_trains_what_its_plan_names_once(name):
    lab = Lab.named(name)
    found = [(one.recipe.name, *one.seeds) for one in lab.trainings()]
    plan = labs.PLANS[name].recipes
    assert sorted(found) == sorted((r, seed) for r, seeds in plan.items() for seed in seeds)
    assert {one.target for one in lab.trainings()} == {lab.dataset}
    assert all(one.recipe.domain == "images" for one in lab.trainings())


def test_runs_are_loaded_of_the_seeds_that_are_planned(monkeypatch):
    asked = []
    monkeypatch.setattr(recorder, "load_or_train", lambda *a, **options: asked.append(a))
    lab = Lab.named("digits", preset="tiny")
    lab.runs("gan-digits")
    lab.runs("gan-digits", (9,))
    recipe = experiments.named("gan-digits-tiny")
    seeds = labs.PLANS["digits"].recipes["gan-digits"][:2]
    assert asked == [(recipe, lab.dataset, seeds), (recipe, lab.dataset, (9,))]


def test_the_verb_trains_what_is_missing_and_nothing_again(written, monkeypatch, capsys):
    plan = labs.Plan("digits", {"vae-digits-2": (5,)})
    monkeypatch.setattr(labs, "PLANS", {"digits": plan})
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    for first in ("1 of 1 runs to be trained", "0 of 1 runs to be trained"):
        assert main(["labs", "--preset", "tiny", "--workers", "1"]) == 0
        assert first in capsys.readouterr().out
    lab = Lab.named("digits", "tiny")
    assert runs.finished(lab.recipe("vae-digits-2"), lab.dataset, 5)


def test_a_lab_that_there_is_not_is_named(capsys):
    assert main(["labs", "birds"]) == 2
    assert "birds: no such lab; choose of digits" in capsys.readouterr().err


def fill(kind, root):
    """The user's own images, where the README says that they must lie."""
    if kind == "mnist":
        formats.write_mnist(root / "data" / "images" / "mnist", train=200, test=60)
    elif kind == "cifar10":
        formats.write_cifar10(root / "data" / "images" / "cifar10", n=60)
    else:
        for i in range(160):
            formats.write_image(root / "photos" / f"{i % 2}" / f"{i}.png", 30, 40)
    return str(root / "photos") if kind == "folder" else kind


def test_images_get_a_side_that_the_networks_can_halve():
    sizes = {name: Lab.named(name, images="mnist").dataset.size for name in labs.PLANS}
    assert sizes == {"digits": 28, "variants": 32, "faces": 32}
    assert Lab.named("faces").dataset.size == 64


@pytest.mark.parametrize("kind", ["mnist", "cifar10", "folder"])
@pytest.mark.parametrize("name", labs.PLANS)
def test_each_lab_trains_on_images_of_ones_own(name, kind, written, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 5)
    classifier.of.cache_clear()
    lab = Lab.named(name, "tiny", fill(kind, written))
    first, *_, last = labs.PLANS[name].recipes
    for recipe in (first, last):
        (run,) = lab.runs(recipe, (5,))
        assert f"{lab.dataset.name}: " in lab.found()
        assert run.record["complete"]
        seen = run.model.decode(torch.zeros(2, run.model.latent))
        assert seen.shape == (2, lab.dataset.dimensions)
    classifier.of.cache_clear()
