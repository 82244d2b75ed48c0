"""Training a recipe: the same weights from the same seed, whatever comes between."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import recipe, shrink, weights

from helpers import experiments, recipes, recording, runs, stepping, storage, targets

TARGET = targets.gmm5()
MINE = targets.from_definition(targets.ring8().definition() | {"name": "mine"})


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


def train(it, tmp_path, name, seeds=(5,), **options):
    stems = [tmp_path / name / f"seed{seed}" for seed in seeds]
    return recording.train(it, TARGET, seeds, stems=stems, **{"fast": False, **options})


def stop_after(epoch):
    def watch(recorder):
        if recorder.rows[-1]["epoch"] == epoch:
            raise KeyboardInterrupt

    return watch


FAMILIES = ["vae", "gan"]


@pytest.mark.parametrize("name", FAMILIES)
def test_one_seed_gives_the_same_weights_twice(tmp_path, name):
    (one,) = train(recipe(name), tmp_path, "one")
    (two,) = train(recipe(name), tmp_path, "two")
    (other,) = train(recipe(name), tmp_path, "other", seeds=(6,))
    assert torch.equal(weights(one), weights(two))
    assert not torch.equal(weights(one), weights(other))
    for file in ("seed5.pt", "seed5.probes.npz"):
        assert (tmp_path / "one" / file).exists()
    assert (
        one.history["critic" if name == "gan" else "loss"][1:]
        == (two.history["critic" if name == "gan" else "loss"][1:])
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_training_moves_the_weights_and_finishes(tmp_path, name):
    (run,) = train(recipe(name), tmp_path, "run")
    data = runs.data(TARGET)
    start = recording.networks(run.recipe, TARGET, data, 5, recording.stream(5))
    before = torch.cat([p.flatten() for net in start if net is not None for p in net.parameters()])
    assert not torch.allclose(weights(run), before, atol=1e-4)
    assert run.record["complete"]
    assert run.history["epoch"] == [0, 1, 2, 3]


@pytest.mark.parametrize("name", FAMILIES)
def test_members_of_one_pass_are_the_runs_they_would_be_alone(tmp_path, name):
    together = train(recipe(name), tmp_path, "together", seeds=(5, 6))
    for run in together:
        (alone,) = train(recipe(name), tmp_path, "alone", seeds=(run.seed,))
        assert torch.allclose(weights(run), weights(alone), atol=1e-5)


def test_frozen_layers_of_several_seeds_are_each_their_own(tmp_path):
    it = recipe("gan", frozen=1)
    together = train(it, tmp_path, "together", seeds=(5, 6))
    for run in together:
        (alone,) = train(it, tmp_path, "alone", seeds=(run.seed,))
        assert torch.equal(weights(run), weights(alone))
        assert torch.equal(run.model.net[0].weight, alone.model.net[0].weight)
    assert not torch.equal(together[0].model.net[0].weight, together[1].model.net[0].weight)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seeds", [(5,), (5, 6)])
def test_resuming_gives_the_weights_of_an_unbroken_training(tmp_path, name, seeds):
    it = recipe(name, epochs=4)
    whole = train(it, tmp_path, "whole", seeds)
    with pytest.raises(KeyboardInterrupt):
        train(it, tmp_path, "broken", seeds, watch=stop_after(2))
    half = runs.read(tmp_path / "broken" / "seed5")
    assert half.history["epoch"] == [0, 1, 2]
    assert not half.record["complete"]
    resumed = train(it, tmp_path, "broken", seeds, resume=True)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(weights(one), weights(other))
        same = {k: v for k, v in one.history.items() if k != "seconds"}
        assert same == {k: v for k, v in other.history.items() if k != "seconds"}
        assert repr(one.metrics) == repr(other.metrics)  # some scores are NaN
        assert len(other.frames) == 4


def test_members_saved_at_different_epochs_resume_from_the_earlier(tmp_path):
    it, seeds = recipe(epochs=4), (5, 6)
    whole = train(it, tmp_path, "whole", seeds)
    for epoch, keep in ((1, "seed6"), (3, "seed5")):  # as if power failed between two saves
        folder = tmp_path / f"until{epoch}"
        with pytest.raises(KeyboardInterrupt):
            train(it, tmp_path, folder.name, seeds, watch=stop_after(epoch))
        for path in folder.glob(f"{keep}.*"):
            target = tmp_path / "broken" / path.name
            target.parent.mkdir(exist_ok=True)
            path.rename(target)
    resumed = train(it, tmp_path, "broken", seeds, resume=True)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(weights(one), weights(other))
        assert other.history["epoch"] == [0, 1, 2, 3, 4]


def test_resuming_with_other_seeds_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(recipe(), tmp_path, "broken", (5, 6), watch=stop_after(1))
    with pytest.raises(storage.BadRun, match="saved by 2 trainings at once, not 1; resume with"):
        train(recipe(), tmp_path, "broken", (5,), resume=True)


def test_resuming_where_nothing_was_saved_starts_anew(tmp_path):
    (one,) = train(recipe(), tmp_path, "one", resume=True)
    (two,) = train(recipe(), tmp_path, "two")
    assert torch.equal(weights(one), weights(two))


CHILD = """
import signal, sys, time
from pathlib import Path
import pytest
sys.path.insert(0, {tests!r})
from small import recipe, shrink
from helpers import recording, targets

