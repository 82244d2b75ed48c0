"""Sweeps: what is trained, what is left alone, and what is left when processes are killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import sweeping
import torch
from small import recipe, shrink, weights

from helpers import experiments, recipes, runs, sweep, targets
from helpers.places import REPOSITORY

TARGET = targets.gmm5()


def job(name="gan", seeds=(0, 1), **values):
    return sweep.Job(recipe(name, **values), TARGET, seeds)


def stem(it: sweep.Job, seed: int) -> Path:
    return runs.saved_stem(it.recipe, TARGET, seed)


def same_work(folder: Path) -> dict:
    """Every record below a folder without what depends on the moment: seconds and machine."""
    found = {}
    for path in sorted(folder.rglob("seed*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["history"]["seconds"], record["members"]
        found[str(path.relative_to(folder))] = record
    return found


# ----------------------------------------------------------------------------------- what is done


def test_a_grid_is_recipes_times_widths_from_all_seeds():
    jobs = sweep.grid(["vae", "gan"], TARGET, range(3), widths=(8, 64))
    names = ["vae-width-8", "vae", "gan-width-8", "gan"]
    assert [it.recipe.name for it in jobs] == names
    assert {it.seeds for it in jobs} == {(0, 1, 2)}
    narrow = jobs[0].recipe
    assert (narrow.encoder, narrow.decoder) == ((16, 8), (8, 16))
    everything = sweep.grid(["gan", "all"], TARGET)
    assert sorted(it.recipe.name for it in everything) == sorted(experiments.STUDIES)


@pytest.mark.parametrize(("names", "widths"), [(["gam"], ()), (["gan"], (0,)), (["gan"], (10**6,))])
def test_what_cannot_be_trained_is_refused_before_anything_is(names, widths):
    with pytest.raises(recipes.BadRecipe):
        sweep.grid(names, TARGET, widths=widths)


def test_only_what_is_missing_is_trained_and_alone_it_is_the_same(monkeypatch):
    shrink(monkeypatch)
    it = job(seeds=(0, 1, 2))
    assert sweep.work(it, fast=False) == "gan-custom, seeds 0, 1, 2: trained 0, 1, 2"
    before = [stem(it, seed).with_suffix(".pt").stat().st_mtime_ns for seed in (0, 2)]
    lost = weights(runs.load(it.recipe, TARGET, 1))
    stem(it, 1).with_suffix(".json").unlink()
    assert it.missing() == [1]
    assert sweep.work(it, fast=False) == "gan-custom, seeds 0, 1, 2: trained 1"
    assert torch.equal(weights(runs.load(it.recipe, TARGET, 1)), lost)
    after = [stem(it, seed).with_suffix(".pt").stat().st_mtime_ns for seed in (0, 2)]
    assert after == before
    assert sweep.work(it, fast=False) == "gan-custom, seeds 0, 1, 2: there already"


def test_runs_of_older_code_are_trained_again_only_when_asked(monkeypatch):
    shrink(monkeypatch)
    it = job(seeds=(0,))
    sweep.work(it, fast=False)
    path = stem(it, 0).with_suffix(".json")
    path.write_text(path.read_text().replace('"code": "', '"code": "0'))
    assert it.missing() == []
    assert it.missing(refresh=True) == [0]
    assert "there already" in sweep.work(it, fast=False)
    assert sweep.work(it, refresh=True, fast=False).endswith("trained 0")
    assert it.missing(refresh=True) == []


def test_what_an_interrupted_training_left_is_gone_on_from_or_replaced(monkeypatch):
    shrink(monkeypatch)
    it, whole = job(seeds=(0, 1), epochs=30), job(seeds=(0, 1), epochs=30)
    keep = sweep.recording.Recorder.keep

    def killed(recorder, snapshot):
        keep(recorder, snapshot)
        if snapshot.epoch == 27 and recorder.seed == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(sweep.recording.Recorder, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        sweep.work(it, fast=False)
    monkeypatch.setattr(sweep.recording.Recorder, "keep", keep)
    assert it.missing() == [0, 1]
    alone = sweep.Job(it.recipe, TARGET, (1,))
    sweep.work(alone, fast=False)  # its checkpoint was saved in company: trained afresh
    sweep.work(it, fast=False)
    found = [weights(runs.load(it.recipe, TARGET, seed)) for seed in (0, 1)]
    for seed in (0, 1):
        stem(it, seed).with_suffix(".json").unlink()
    sweep.work(whole, fast=False)
    expected = [weights(runs.load(it.recipe, TARGET, seed)) for seed in (0, 1)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_killed_while_it_saves_only_some_seeds_have_a_state_to_go_on_from(monkeypatch):
    shrink(monkeypatch)
    it = job(seeds=(0, 1), epochs=30)
    save = sweep.recording.Recorder.save

    def killed(recorder):
        if recorder.seed == 1:
            raise SystemExit
        save(recorder)

    monkeypatch.setattr(sweep.recording.Recorder, "save", killed)
    with pytest.raises(SystemExit):
        sweep.work(it, fast=False)
    monkeypatch.setattr(sweep.recording.Recorder, "save", save)
    assert stem(it, 0).with_suffix(".checkpoint.pt").exists()
    assert not stem(it, 1).with_suffix(".checkpoint.pt").exists()
    assert sweep.work(it, fast=False).endswith("trained 0, 1")
    assert it.missing() == []
    assert runs.load(it.recipe, TARGET, 0).history["epoch"] == list(range(31))


def test_the_long_go_first_and_what_starts_from_another_goes_last(monkeypatch):
    order = []
    monkeypatch.setattr(sweep, "work", lambda it, *rest: order.append(it.recipe.name) or "done")
    monkeypatch.setattr(sweep.joblib, "parallel_config", lambda **options: nullcontext())
    jobs = sweep.grid(["gan-warm", "vae-beta-1", "gan"], targets.ring8())
    assert list(sweep.sweep(jobs)) == ["done"] * 3
    assert order == ["gan", "vae-beta-1", "gan-warm"]


# -------------------------------------------------------------------------------- killed processes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the small sweep leaves when nobody kills anything."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setenv("FIVE_GAUSSIANS_OUT", str(folder))
        for it in sweeping.jobs():
            sweep.work(it, fast=False)
    found = same_work(folder)
    assert len(found) == 8
    return found


def start(folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "FIVE_GAUSSIANS_OUT": str(folder)}
    command = [sys.executable, str(REPOSITORY / "tests" / "sweeping.py")]
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.PIPE, cwd=REPOSITORY
    )


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are killed another way there")
def test_a_sweep_killed_at_any_moment_and_started_again_ends_the_same(written, undisturbed):
    first = start(written)
    while not list(written.rglob("seed*.pt")) and first.poll() is None:
        time.sleep(0.02)
    time.sleep(random.uniform(0, 1.5))
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second = start(written)
    said = second.communicate(timeout=300)[0].decode()
    assert second.returncode == 0
    assert 1 <= said.count("trained") <= 4
    assert same_work(written) == undisturbed


@contextmanager
def dask_workers(address: str, folder: Path):
    """Two worker processes of one thread; without a nanny a killed one stays dead."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny"]
    command += ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # the tests' modules too
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    workers = [subprocess.Popen(command, env=environment, cwd=folder, **quiet) for _ in range(2)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not known there")
def test_a_killed_dask_worker_loses_nothing_and_doubles_nothing(
    written, undisturbed, monkeypatch, tmp_path
):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(sweep, "work", sweeping.work)
    with (
        distributed.LocalCluster(n_workers=0, protocol="tcp", dashboard_address=None) as cluster,
        dask_workers(cluster.scheduler_address, tmp_path) as workers,
        distributed.Client(cluster.scheduler_address) as client,
    ):
        client.wait_for_workers(2, timeout=120)
        lines = []
        for line in sweep.sweep(sweeping.jobs(), scheduler=cluster.scheduler_address, fast=False):
            if not lines:
                workers[0].kill()
            lines.append(line)
    assert sorted(line.split(",")[0] for line in lines) == sorted(
        it.recipe.name for it in sweeping.jobs()
    )
    assert same_work(written) == undisturbed


def test_a_lost_process_is_reported_with_what_to_do(written, monkeypatch):
    monkeypatch.setattr(sweep, "work", kill_me)
    with pytest.raises(sweep.LostWorker, match="the same command again goes on"):
        list(sweep.sweep(sweeping.jobs(), workers=2))


def kill_me(*arguments):
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def test_a_scheduler_that_does_not_answer_is_named():
    pytest.importorskip("distributed")
    with pytest.raises(sweep.NoCluster, match=r"no-such-scheme://x: no Dask scheduler answers"):
        list(sweep.sweep(sweeping.jobs(), scheduler="no-such-scheme://x"))


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(sweep.NoCluster, match="pip install distributed"):
        list(sweep.sweep(sweeping.jobs(), scheduler="tcp://x:1"))
