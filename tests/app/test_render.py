"""The app's pictures and samples: whole PNG files, and no figure that anyone remembers."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import experiments, recipes, runs, targets
from helpers.app import jobs, render

from .support import a_job, digits, quick, trained

assert quick  # a fixture


def size(raw):
    return Image.open(io.BytesIO(raw)).size


@pytest.fixture
def target():
    return targets.gmm5()


def test_every_picture_is_a_png_and_leaves_no_figure(target, generator):
    x = target.sample(200, generator)
    drawn = [
        render.samples(target, x, "some"),
        render.decoded(target, x[:2], x),
        render.path(target, x[:5]),
        render.latent(target, lambda z: z, [(0.0, 1.0), (1.0, 0.0)]),
    ]
    drawn.append(render.circles([(0.0, 1.0, 0.3)], (-5, 5, -5, 5)))
    assert [size(raw) for raw in drawn] == [(750, 750)] * 5
    curves = {"loss": [3.0, None, 1.0]}
    assert size(render.losses(experiments.named("vae"), [1, 2, 3], curves)) == (1_050, 390)
    assert plt.get_fignums() == []


def test_losses_can_be_read_after_one_epoch_and_where_they_are_large():
    recipe = experiments.named("vae")
    low, high = (render.losses(recipe, [1], {"loss": [value]}) for value in (1.0, 3e7))
    for raw in (low, high):
        pixels = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).astype(int)
        coloured = (pixels.max(-1) - pixels.min(-1) > 60)[:, : pixels.shape[1] * 3 // 4]
        assert coloured.sum() > 20  # a dot, beside the legend
        dark = (pixels.max(-1) < 120)[:, :8]
        assert not dark.any()  # labels are not cut off


def test_a_click_falls_where_the_axes_say():
    """On the picture itself: a blue disc is found where its centre was asked for."""
    extent, centre = (-5.0, 5.0, -5.0, 5.0), (2.0, -3.0)
    raw = render.circles([(*centre, 0.5)], extent)
    pixels = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0]) > 40
    rows, columns = np.nonzero(blue)
    at = (columns.mean() / pixels.shape[1], 1 - rows.mean() / pixels.shape[0])
    assert render.place(at, extent) == pytest.approx(centre, abs=0.05)
    assert render.place((0.01, 0.5), extent) is None
    assert render.place((0.5, 0.99), extent) is None


def test_what_lies_outside_the_picture_is_counted(target):
    x = torch.tensor([[0.0, 0.0], [0.0, 99.0], [-99.0, 0.0]])
    assert render.beside(target, x) == "2 of 3 lie outside the picture."
    assert render.beside(target, x[:1]) == "All lie in the picture."


def probe(target, n=2_000):
    x = target.sample(n, torch.Generator().manual_seed(0)).numpy()
    return {"samples": x, "codes": x, "reconstructions": x}


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_what_is_learned_is_a_frame_of_the_film(target, name):
    first, again, later = (
        render.learned(experiments.named(name), target, epoch, probe(target)) for epoch in (1, 1, 2)
    )
    assert first == again != later


def test_after_a_frame_that_cannot_be_drawn_comes_the_next(target):
    recipe = recipes.changed(experiments.named("vae"), epochs=7)
    with pytest.raises(ValueError, match="codes has 5 points"):
        render.learned(recipe, target, 1, probe(target, 5))
    assert render.learned(recipe, target, 1, probe(target))


# ------------------------------------------------------------------------------------ samples


@pytest.fixture
def run(quick):
    """A run trained a moment ago."""
    return runs.read(jobs.folder(trained(a_job("vae"))) / "seed5")


def test_samples_are_the_runs_own_until_a_perturbation_has_strength(run):
    own = run.sample(50, torch.Generator().manual_seed(3))
    assert torch.equal(render.sample(run, 50, 3), own)
    for name, way in render.WAYS.items():
        if name == "scale":  # others draw random numbers of their own
            same = render.sample(run, 20, 0, name, way.strengths[0])
            assert torch.equal(same, render.sample(run, 20, 0))
        far = render.sample(run, 20, 0, name, way.strengths[-1])
        assert not torch.allclose(far, render.sample(run, 20, 0), atol=1e-3)


def test_samples_of_an_image_run_are_images(quick):
    run = runs.read(jobs.folder(trained(digits())) / "seed5")
    assert render.sample(run, 5, 0).shape == (5, 1, 28, 28)
    for n, seed in ((2_001, 0), (0, 0), (None, 0), (5, -1), (5, None)):
        with pytest.raises(ValueError, match="must be"):
            render.sample(run, n, seed)
