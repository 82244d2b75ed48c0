"""Jobs: processes of their own that are never more than two, and end without a mess."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from small import shrink

from helpers import runs
from helpers.app import jobs
from helpers.app.limits import BadJob
from helpers.training import Diverged

from .support import a_job, digits, trained, until, written_down

ENDLESS = {"epochs": 10_000, "batch": 20_000}
SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def small(monkeypatch):
    """Few points."""
    shrink(monkeypatch)


def kill(name):
    """End a job's process as a power cut would."""
    place = jobs.folder(name)
    if jobs._alive(place):
        pid = json.loads((place / "job.json").read_text("utf-8"))["pid"]
        if pid != os.getpid():
            psutil.Process(pid).kill()


def tell(name, text):
    (jobs.folder(name) / "status.json").write_text(text, encoding="utf-8")


@pytest.fixture
def ended():
    """Kill what a test has started."""
    yield
    for name in jobs.listed():
        kill(name)


# ------------------------------------------------------------------------------ real processes


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


def test_a_process_waits_with_pytorch_loaded_and_takes_the_next_training(monkeypatch, ended):
    jobs.prepare()
    assert not jobs._ready  # none is wanted but by a server
    monkeypatch.setenv(jobs.WAITING, "1")
    jobs.prepare()
    (waiting,) = jobs._ready
    jobs.prepare()
    assert jobs._ready == [waiting]  # one is enough
    name = jobs.start(a_job("vae", epochs=1, batch=5_000))
    known = json.loads((jobs.folder(name) / "job.json").read_text("utf-8"))
    assert known["pid"] == waiting.pid
    assert until(lambda: not (now := jobs.read(name)).active and now).state == "complete"
    assert "seed 5" in (jobs.folder(name) / "log.txt").read_text("utf-8")


def test_one_that_waits_ends_with_its_server_and_a_dead_one_is_replaced(monkeypatch, ended):
    assert jobs._process(jobs.WAITS, stdin=jobs.subprocess.DEVNULL).wait(120) == 0
    dead = jobs._process(SLEEPS, stdin=jobs.subprocess.PIPE)
    dead.kill()
    dead.wait()
    monkeypatch.setattr(jobs, "_ready", [dead])
    monkeypatch.setattr(jobs, "PROGRAM", SLEEPS)
    name = jobs.start(a_job())
    known = json.loads((jobs.folder(name) / "job.json").read_text("utf-8"))
    assert known["pid"] != dead.pid
    assert not jobs._ready


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


def test_what_only_loads_or_draws_stops_at_once(monkeypatch, ended):
    monkeypatch.setattr(jobs, "PROGRAM", SLEEPS)
    name = jobs.start(a_job())
    (jobs.folder(name) / "log.txt").write_text("drawing faces, once: 90 of 900\n", "utf-8")
    assert jobs.read(name).line == "drawing faces, once: 90 of 900"
    jobs.stop(name)
    assert jobs.read(name).state == "stopped"
    until(lambda: not jobs._alive(jobs.folder(name)))


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


def test_stopped_in_its_first_epoch_it_tells_the_step(small, monkeypatch):
    def show(self, probe):
        (self.folder / "stop").touch()

    monkeypatch.setattr(jobs.Reporter, "_show", show)
    status = jobs.read(trained(a_job()))
    assert (status.state, status.epoch, status.step) == ("stopped", 0, 0)


def test_others_can_draw_from_a_run_while_it_trains(small, monkeypatch):
    seen, tell = [], jobs.Reporter._tell

    def look(self, state, **values):
        stem = self.folder / "seed5"
        if state == "training" and self.last:
            seen.append((self.last["epoch"], runs.read(stem).history["epoch"][-1]))
        tell(self, state, **values)

    monkeypatch.setattr(jobs.Reporter, "_tell", look)
    monkeypatch.setattr(jobs, "SAVED", 0)
    name = trained(a_job(epochs=3))
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert runs.read(jobs.folder(name) / "seed5").record["complete"]


def test_the_share_stands_in_one_place(small):
    line = jobs.read(trained(a_job())).line
    assert line.startswith("KL of mode weights")
    assert "3σ" not in line


