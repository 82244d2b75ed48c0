"""Sweeps: what is trained, what is left alone, and what is left when processes are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import recipe, shrink, weights

from helpers import experiments, recipes, recorder, runs, targets
from helpers.files import REPOSITORY
from helpers.study import sweep
from helpers.training import PLAIN, Engine, GANStep, train_all
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
    everything = sweep.grid(["gan", "all"], TARGET)
    assert sorted(it.recipe.name for it in everything) == sorted(experiments.STUDIES)


@pytest.mark.parametrize(("names", "widths"), [(["gam"], ()), (["gan"], (0,)), (["gan"], (10**6,))])
def test_what_cannot_be_trained_is_refused_before_anything_is(names, widths):
    with pytest.raises(recipes.BadRecipe):
        sweep.grid(names, TARGET, widths=widths)


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


def version(monkeypatch, it):
    monkeypatch.setattr(runs, "TRAINING_VERSION", runs.TRAINING_VERSION + 1)
    return it


def numbers(monkeypatch, it):
    return sweep.Training(replace(it.recipe, learning_rate=1e-4), TARGET, it.seeds)


@pytest.mark.parametrize("change", [version, numbers])
def test_what_is_out_of_date_is_trained_again_only_when_asked(monkeypatch, change):
    shrink(monkeypatch)
    it = sweep.Training(replace(recipe("gan"), name="gan"), TARGET, (0,))
    work(it)
    it = change(monkeypatch, it)
    assert it.missing() == []
    assert it.missing(refresh=True) == [0]
    assert "there already" in work(it)
    assert work(it, refresh=True).endswith("trained 0")
    assert it.missing(refresh=True) == []


def test_an_interrupted_training_goes_on_in_whatever_company(monkeypatch):
    shrink(monkeypatch)
    it, keep = training(epochs=30), recorder.Recorder.keep

    def killed(self, snapshot):
        keep(self, snapshot)
        if snapshot.epoch == 27 and self.seed == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(recorder.Recorder, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        work(it)
    monkeypatch.setattr(recorder.Recorder, "keep", keep)
    assert it.missing() == [0, 1]
    work(sweep.Training(it.recipe, TARGET, (1,)))
    assert it.missing() == [0]
    work(it)
    found = learned(it)
    for seed in (0, 1):
        file(it, seed).unlink()
    work(it)
    assert all(map(torch.equal, found, learned(it)))


def test_killed_while_it_saves_only_some_seeds_have_a_state_to_go_on_from(monkeypatch):
    shrink(monkeypatch)
    it, save = training(epochs=30), recorder.Recorder.save_checkpoint

    def killed(self):
        if self.seed == 1:
            raise SystemExit
        save(self)

    monkeypatch.setattr(recorder.Recorder, "save_checkpoint", killed)
    with pytest.raises(SystemExit):
        work(it)
    monkeypatch.setattr(recorder.Recorder, "save_checkpoint", save)
    assert [file(it, seed, ".checkpoint.zip").exists() for seed in (0, 1)] == [True, False]
    assert work(it).endswith("trained 0, 1")
    assert it.missing() == []
    for seed in (0, 1):
        assert runs.load(it.recipe, TARGET, seed).history["epoch"] == list(range(31))


class OtherStep(GANStep):
    """The same step under another name."""


def other_engine(path):
    return {"engine": Engine({"gan": OtherStep}, train_all)}


def damage(path):
    path.write_bytes(b"no zip file")
    return {}


@pytest.mark.parametrize("spoil", [other_engine, damage])
def test_a_state_that_cannot_be_gone_on_from_is_left_behind(monkeypatch, spoil):
    shrink(monkeypatch)
    it, keep = training(seeds=(0,)), recorder.Recorder.keep

    def killed(self, snapshot):
        keep(self, snapshot)
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder.Recorder, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        work(it)
    monkeypatch.setattr(recorder.Recorder, "keep", keep)
    assert work(it, **spoil(file(it, 0, ".checkpoint.zip"))).endswith("trained 0")
    assert it.missing() == []


def test_the_long_go_first_and_what_starts_from_another_goes_last(monkeypatch):
    order = []
    monkeypatch.setattr(sweep, "work", lambda it, *rest: order.append(it.recipe.name) or "done")
    monkeypatch.setattr(sweep.joblib, "parallel_config", lambda **options: nullcontext())
    found = sweep.grid(["gan-warm", "vae-beta-1", "gan"], targets.ring8())
    assert list(sweep.sweep(found)) == ["done"] * 3
    assert order == ["gan", "vae-beta-1", "gan-warm"]


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
def test_a_sweep_killed_at_any_moment_and_started_again_ends_the_same(written, undisturbed):
    first = start(written)
    while not list(written.rglob("seed?.zip")) and first.poll() is None:
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


def kill_me(*arguments):
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def test_a_lost_process_is_reported_with_what_to_do(monkeypatch):
    monkeypatch.setattr(sweep, "work", kill_me)
    with pytest.raises(sweep.LostWorker, match="the same command again goes on"):
        list(sweep.sweep(sweeping.trainings(), workers=2))


def test_a_scheduler_that_does_not_answer_is_named():
    pytest.importorskip("distributed")
    with pytest.raises(sweep.NoCluster, match=r"no-such-scheme://x: no Dask scheduler answers"):
        list(sweep.sweep(sweeping.trainings(), scheduler="no-such-scheme://x"))


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(sweep.NoCluster, match="pip install distributed"):
        list(sweep.sweep(sweeping.trainings(), scheduler="tcp://x:1"))
