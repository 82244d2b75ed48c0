"""The app's pictures: whole PNG files, and no figure that anyone remembers."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import experiments, galleries, recipes, targets, views


def size(raw):
    return Image.open(io.BytesIO(raw)).size


@pytest.fixture
def target():
    return targets.gmm5()


def test_every_picture_is_a_png_and_leaves_no_figure(target, generator):
    x = target.sample(200, generator)
    drawn = [
        views.samples(target, x, "some"),
        views.decoded(target, x[:2], x),
        views.way(target, x[:5]),
        views.latent(target, lambda z: z, [(0.0, 1.0), (1.0, 0.0)]),
    ]
    assert [size(raw) for raw in drawn] == [(750, 750)] * 4
    assert size(views.losses([1, 2, 3], {"loss": [3.0, 2.0, 1.0]})) == (1_050, 390)
    assert plt.get_fignums() == []


def test_images_are_tiled_and_enlarged():
    gallery = galleries.named("digits")
    assert size(views.samples(gallery, torch.zeros(4, 784))) == (57 * 15, 57 * 15)
    assert size(views.images(torch.zeros(2, 1, 28, 28), 2, zoom=3)) == (57 * 3, 28 * 3)


def probe(target, n=2_000):
    x = target.sample(n, torch.Generator().manual_seed(0)).numpy()
    return {"samples": x, "codes": x, "reconstructions": x}


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_what_is_learned_is_a_frame_of_the_film(target, name):
    recipe = experiments.named(name)
    first = views.learned(recipe, target, 1, probe(target))
    again = views.learned(recipe, target, 1, probe(target))
    later = views.learned(recipe, target, 2, probe(target))
    assert first == again != later


def test_one_latent_dimension_is_too_thin_for_a_scene(target):
    recipe = experiments.named("vae-latent-1")
    seen = probe(target) | {"codes": np.zeros((2_000, 1), np.float32)}
    assert size(views.learned(recipe, target, 1, seen)) == (750, 750)


def test_after_a_frame_that_cannot_be_drawn_comes_the_next(target):
    recipe = recipes.changed(experiments.named("gan"), epochs=7)
    with pytest.raises(ValueError, match="the scene was made for 2000"):
        views.learned(recipe, target, 1, probe(target, 5))
    assert views.learned(recipe, target, 1, probe(target))
