"""Training on two processes, against one process with the whole batch."""

import os
import subprocess
import sys

import pytest
import ranks
import torch

from helpers import experiments, parallel, recipes, recording, storage
from helpers.places import REPOSITORY
from helpers.targets import gmm5

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def torchrun(*words: object, folder) -> subprocess.CompletedProcess:
    """Two processes of a script or module; what they write goes below the folder."""
    own = {"PYTHONPATH": str(REPOSITORY), "FIVE_GAUSSIANS_OUT": str(folder), "OMP_NUM_THREADS": "1"}
    command = [*TORCHRUN, *map(str, words)]
    return subprocess.run(
        command, env=os.environ | own, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folder in which two processes left what they did."""
    folder = tmp_path_factory.mktemp("ranks")
    done = torchrun(REPOSITORY / "tests" / "ranks.py", folder, folder=folder)
    assert done.returncode == 0, done.stderr[:3_000]
    return folder


@pytest.mark.parametrize("name", ranks.NAMES)
def test_the_gradient_of_halves_is_that_of_the_whole_batch(both, name):
    recipe = experiments.named(name)
    networks = ranks.networks_of(recipe)
    whole = ranks.slopes(ranks.loss(recipe, networks, ranks.inputs(2 * ranks.HALF)), networks)
    first, second = (torch.load(both / f"slopes{rank}.pt")[name] for rank in (0, 1))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, whole, rtol=1e-4, atol=1e-6)
    half = ranks.loss(recipe, networks, ranks.inputs(2 * ranks.HALF), slice(ranks.HALF))
    assert not torch.allclose(ranks.slopes(half, networks), whole, rtol=1e-2)


@pytest.mark.parametrize("recipe", [ranks.WHOLE, ranks.GAME], ids=["autoencoder", "wgan-gp"])
def test_both_processes_end_with_the_same_weights(both, recipe):
    first, second = (torch.load(both / f"{recipe.name}{rank}.pt") for rank in (0, 1))
    for mine, theirs in zip(first, second, strict=True):
        assert all(torch.equal(values, theirs[name]) for name, values in mine.items())


def test_two_processes_train_as_one_with_the_whole_batch(both, tmp_path):
    stem = tmp_path / "alone"
    (alone,) = recording.train(ranks.WHOLE, gmm5(), (5,), stems=[stem], device="cpu", fast=False)
    first = torch.load(both / f"{ranks.WHOLE.name}0.pt")[0]
    for name, values in alone.model.state_dict().items():
        torch.testing.assert_close(first[name], values, rtol=1e-3, atol=1e-4)
    fresh = recording.networks(ranks.WHOLE, gmm5(), ranks.runs.data(gmm5()), 5, recording.stream(5))
    moved = (alone.model.encoder.net[0].weight - fresh[0].encoder.net[0].weight).abs().max()
    assert moved > 1e-2  # so that the tolerance above tells something


def test_one_process_keeps_the_run(both):
    record = storage.read_record(both / ranks.GAME.name)
    assert record["complete"]
    assert record["recipe"]["batch"] == ranks.GAME.batch


def test_the_command_trains_on_two_processes_and_speaks_once(tmp_path):
    words = ["-m", "helpers", "train", "gan", "--epochs", "1", "--batch", "5000"]
    words += ["--device", "cpu", "--out"]
    done = torchrun(*words, tmp_path / "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr[:3_000]
    assert done.stdout.count("saved ") == 1
    assert storage.read_record(tmp_path / "run" / "seed5")["complete"]


def test_a_batch_that_cannot_be_parted_is_told():
    recipe = recipes.changed(experiments.named("gan"), batch=255)
    with pytest.raises(recipes.BadRecipe, match="batch = 255: 2 processes"):
        parallel.part(recipe, 2)


def test_each_point_belongs_to_one_process_and_all_have_as_many():
    points = torch.arange(7).view(7, 1)
    shares = [parallel.share(points, rank, 3).flatten().tolist() for rank in range(3)]
    assert shares == [[0, 3], [1, 4], [2, 5]]
