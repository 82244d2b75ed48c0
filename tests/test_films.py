"""The film of a run: the right scene, the epochs that matter, and files that can be opened."""

from itertools import pairwise

import pytest
import torch
from PIL import Image
from small import recipe, shrink

from helpers import films, recorder, recording, runs, storage, targets
from helpers.scenes import GanScene, VaeScene

TARGET = targets.gmm5()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture(params=["vae", "gan"])
def run(request):
    (run,) = recording.train(recipe(request.param, epochs=2), TARGET, fast=False)
    return run


def test_a_run_has_a_film_a_poster_a_strip_and_a_gif(run, written):
    paths = films.film_run(run)
    name = run.recipe.name
    names = [f"{name}.mp4", f"{name}.png", f"{name}_strip.png", f"{name}.gif"]
    assert paths == [written / "media" / name for name in names]
    assert paths[0].read_bytes()[4:8] == b"ftyp"  # how every mp4 begins
    sizes = {"vae": (1200, 410), "gan": (960, 480)}
    with Image.open(paths[1]) as poster, Image.open(paths[3]) as small:
        assert poster.size == sizes[run.recipe.family]
        assert small.size[0] == 420


def test_the_scene_shows_what_the_probe_looked_at(run):
    scene, probe = (
        films.scene(run.recipe, run.target),
        recorder.probe_of(run.recipe, runs.data(TARGET)),
    )
    if run.recipe.family == "vae":
        assert isinstance(scene, VaeScene)
        assert scene.components.tolist() == probe.components.tolist()
    else:
        assert isinstance(scene, GanScene)
        with torch.no_grad():  # the noise drawn is the noise that gave the samples drawn
            again = run.model.decode(torch.from_numpy(scene.noise))
        seen = run.frames[-1].probe["samples"]
        assert torch.allclose(again, seen, rtol=2e-3, atol=2e-3)


def test_without_snapshots_there_is_no_film_and_it_says_why(run, tmp_path):
    run.stem.with_suffix(".probes.npz").unlink()
    with pytest.raises(storage.BadRun, match=r"probes\.npz: films need it .*train the run again"):
        films.film_run(run, tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


def test_one_latent_dimension_cannot_be_filmed(tmp_path):
    (run,) = recording.train(recipe("vae", epochs=1, latent=1), TARGET, fast=False)
    with pytest.raises(ValueError, match="a film draws points in two dimensions"):
        films.film_run(run, tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("epochs", [1, 2, 5, 6, 7, 10, 20, 30, 60, 250])
def test_stills_start_at_the_first_epoch_and_end_at_the_last(epochs):
    chosen = films.stills(epochs)
    assert chosen[0] == 1
    assert chosen[-1] == epochs
    assert len(chosen) == min(epochs, films.STILLS)
    gaps = [b - a for a, b in pairwise(chosen)]
    assert all(gap > 0 for gap in gaps)
    assert gaps == sorted(gaps)
