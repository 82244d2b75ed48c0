"""Sweeps: what is trained, what is left alone, and what is left when processes are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import recipe, shrink, weights

from helpers import experiments, recipes, runs, targets
from helpers.files import REPOSITORY
from helpers.study import sweep
from helpers.training import PLAIN
from study import sweeping

TARGET = targets.gmm5()
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not known there")


def training(name="gan", seeds=(0, 1), **values):
    return sweep.Training(recipe(name, **values), TARGET, seeds)


def work(it, **options):
    return sweep.work(it, **{"engine": PLAIN, **options})


def file(it, seed, ending=".zip"):
    return runs.file_of(runs.stem_of(it.recipe, TARGET, seed), ending)


def learned(it):
    return [weights(runs.load(it.recipe, TARGET, seed)) for seed in it.seeds]


def same_work(folder: Path) -> dict:
    """Every record below a folder, weights' hashes included, without the seconds it took."""
    found = {}
    for path in sorted(folder.rglob("seed?.zip")):
        record = runs.read_record(path.with_suffix(""))
        del record["history"]["seconds"]
        found[str(path.relative_to(folder))] = record
    return found


# ----------------------------------------------------------------------------------- what is done


def test_a_grid_is_recipes_times_widths_from_all_seeds():
    found = sweep.grid(["vae", "gan"], TARGET, range(3), widths=(8, 64))
    assert [it.recipe.name for it in found] == ["vae-width-8", "vae", "gan-width-8", "gan"]
    assert {it.seeds for it in found} == {(0, 1, 2)}
    narrow = found[0].recipe
    assert (narrow.encoder, narrow.decoder) == ((16, 8), (8, 16))
    with pytest.raises(recipes.BadRecipe):
        sweep.grid(["gan"], TARGET, widths=(0,))
    everything = sweep.grid(["gan", "all"], TARGET)
    assert sorted(it.recipe.name for it in everything) == sorted(experiments.STUDIES)


def test_only_what_is_missing_is_trained_and_alone_it_is_the_same(monkeypatch):
    shrink(monkeypatch)
    it = training(seeds=(0, 1, 2))
    assert work(it) == "gan-custom, seeds 0, 1, 2: trained 0, 1, 2"
    before = [file(it, seed).stat().st_mtime_ns for seed in (0, 2)]
    lost = learned(it)[1]
    file(it, 1).unlink()
    assert it.missing() == [1]
    assert work(it) == "gan-custom, seeds 0, 1, 2: trained 1"
    assert torch.equal(learned(it)[1], lost)
    assert [file(it, seed).stat().st_mtime_ns for seed in (0, 2)] == before
    assert work(it) == "gan-custom, seeds 0, 1, 2: there already"


@pytest.mark.parametrize("changed", ["version", "numbers"])
def test_what_is_out_of_date_is_trained_again_only_when_asked(monkeypatch, changed):
    shrink(monkeypatch)
    it = sweep.Training(replace(recipe("gan"), name="gan"), TARGET, (0,))
    work(it)
    if changed == "version":
        monkeypatch.setattr(runs, "TRAINING_VERSION", runs.TRAINING_VERSION + 1)
    else:
        it = sweep.Training(replace(it.recipe, learning_rate=1e-4), TARGET, it.seeds)
    assert it.missing() == []
    assert it.missing(refresh=True) == [0]
    assert "there already" in work(it)
    assert work(it, refresh=True).endswith("trained 0")
    assert it.missing(refresh=True) == []


# -------------------------------------------------------------------------------- killed processes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the small sweep leaves when nobody kills anything."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setenv("FIVE_GAUSSIANS_OUT", str(folder))
        for it in sweeping.trainings():
            work(it)
    found = same_work(folder)
    assert len(found) == 8
    return found


def start(folder: Path) -> subprocess.Popen:
    path = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests")))
    environment = {**os.environ, "FIVE_GAUSSIANS_OUT": str(folder), "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, str(Path(sweeping.__file__))],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )


@needs_signals
def begun(folder: Path) -> bool:
    """Whether a run lies below a folder that another process is filling."""
    try:
        return any(folder.rglob("seed?.zip"))
    except FileNotFoundError:  # a place was made, tried and removed meanwhile
        return False


def test_a_sweep_killed_at_any_moment_and_started_again_ends_the_same(written, undisturbed):
    first = start(written)
    while not begun(written) and first.poll() is None:
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.3))
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


@needs_signals
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
        lines, address = [], cluster.scheduler_address
        for line in sweep.sweep(sweeping.trainings(), scheduler=address, engine=PLAIN):
            if not lines:
                workers[0].kill()
            lines.append(line)
    expected = sorted(it.recipe.name for it in sweeping.trainings())
    assert sorted(line.split(",")[0] for line in lines) == expected
    assert same_work(written) == undisturbed


@pytest.mark.parametrize(
    ("installed", "message"),
    [(True, "no-such-scheme://x: no Dask scheduler answers"), (False, "pip install distributed")],
)
def test_a_scheduler_that_cannot_be_reached_is_named(installed, message, monkeypatch):
    if installed:
        pytest.importorskip("distributed")
    else:
        monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(sweep.NoCluster, match=message):
        list(sweep.sweep(sweeping.trainings(), scheduler="no-such-scheme://x"))


def kill_me(*arguments):
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def test_a_lost_process_is_reported_with_what_to_do(monkeypatch):
    monkeypatch.setattr(sweep, "work", kill_me)
    with pytest.raises(sweep.LostWorker, match="the same command again goes on"):
        list(sweep.sweep(sweeping.trainings(), workers=2))
