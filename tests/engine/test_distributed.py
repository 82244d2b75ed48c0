"""Training on two processes, against one process with the whole batch."""

import os
import subprocess
import sys

import pytest
import ranks
import torch
from small import shrink
from steps import OBJECTIVES

from helpers import experiments, recipes, recorder, runs
from helpers.engine import distributed
from helpers.files import REPOSITORY
from helpers.targets import gmm5
from helpers.training import stream

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def torchrun(*words, folder):
    """Two processes of a script or module; what they write goes below the folder."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    own = {"PYTHONPATH": paths, "FIVE_GAUSSIANS_OUT": str(folder), "OMP_NUM_THREADS": "1"}
    command = [*TORCHRUN, *map(str, words)]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3_000]
    return done.stdout


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folder in which two processes left what they did."""
    folder = tmp_path_factory.mktemp("ranks")
    torchrun(REPOSITORY / "tests" / "ranks.py", folder, folder=folder)
    return folder


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_of_halves_is_that_of_the_whole_batch(both, name):
    whole, half = (ranks.slopes(name, torch.clone, slice(n)) for n in (2 * ranks.HALF, ranks.HALF))
    first, second = (torch.load(both / f"slopes{rank}.pt")[name] for rank in (0, 1))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, whole, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(half, whole, rtol=1e-2)


@pytest.mark.parametrize("recipe", [ranks.WHOLE, ranks.ADVERSARIAL], ids=["vae", "gan"])
def test_both_processes_end_with_the_same_weights(both, recipe):
    first, second = (torch.load(both / f"{recipe.name}{rank}.pt") for rank in (0, 1))
    for mine, theirs in zip(first, second, strict=True):
        assert all(torch.equal(values, theirs[name]) for name, values in mine.items())


def test_two_processes_train_as_one_with_the_whole_batch(both, tmp_path, monkeypatch):
    shrink(monkeypatch)
    stems = [tmp_path / "alone"]
    (alone,) = recorder.train(ranks.WHOLE, gmm5(), (5,), stems=stems, device="cpu")
    first = torch.load(both / f"{ranks.WHOLE.name}0.pt")[0]
    for name, values in alone.model.state_dict().items():
        torch.testing.assert_close(first[name], values, rtol=1e-3, atol=1e-4)
    (fresh,) = gmm5().networks(ranks.WHOLE, gmm5().draws().train.points, stream(5))
    moved = (alone.model.encoder.net[0].weight - fresh.encoder.net[0].weight).abs().max()
    assert moved > 1e-2  # so that the tolerance above tells something


def test_one_process_keeps_the_run_under_the_whole_batch(both):
    run = runs.read(both / ranks.ADVERSARIAL.name)
    assert (run.record["complete"], run.record["processes"]) == (True, 2)
    assert run.recipe == ranks.ADVERSARIAL
    assert len(run.frames) == 1


def test_the_command_trains_on_two_processes_and_speaks_once(tmp_path):
    words = ["-m", "helpers", "train", "gan", "--epochs", "1", "--batch", "5000"]
    words += ["--device", "cpu", "--out"]
    said = torchrun(*words, tmp_path / "run", folder=tmp_path)
    assert said.count("saved ") == 1
    assert runs.read(tmp_path / "run" / "seed5").record["complete"]


def test_each_point_belongs_to_one_process_and_all_have_as_many():
    points = torch.arange(7).view(7, 1)
    shares = [distributed.share(points, rank, 3).flatten().tolist() for rank in range(3)]
    assert shares == [[0, 3], [1, 4], [2, 5]]


def test_a_process_has_a_gpu_of_its_own(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distributed.place("auto") == torch.device("cuda", 1)
    assert chosen == [1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="3 processes or more on a machine with 2 GPUs; give"):
        distributed.place("cuda")


REFUSED = {
    "an odd batch": (
        lambda: distributed.part(recipes.changed(experiments.named("gan"), batch=255), 2),
        "batch = 255: 2 processes cannot part it evenly.*; give a multiple of 2 from 4",
    ),
    "a point each": (
        lambda: distributed.part(recipes.changed(experiments.named("gan"), batch=2), 2),
        "batch = 2: 2 processes",
    ),
    "a device of one process": (
        lambda: distributed.place("mps"),
        "device 'mps': several processes take auto, cpu or cuda",
    ),
}


@pytest.mark.parametrize(("attempt", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_parted_is_refused_in_one_line(attempt, message):
    with pytest.raises(ValueError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)
