"""Saved runs by name: only what is on the list is read, and only what can be drawn from."""

import zipfile

import pytest
from small import recipe

from helpers import recorder, runs, targets
from helpers.app import jobs, saved

from .support import a_job, quick, trained, written_down

assert quick  # a fixture


def test_runs_of_the_app_come_first_then_those_of_the_project(quick):
    name = trained(a_job("vae"))
    written_down(a_job())  # nothing saved yet
    names = list(saved.stems())
    assert [name for name in names if name.startswith("app/")] == names[:1] == [f"app/{name}"]
    assert "gan/seed5" in names
    assert [n for n in names if n.startswith("gan-digits@")] == ["gan-digits@digits-28/seed5"]
    assert names.index("gan/seed5") < names.index("gan-mixture@ring8/seed0")  # by target
    assert saved.title("gan/seed5") == "five Gaussians · GAN · gan · seed 5"
    assert saved.title(f"app/{name}").startswith("VAE · five Gaussians · 2 epochs · ")
    assert saved.load(f"app/{name}").recipe == jobs.job_of(name).recipe
    assert next(iter(saved.stems(films=True))) == f"app/{name}"
    (jobs.folder(name) / "seed5.frames.zip").unlink()
    assert f"app/{name}" not in saved.stems(films=True)
    twin = trained(a_job("vae"))
    told = saved._titles([f"app/{name}", f"app/{twin}", "gan/seed5"])
    assert len(set(told.values())) == 3  # two alike in all but their names


def test_what_was_written_elsewhere_is_on_the_list_too(quick):
    trains = recorder.train(recipe("vae"), targets.gmm5(), (11, 9))
    names = list(saved.stems())
    assert "vae-custom/seed11" not in names  # one of each
    assert saved.load("vae-custom/seed9").stem == trains[1].stem
    path = runs.file_of(trains[1].stem)
    with zipfile.ZipFile(path) as archive:
        record = archive.read("record.json")
    runs.pack(path, {"record.json": record})  # without weights
    assert "vae-custom/seed11" in saved.stems()


@pytest.mark.parametrize("name", ["../../etc/passwd", "gan/seed5/../..", "app/x", "", "gan/seed99"])
def test_nothing_that_is_not_listed_is_read(name):
    with pytest.raises(runs.BadRun, match="no such run"):
        saved.load(name)
