"""Jobs: processes of their own that are never more than two, and end without a mess."""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from small import shrink

from helpers import cli, experiments, recorder, runs
from helpers.app import forms, jobs
from helpers.app.limits import BadJob
from helpers.training import Diverged

from .support import a_job, digits, trained, until, written_down

ENDLESS = {"epochs": 10_000, "batch": 20_000}
SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def small(monkeypatch):
    """Few points."""
    shrink(monkeypatch)


@pytest.fixture
def ended():
    """Kill what a test has started."""
    yield
    for name in jobs.listed():
        kill(name)


def kill(name):
    """End a job's process as a power cut would."""
    place = jobs.folder(name)
    if jobs._alive(place) and (pid := process_of(name)["pid"]) != os.getpid():
        psutil.Process(pid).kill()


def process_of(name):
    return json.loads((jobs.folder(name) / "job.json").read_text("utf-8"))


def tell(name, text):
    (jobs.folder(name) / "status.json").write_text(text, encoding="utf-8")


TRAINING = '{"state": "training", "epoch": 3, "epochs": 9, "seconds": 6.0, "losses": {"epoch": []}}'


# ------------------------------------------------------------------------------ real processes


def test_a_job_is_trained_by_a_process_of_its_own(ended):
    name = jobs.start(a_job("vae-full", epochs=2, batch=10_000))
    assert jobs.read(name).active
    status = until(lambda: not (now := jobs.read(name)).active and now)
    assert (status.state, status.epoch, status.epochs) == ("complete", 2, 2), status.line
    run = runs.read(jobs.folder(name) / "seed5")
    assert run.record["complete"]
    assert run.recipe == jobs.job_of(name).recipe


def test_stopping_and_killing_are_told(ended):
    stopped, killed = (jobs.start(a_job("vae", **ENDLESS)) for _ in range(2))
    until(lambda: jobs.read(killed).epoch)
    kill(killed)
    status = until(lambda: not (now := jobs.read(killed)).active and now)
    assert status.state == "failed"
    assert "without finishing; train again" in status.line
    assert "\n" not in status.line
    until(lambda: jobs.read(stopped).epoch)
    jobs.stop(stopped)
    status = until(lambda: not (now := jobs.read(stopped)).active and now)
    assert status.state == "stopped"
    history = runs.read(jobs.folder(stopped) / "seed5").history
    assert history["epoch"][-1] == status.epoch


def test_what_the_command_line_refuses_is_told(monkeypatch, ended):
    monkeypatch.setattr(jobs.limits, "check", lambda job: None)
    name = jobs.start(a_job(target="nowhere"))
    status = until(lambda: not (now := jobs.read(name)).active and now)
    assert (status.state, status.epoch) == ("failed", 0)
    assert "nowhere: no such file" in status.line


def test_of_six_clicks_at_once_two_start(monkeypatch, ended):
    monkeypatch.setattr(jobs, "PROGRAM", SLEEPS)

    def click(_):
        try:
            return jobs.start(a_job())
        except BadJob as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(click, range(6)))
    refusals = [line for line in said if line.startswith("2 trainings are running")]
    assert len(refusals) == 4
    assert sorted(set(said) - set(refusals)) == sorted(jobs.listed())
    assert len(jobs.listed()) == jobs.AT_ONCE


def test_a_process_that_never_started_is_no_job(monkeypatch, ended):
    monkeypatch.setattr(jobs, "PROGRAM", ("/no/such/python",))
    for _ in range(jobs.AT_ONCE + 1):
        with pytest.raises(OSError, match="no/such/python"):
            jobs.start(a_job())
    assert jobs.listed() == []
    monkeypatch.setattr(jobs, "PROGRAM", SLEEPS)
    assert jobs.read(jobs.start(a_job())).state == "starting"


def test_what_is_enormous_leaves_no_folder(written):
    with pytest.raises(BadJob):
        jobs.start(a_job(epochs=100_000))
    assert not (written / "build" / "app").exists()