def test_asked_at_the_last_epoch_it_is_complete(small, monkeypatch):
    def show(self, probe):
        if self.last:  # an epoch was told of
            (self.folder / "stop").touch()

    monkeypatch.setattr(jobs.Reporter, "_show", show)
    assert jobs.read(trained(a_job("vae", epochs=1))).state == "complete"
    assert jobs.read(trained(a_job("vae", epochs=9))).epoch == 1


@pytest.mark.parametrize("error", [Diverged("a\n  loss"), MemoryError()])
def test_what_goes_wrong_on_the_way_takes_one_line(tmp_path, error):
    with pytest.raises(type(error)), jobs.Reporter(tmp_path):
        raise error
    status = jobs._status(tmp_path)
    assert status.state == "failed"
    assert status.line == (" ".join(str(error).split()) or "MemoryError")


# ------------------------------------------------------------------------------------- on disk


def test_the_newest_job_is_listed_first_and_comes_back_as_it_was_given(written):
    job = a_job("vae-iwae", samples=3)
    old, new = written_down(a_job()), written_down(job)
    os.utime(jobs.folder(old) / "job.json", (1, 1))
    (written / "build" / "app" / "films").mkdir()
    assert jobs.listed() == [new, old]
    assert jobs.job_of(new) == job


@pytest.mark.parametrize("name", ["../../etc-01234567", "gan/../x-01234567", "", "a b-01234567"])
def test_nothing_but_a_name_becomes_a_path(written, name):
    for use in (jobs.folder, jobs.read, jobs.job_of, jobs.preview, jobs.stop, jobs.delete):
        with pytest.raises(BadJob, match="not the name of a training"):
            use(name)
    assert not (written / "build" / "app").exists()
    with pytest.raises(BadJob, match="no such training"):
        jobs.read("gan-01234567")


def test_a_title_tells_what_when_and_how_far_unless_it_was_given():
    name = written_down(a_job("vae", target="ring8"))
    parts = jobs.title(name).split(" · ")
    assert parts[:4] == ["VAE", "ring of eight", "2 epochs", "seed 5"]
    assert parts[5] == "training"
    jobs.rename(name, " mine \n too ")
    assert jobs.title(name) == "mine too · training"
    jobs.rename(name, "")
    assert jobs.title(name).split(" · ") == parts
    with pytest.raises(BadJob, match="61 letters; give 60"):
        jobs.rename(name, "x" * 61)


DAMAGED = ["", "{", "[]", "null", "[" * 100_000, '{"state": "training", "colour": 1}']
NO_PROCESS = ["", "null", "[]", '{"pid": 1}', '{"pid": -5, "born": 1.0}']
NO_PROCESS += ['{"pid": null, "born": 1e999}', '{"pid": "1", "born": 1}']


def test_a_target_that_has_gone_is_named(tmp_path):
    name = written_down(a_job(target=str(tmp_path / "mine.json")))
    with pytest.raises(BadJob, match=r"mine\.json': choose one of five Gaussians"):
        jobs.job_of(name)


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_status_counts_as_failed(text):
    name = written_down(a_job())
    tell(name, text)
    status = jobs.read(name)
    assert (status.state, status.line) == ("failed", "its status.json is damaged; train it again")


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
    status = '{"state": "training", "epoch": 3, "epochs": 9, "seconds": 6.0}'
    there, gone = written_down(a_job()), written_down(a_job(), born=1.0)  # its number is another's
    tell(there, status)
    assert jobs.read(there).left == 12
    tell(gone, status)
    (jobs.folder(gone) / "log.txt").write_bytes(b"at first\nerror: no \xff memory\n\n")
    found = jobs.read(gone)
    assert (found.state, found.epoch) == ("failed", 3)
    assert "ended after epoch 3 without finishing; train again (error: no" in found.line
    assert "\n" not in found.line


@pytest.mark.parametrize("raw", [None, b"", b"PK\x03\x04 no archive"])
def test_a_preview_that_is_missing_or_damaged_is_none(raw):
    name = written_down(a_job())
    if raw is not None:
        (jobs.folder(name) / "preview.npz").write_bytes(raw)
    assert jobs.preview(name) is None