def wait(recorder):
    if recorder.rows[-1]["epoch"] == 2:
        print("ready", flush=True)
        time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
shrink(pytest.MonkeyPatch())
recording.train(recipe(epochs=4), targets.gmm5(), stems=[Path(sys.argv[1])], watch=wait, fast=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_a_real_interrupt_leaves_a_run_that_resumes(tmp_path):
    (whole,) = train(recipe(epochs=4), tmp_path, "whole")
    code = CHILD.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, str(tmp_path / "broken" / "seed5")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout.readline().strip() == b"ready"
        child.send_signal(signal.SIGINT)
        assert child.wait(30) != 0
    assert runs.read(tmp_path / "broken" / "seed5").history["epoch"] == [0, 1, 2]
    (resumed,) = train(recipe(epochs=4), tmp_path, "broken", resume=True)
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_steps_are_compiled_only_when_asked(tmp_path, monkeypatch, name, fast):
    seen = []
    monkeypatch.setattr(stepping, "compiled", lambda update, large: seen.append(update) or update)
    train(recipe(name, epochs=1), tmp_path, "run", fast=fast)
    assert len(seen) == (0 if not fast else 2 if name == "gan" else 1)


def test_a_batch_larger_than_the_data_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError, match="batch 601 exceeds the 600 training points; lower it"):
        train(recipe(batch=601), tmp_path, "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_run_is_trained_once(monkeypatch):
    (one,) = recording.load_or_train(recipe(), MINE, (5,), fast=False)
    monkeypatch.setattr(recording, "train", None)  # calling it again would raise
    (two,) = recording.load_or_train(recipe(), MINE, (5,), fast=False)
    assert one.stem == two.stem
    assert one.stem.parent.name == "gan-custom@mine"


@pytest.fixture
def short_vae(monkeypatch):
    """The warm start's VAE, made small under its own name."""
    values = {**recipes.to_dict(recipe("vae-beta-1", epochs=1)), "name": "vae-beta-1"}
    source = recipes.from_dict(values)
    monkeypatch.setitem(experiments.RECIPES, "vae-beta-1", source)
    return source


def test_a_warm_start_trains_the_vae_first_and_begins_as_its_mean_map(short_vae):
    warm = recipe("gan-warm")
    data = runs.data(TARGET)
    options = {"device": "cpu", "fast": False}
    network, _ = recording.networks(warm, TARGET, data, 5, recording.stream(5), **options)
    source = runs.load(short_vae, TARGET)
    z = torch.randn(50, 2, generator=recording.stream(1))
    assert torch.equal(network(z), source.model.decode(z))


def test_a_start_without_decoder_is_refused():
    with pytest.raises(recipes.BadRecipe, match="start = gan: has no decoder; name a VAE's"):
        recording.train(recipe("gan-warm", start="gan"), TARGET, fast=False)
