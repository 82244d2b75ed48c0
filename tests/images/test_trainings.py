"""A training on images from end to end: kept, read back, scored and filmed."""

from dataclasses import replace

import pytest
import torch

from helpers import animation, experiments, recipes, recorder, runs
from helpers.images import metrics
from helpers.images.datasets import ImageDataset
from helpers.targets import gmm5

DATASET = ImageDataset.named("digits-8-40")


@pytest.fixture(autouse=True)
def _pixels_as_features(monkeypatch):
    monkeypatch.setattr(metrics, "features", lambda x: x.flatten(1))


def tiny(name):
    recipe = experiments.at_preset(experiments.named(name), experiments.preset("tiny"))
    return replace(recipe, batch=10)


@pytest.mark.parametrize("name", ["vae-digits-8", "gan-digits"])
def test_a_run_on_images_is_kept_read_back_scored_and_filmed(written, name):
    recipe = tiny(name)
    (run,) = recorder.train(recipe, DATASET, (3,), device="cpu")
    again = runs.read(run.stem)
    assert again.target == DATASET
    assert run.stem.parent.name == f"{recipe.name}@digits-8-40"
    z = torch.randn(5, recipe.latent, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again.model.decode(z), run.model.decode(z))
    assert len(run.history["kid"]) == 1 + recipe.epochs
    assert set(run.metrics) == {"fake", "reference"}
    (twin,) = recorder.train(recipe, DATASET, (3,), stems=[written / "twin"], device="cpu")
    assert twin.record["weights"] == run.record["weights"]
    probe = recorder.probe_of(recipe, DATASET, DATASET.draws())
    films = animation.film_run(again, probe, written / "one.mp4")
    assert all(path.stat().st_size > 0 for path in films)


@pytest.mark.parametrize(("name", "target"), [("vae-digits-8", gmm5()), ("vae", DATASET)])
def test_a_recipe_for_another_kind_of_target_is_refused(name, target):
    with pytest.raises(recipes.BadRecipe, match="choose another target"):
        recorder.train(experiments.named(name), target, (3,))