# ----------------------------------------------------------------------------- trained in here


@pytest.mark.parametrize("make", [a_job, digits], ids=["plane", "images"])
def test_a_finished_job_is_a_run(small, make):
    name = trained(make())
    status = jobs.read(name)
    assert (status.state, status.epoch, status.epochs) == ("complete", 2, 2), status.line
    assert status.losses["epoch"] == [1, 2]
    assert all(len(values) == 2 for values in status.losses.values())
    assert runs.read(jobs.folder(name) / "seed5").recipe == jobs.job_of(name).recipe
    seen = jobs.preview(name)
    assert len(seen["samples"]) > 0
    assert seen["samples"].dtype == np.float32


def test_the_status_is_whole_whenever_it_is_read(small):
    seen, done = [], threading.Event()

    def read():
        while not done.is_set():
            seen.extend(jobs.read(name).epoch for name in jobs.listed())  # never damaged

    reader = threading.Thread(target=read)
    reader.start()
    name = trained(a_job("vae", epochs=30))
    done.set()
    reader.join()
    assert seen == sorted(seen)
    assert jobs.read(name).state == "complete"
    assert not list(jobs.folder(name).glob(".*"))


def test_asked_at_the_last_epoch_it_is_complete(small, monkeypatch):
    monkeypatch.setattr(jobs.Reporter, "_show", lambda self, probe: (self.folder / "stop").touch())
    assert jobs.read(trained(a_job("vae", epochs=1))).state == "complete"
    assert jobs.read(trained(a_job("vae", epochs=9))).epoch == 1


def test_what_cannot_be_trained_is_told(small):
    status = jobs.read(trained(a_job(batch=99_999)))
    assert status.state == "failed"
    assert "batch 99999 exceeds the 600 training points" in status.line


@pytest.mark.parametrize("error", [Diverged("a\n  loss"), MemoryError(), OSError("disk\nfull")])
def test_what_goes_wrong_on_the_way_takes_one_line(tmp_path, error):
    with pytest.raises(type(error)), jobs.Reporter(tmp_path):
        raise error
    status = jobs._status(tmp_path)
    assert status.state == "failed"
    assert status.line == (" ".join(str(error).split()) or "MemoryError")


def test_a_file_that_is_being_read_is_written_after_all():
    tries = iter([PermissionError, PermissionError, None])

    def write():
        if error := next(tries):
            raise error
        return "written"

    assert jobs._patiently(write) == "written"


def test_a_long_history_is_told_in_few_points():
    rows = [{"epoch": i, "loss": float(i), "validation_loss": 0.0} for i in range(1, 5_001)]
    curves = jobs.curves(rows)
    assert len(curves["loss"]) <= jobs.POINTS
    assert curves["epoch"][-1] == 5_000
    assert curves["epoch"] == sorted(curves["epoch"])
    assert set(curves) == {"epoch", "loss"}


# ------------------------------------------------------------------------------------- on disk


def test_only_what_is_changed_becomes_a_flag(tmp_path):
    job = jobs.Job("gan-fast", {"epochs": 40, "batch": 64, "generator": (8, 16)}, "ring8", seed=7)
    words = f"train gan-fast --target ring8 --seed 7 --out {tmp_path} --status {tmp_path}"
    assert job.arguments(tmp_path) == f"{words} --batch 64 --generator 8 16".split()
    assert digits().arguments(tmp_path)[-3:] == ["--images", "40", "--plain"]


@pytest.mark.parametrize("base", ["vae-full", "gan-wgan-gp", "vae-digits-8"])
def test_the_command_line_understands_every_number(monkeypatch, tmp_path, base):
    asked = []

    def train(recipe, target, seeds, stems, **options):
        asked.append((recipe, target.name, *seeds, *stems))
        raise jobs.Stopped

    monkeypatch.setattr(recorder, "train", train)
    recipe = experiments.named(base)
    values = {name: getattr(recipe, name) for name in forms.tunable(recipe)}
    other = {k: (3, 3) if isinstance(v, tuple) else v / 2 for k, v in values.items() if v != str(v)}
    other |= {k: max(2, int(v)) for k, v in other.items() if isinstance(values[k], int)}
    job = jobs.Job(base, values | other, "digits" if recipe.domain == "images" else "ring8", 7)
    cli.run(job.arguments(tmp_path))
    assert asked[0][0] == job.recipe
    assert asked[0][1].startswith(job.target)
    assert asked[0][2:] == (7, tmp_path / "seed7")


