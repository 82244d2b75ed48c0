"""What the app can train: everything named is there, and nothing enormous is begun."""

import dataclasses

import pytest

from helpers import experiments, recipes
from helpers.app import limits
from helpers.images.datasets import ImageDataset
from helpers.images.sources import SOURCES

from .support import a_job


def test_names_and_bounds_are_those_of_the_project():
    assert set(limits.PLANE) <= set(experiments.TARGETS)
    assert set(limits.IMAGES) == set(SOURCES)
    for name, known in limits.IMAGES.items():
        dataset = ImageDataset.named(name)
        assert known.shape == dataset.shape
        assert known.places == (2 * SOURCES[name].shift + 1) ** 2
    assert all(most <= recipes.BOUNDS[name][1] for name, most in limits.MOST.items())


@pytest.mark.parametrize("name", ["digits", "coloured-mnist"])
def test_the_form_knows_how_many_images_there_are(name):
    known = limits.IMAGES[name]
    assert len(ImageDataset.named(name).draws().train.points) == known.points * known.places


def test_sets_whose_files_are_not_here_are_not_offered(written):
    assert {"digits", "avatars", "faces"} <= set(limits.targets())
    (written / "data" / "images" / "mnist").mkdir(parents=True)
    assert "mnist" in limits.targets()
    assert limits.pictures(str(written)) == limits.FOLDER
    assert limits.pictures("gmm5") is None
    for odd in ("/" + "x" * 5_000, "/a\0b", ""):
        assert limits.pictures(odd) is None


WIDE = {"encoder": (2_048,) * 2, "decoder": (2_048,) * 2}


def digits(images=40, **values):
    return dataclasses.replace(a_job("vae-digits-8", "digits", **values), images=images)


@pytest.mark.parametrize(
    ("job", "complaint"),
    [
        (a_job(epochs=10_001), "epochs = 10001: must be from 1 to 10,000"),
        (a_job(generator=(8, 4_096)), "generator = 4096: must be from 1 to 2,048"),
        (a_job(discriminator=()), "discriminator: 0 layers; must be from 1"),
        (a_job("vae-iwae", batch=2_000, samples=64, latent=1_000, **WIDE), "GB of memory"),
        (a_job(batch=100_000, generator=(2_048,) * 3), "GB of memory, at most 2 here; lower"),
        (
            digits(batch=50_000, images=None),
            "batch = 50000: there are 36000 points to train on; lower it",
        ),
        (digits(batch=500, images=50), "batch = 500: there are 450 points to train on; lower it"),
        (digits(batch=10, encoder=(8, 8, 8)), "3 layers: 28 pixels cannot be halved so often"),
        (a_job(target="../secrets"), "'../secrets': choose one of five Gaussians"),
        (dataclasses.replace(a_job(), seed=-1), "seed = -1: must be from 0"),
        (dataclasses.replace(a_job(), images=29), "images = 29: must be at least 30"),
    ],
)
def test_what_cannot_be_trained_here_is_refused(job, complaint):
    with pytest.raises((limits.BadJob, recipes.BadRecipe), match=complaint):
        limits.check(job)