def test_a_job_comes_back_as_it_was_given():
    first = a_job("vae-iwae", samples=3)
    assert jobs.job_of(written_down(first)) == first


def test_the_newest_job_is_listed_first(written):
    old, new = written_down(a_job()), written_down(a_job("vae"))
    os.utime(jobs.folder(old) / "job.json", (1, 1))
    (written / "build" / "app" / "films").mkdir()
    assert jobs.listed() == [new, old]


@pytest.mark.parametrize(
    "name", ["../../etc-01234567", "gan/../x-01234567", "", "gan", "a b-01234567"]
)
def test_nothing_but_a_name_becomes_a_path(written, name):
    for use in (jobs.folder, jobs.read, jobs.job_of, jobs.preview, jobs.stop):
        with pytest.raises(BadJob, match="not the name of a training"):
            use(name)
    assert not (written / "build" / "app").exists()


def test_a_name_that_nobody_gave_is_told():
    for use in (jobs.read, jobs.job_of, jobs.preview):
        with pytest.raises(BadJob, match="no such training"):
            use("gan-01234567")


DAMAGED = ["", "{", "[]", "null", "[" * 100_000, '{"state": "training", "colour": 1}']
NO_PROCESS = ["", "null", "[]", "{}", '{"pid": 1}', '{"pid": 1, "born": "x"}']
NO_PROCESS += [
    '{"pid": -5, "born": 1.0}',
    '{"pid": null, "born": 1e999}',
    '{"pid": "1", "born": 1}',
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_status_counts_as_failed(text):
    name = written_down(a_job())
    tell(name, text)
    status = jobs.read(name)
    assert (status.state, status.active) == ("failed", False)
    assert status.line == "its status.json is damaged; train it again"


@pytest.mark.parametrize("text", NO_PROCESS)
def test_a_job_without_a_process_counts_as_failed(monkeypatch, ended, text):
    for _ in range(jobs.AT_ONCE):
        name = written_down(a_job())
        (jobs.folder(name) / "job.json").write_text(text, encoding="utf-8")
    assert jobs.read(name).state == "failed"
    with pytest.raises(BadJob, match=r"its job.json is damaged"):
        jobs.job_of(name)
    monkeypatch.setattr(jobs, "PROGRAM", SLEEPS)
    assert jobs.read(jobs.start(a_job())).active  # the others keep nobody from starting


def test_a_process_that_is_gone_is_told_with_its_last_words():
    name = written_down(a_job(), born=1.0)  # the number is another's now
    tell(name, TRAINING)
    (jobs.folder(name) / "log.txt").write_bytes(b"at first\nerror: no \xff memory\n\n")
    status = jobs.read(name)
    assert (status.state, status.epoch) == ("failed", 3)
    assert "ended after epoch 3 without finishing; train again (error: no" in status.line
    assert "\n" not in status.line


def test_the_time_left_follows_the_time_spent():
    name = written_down(a_job())
    tell(name, TRAINING)
    assert jobs.read(name).left == 12
    assert jobs.Status("starting", 0, 9).left is None
    jobs.stop(name)
    assert jobs.read(name).state == "stopping"


@pytest.mark.parametrize("raw", [None, b"", b"PK\x03\x04 no archive"])
def test_a_preview_that_is_missing_or_damaged_is_none(raw):
    name = written_down(a_job())
    if raw is not None:
        (jobs.folder(name) / "preview.npz").write_bytes(raw)
    assert jobs.preview(name) is None
