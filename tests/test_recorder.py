"""Recording a training: what is kept and when, and what an interruption leaves to go on from."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small import recipe, shrink, weights
from torch import nn

from helpers import experiments, files, recipes, runs, targets, training
from helpers import recorder as recording
from helpers.metrics import evaluator
from helpers.recorder import (
    Probe,
    Recorder,
    load_or_train,
    probe_of,
    starting_networks,
    train,
)
from helpers.runs import BadRun
from helpers.targets import Labelled
from helpers.training import Snapshot, stream

TARGET = targets.gmm5()
MINE = targets.from_definition(targets.ring8().definition() | {"name": "mine"})
FAMILIES = ("vae", "gan")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


# ---------------------------------------------------------------------------------- the probe


class Shift(nn.Module):
    """x = z + 1 and decoder noise; no encoder."""

    latent = 2

    def draw(self, z, generator):
        return z + 1 + torch.randn(z.shape, generator=generator)


def test_a_probe_asks_the_same_each_time_and_all_runs_share_it():
    draws = TARGET.draws()
    (vae,) = TARGET.networks(recipe("vae"), draws.train.points, stream(3))
    for model in (vae, Shift()):
        one, two = (probe_of(recipe("vae"), TARGET, draws) for _ in range(2))
        for other in (one(model), two(model)):
            assert all(torch.equal(seen, other[name]) for name, seen in one(model).items())


def test_a_probe_looks_at_noise_points_and_codes():
    held_out = TARGET.sample_labelled(90, stream(1))
    (vae,) = TARGET.networks(recipe("vae"), held_out.points, stream(3))
    probe = Probe(2, held_out, watched=50, filmed=30)
    seen = probe(vae)
    assert {name: tuple(values.shape) for name, values in seen.items()} == {
        "samples": (50, 2),
        "codes": (30, 2),
        "reconstructions": (30, 2),
    }
    with torch.no_grad():
        codes = vae.encoder(held_out.points[:30]).mean
        assert torch.equal(seen["codes"], codes)
        assert torch.equal(seen["reconstructions"], vae.decoder(codes).mean)
    assert torch.equal(probe.components, held_out.components[:30])
    assert set(probe(Shift())) == {"samples"}
    few = Labelled(*(part[:7] for part in held_out))
    assert len(Probe(2, few, 50, 30)(vae)["codes"]) == 7  # all that there are


# ------------------------------------------------------------------------------- one recorder


def taken_up(recorder):
    """The state to go on from, as `train` takes it up."""
    return recorder.take_up(recording.interrupted(recorder.stem, recorder.identity))


def recorder_of(it, seed=5, stem=None):
    """A recorder of fresh networks."""
    draws = TARGET.draws()
    networks = TARGET.networks(it, draws.train.points, stream(seed))
    stem = stem or files.output(*runs.folder(it, TARGET).parts, f"seed{seed}")
    return Recorder(it, TARGET, draws, seed, networks, stem)


@pytest.fixture
def recorder():
    return recorder_of(recipe(epochs=60))


def snapshot(recorder, epoch):
    """What a training yields; the weights hold the epoch's number, so that one can tell."""
    with torch.no_grad():
        for p in recorder.networks[0].parameters():
            p.fill_(epoch / 100)
    return Snapshot(
        epoch=epoch,
        losses={"discriminator": epoch / 3, "generator": None if epoch == 1 else 2.0},
        validation={"discriminator": 3.0},
        probe=recorder.probe(recorder.networks[0]),
        seconds=4.0 * epoch,
        checkpoint=lambda: {"epoch": epoch, "seconds": 4.0 * epoch},
    )


def keep(recorder, *epochs):
    """Take up the snapshots of some epochs."""
    for epoch in epochs:
        recorder.keep(snapshot(recorder, epoch))


def names_beside(stem):
    """The files of a run that exist."""
    return sorted(path.name for path in stem.parent.glob(f"{stem.name}.*"))


RUN, CHECKPOINT = ["seed5.frames.zip", "seed5.zip"], "seed5.checkpoint.zip"


def test_the_history_starts_untrained_and_has_a_row_an_epoch(recorder):
    with recorder:
        keep(recorder, 1, 2)
    history = runs.read(recorder.stem).history
    assert history["epoch"] == [0, 1, 2]
    assert history["seconds"] == [0, 4, 8]
    assert history["discriminator"] == [None, 0.333333, 0.666667]  # six digits
    assert history["generator"] == [None, None, 2]  # not zero where it had no turn
    assert history["validation_discriminator"] == [None, 3, 3]
    samples = recorder.probe(recorder.networks[0])["samples"]
    scores = evaluator.MixtureEvaluator(TARGET).watch(2, 60, samples)
    assert {name: history[name][-1] for name in scores} == {
        name: pytest.approx(value, rel=1e-5) for name, value in scores.items()
    }


def test_where_epochs_are_long_all_is_saved_each_minute(recorder):
    keep(recorder, *range(1, 16))  # of four seconds each
    assert names_beside(recorder.stem) == []
    keep(recorder, 16, 17)
    assert taken_up(recorder_of(recorder.recipe)) == {"epoch": 16, "seconds": 64.0}


def test_every_25_epochs_all_that_training_needs_is_saved_in_one_file(recorder, monkeypatch):
    monkeypatch.setattr("helpers.recorder.SAVE_SECONDS", 1_000)
    keep(recorder, *range(1, 25))
    assert names_beside(recorder.stem) == []
    keep(recorder, 25, 26)
    assert names_beside(recorder.stem) == [CHECKPOINT]  # a run is there when it is complete
    later = recorder_of(recorder.recipe)
    assert taken_up(later) == {"epoch": 25, "seconds": 100.0}
    assert [row["epoch"] for row in later.rows] == list(range(26))
    assert len(later.frames) == 25


def test_a_complete_run_has_scores_and_frames_and_no_checkpoint():
    recorder = recorder_of(recipe(epochs=2))
    with recorder:
        keep(recorder, 1)
        recorder.save_checkpoint()
        keep(recorder, 2)
    run = runs.read(recorder.stem)
    assert run.record["complete"]
    assert {"share", "weight_kl", "cross_entropy", "modes"} <= set(run.metrics)
    assert names_beside(recorder.stem) == RUN
    assert [frame.epoch for frame in run.frames] == [1, 2]
    seen = recorder.probe(recorder.networks[0])["samples"][: evaluator.FILMED]
    assert torch.equal(run.frames[-1].probe["samples"], seen.half().float())


def test_nothing_is_written_where_nothing_was_trained(recorder):
    interrupted(recorder, stop)
    assert names_beside(recorder.stem) == []


def stop(*_, **options):
    raise KeyboardInterrupt


def interrupted(recorder, work):
    """Work within the recorder's block, and be interrupted there."""

    def block():
        with recorder:
            work()

    with pytest.raises(KeyboardInterrupt):
        block()


def in_the_step(recorder, patch):
    snapshot(recorder, 3)  # the networks have moved on, and nobody was told
    stop()


def while_scoring(recorder, patch):
    patch.setattr(recorder.evaluator, "watch", stop)


def before_the_state(recorder, patch):
    patch.setattr(recorder, "_row", lambda snapshot: recorder.frames.append(None) or stop())


@pytest.mark.parametrize("interrupt", [in_the_step, while_scoring, before_the_state])
def test_an_interruption_anywhere_leaves_the_last_whole_epoch(recorder, monkeypatch, interrupt):
    keep(recorder, 1, 2)
    with monkeypatch.context() as patch:
        interrupted(recorder, lambda: (interrupt(recorder, patch), keep(recorder, 3)))
    run = runs.read(recorder.stem)
    assert (run.history["epoch"], run.record["complete"]) == ([0, 1, 2], False)
    assert len(run.frames) == 2
    assert all((p == 0.02).all() for p in run.model.parameters())
    assert taken_up(recorder_of(recorder.recipe))["epoch"] == 2


def test_an_interruption_of_the_last_save_does_not_lose_the_run(monkeypatch):
    """Scoring a finished model takes seconds, in which one may become impatient."""
    recorder = recorder_of(recipe(epochs=1))

    def impatient():
        with monkeypatch.context() as patch:
            patch.setattr(recorder.evaluator, "final", stop)
            keep(recorder, 1)

    interrupted(recorder, impatient)
    assert runs.read(recorder.stem).record["complete"]
    assert names_beside(recorder.stem) == RUN


def test_a_finished_run_stays_while_its_successor_trains_and_is_interrupted():
    it = recipe(epochs=30)
    with recorder_of(it) as first:
        keep(first, *range(1, 31))
    content = runs.file_of(first.stem).read_bytes()
    second = recorder_of(it)
    interrupted(second, lambda: (keep(second, *range(1, 28)), stop()))  # over a save
    assert runs.file_of(first.stem).read_bytes() == content
    assert len(runs.read(first.stem).frames) == 30
    third = recorder_of(it)
    assert taken_up(third)["epoch"] == 27  # and the successor goes on
    with third:
        keep(third, 28, 29, 30)
    assert names_beside(first.stem) == RUN
    assert runs.read(first.stem).history["epoch"] == list(range(31))


def test_taking_up_goes_on_and_leaving_at_once_loses_nothing(recorder):
    with recorder:
        keep(recorder, 1, 2)
    before = {p: p.read_bytes() for p in recorder.stem.parent.iterdir()}
    reworded = recipes.to_dict(recorder.recipe) | {"idea": "in other words"}
    later = recorder_of(recipes.from_dict(reworded))  # which train nothing
    taken_up(later)
    with later:
        pass
    assert {p: p.read_bytes() for p in recorder.stem.parent.iterdir()} == before
    with later:
        keep(later, 3)
    run = runs.read(recorder.stem)  # an unfinished run makes room for what was reached later
    assert run.history["epoch"] == [0, 1, 2, 3]
    assert len(run.frames) == 3


def foreign(**values):
    """Another recipe finds the checkpoint."""
    return lambda recorder: recorder_of(recipe(**{"epochs": 60, **values}))


def another_target(recorder):
    draws = MINE.draws()
    networks = MINE.networks(recorder.recipe, draws.train.points, stream(5))
    return Recorder(recorder.recipe, MINE, draws, 5, networks, recorder.stem)


def rewritten(content):
    """The checkpoint's file holds something else."""

    def make(recorder):
        path = runs.file_of(recorder.stem, ".checkpoint.zip")
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            runs.pack(path, {"checkpoint.pt": runs.save_tensors(content)})
        return recorder_of(recorder.recipe)

    return make


FOREIGN = {
    "another length": (foreign(epochs=61), "with another epochs; resume with the same numbers"),
    "another rate": (foreign(learning_rate=0.5), "with another learning rate; resume with"),
    "another seed": (
        lambda recorder: recorder_of(recorder.recipe, seed=6, stem=recorder.stem),
        "with another seed; resume with",
    ),
    "another target": (another_target, "with another target; resume with"),
    "text": (rewritten(b"hello"), "damaged .*; train the run again$"),
    "nothing": (rewritten(b""), "damaged .*; train the run again$"),
    "other parts": (rewritten({"epoch": 1}), "damaged; train without --resume"),
    "a number": (rewritten(3), "damaged .*; train the run again$"),
    "a list": (rewritten([1, 2]), "damaged .*; train the run again$"),
}


@pytest.mark.parametrize(("make", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_checkpoint_that_is_damaged_or_of_other_numbers_is_refused(recorder, make, message):
    with recorder:
        keep(recorder, 1)
    with pytest.raises(BadRun, match=rf"seed5\.checkpoint\.zip: .*{message}") as caught:
        taken_up(make(recorder))
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_version_of_training_is_refused(recorder, monkeypatch):
    with recorder:
        keep(recorder, 1)
    monkeypatch.setattr(training, "TRAINING_VERSION", 99)
    with pytest.raises(BadRun, match="another training version"):
        taken_up(recorder_of(recorder.recipe))


def test_the_line_tells_where_it_stands(recorder):
    keep(recorder, 1)
    assert recorder.line().startswith("gan-custom, seed 5: epoch   1 of 60, within 3σ ")


# ---------------------------------------------------------------------------- whole trainings


def trained(it, folder, seeds=(5,), **options):
    """Train into a folder."""
    return train(it, TARGET, seeds, stems=[folder / f"seed{seed}" for seed in seeds], **options)


def until(epoch):
    """Interrupt a training after an epoch."""
    return lambda recorder: stop() if recorder.rows[-1]["epoch"] == epoch else None


def untimed(run):
    """A history without what a clock says."""
    return {name: column for name, column in run.history.items() if name != "seconds"}


@pytest.mark.parametrize("name", FAMILIES)
def test_members_of_one_training_are_the_runs_they_would_be_alone(tmp_path, name):
    """Weights and every number of the history; checkpoints too, which do not grow."""
    it, sizes = recipe(name), []
    together = trained(it, tmp_path / "together", (5, 6))
    for run in together:
        (alone,) = trained(it, tmp_path / "alone", (run.seed,))
        assert torch.equal(weights(run), weights(alone))
        assert untimed(run) == untimed(alone)
        assert run.metrics == alone.metrics
        assert run.record["complete"]
    assert not torch.equal(*map(weights, together))
    for seeds in ((5,), (5, 6), (5, 6, 7)):
        with pytest.raises(KeyboardInterrupt):
            trained(it, tmp_path / "broken", seeds, watch=until(1))
        path = tmp_path / "broken" / CHECKPOINT
        sizes.append(len(runs.unpack(path, "checkpoint.pt")[0]))
    assert max(sizes) - min(sizes) < 500


def test_frozen_layers_of_several_seeds_are_each_their_own(tmp_path, monkeypatch):
    monkeypatch.setitem(experiments.RECIPES, "first", replace(recipe("vae"), name="first"))
    it = recipe("gan", frozen=1, start="first", activation="relu")
    together = trained(it, tmp_path / "together", (5, 6))
    for run in together:
        (alone,) = trained(it, tmp_path / "alone", (run.seed,))
        assert torch.equal(weights(run), weights(alone))
        assert torch.equal(run.model.net[0].weight, alone.model.net[0].weight)
    assert not torch.equal(*(run.model.net[0].weight for run in together))


@pytest.mark.parametrize(("name", "seeds"), [("vae", (5,)), ("gan", (5, 6))])
def test_resuming_gives_the_run_of_an_unbroken_training(tmp_path, name, seeds):
    it = recipe(name, epochs=4)
    whole = trained(it, tmp_path / "whole", seeds)
    with pytest.raises(KeyboardInterrupt):
        trained(it, tmp_path / "broken", seeds, watch=until(2))
    half = runs.read(tmp_path / "broken" / "seed5")
    assert (half.history["epoch"], half.record["complete"]) == ([0, 1, 2], False)
    resumed = trained(it, tmp_path / "broken", seeds, resume=True)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(weights(one), weights(other))
        assert untimed(one) == untimed(other)
        assert one.metrics == other.metrics
        assert len(other.frames) == 4


def test_members_saved_at_different_epochs_each_go_on_from_their_own(tmp_path):
    """As if power had failed between two saves, and one had not been saved at all."""
    it, seeds = recipe(epochs=3), (5, 6, 7)
    whole = trained(it, tmp_path / "whole", seeds)
    for epoch, name in ((1, "seed5"), (2, "seed6")):
        with pytest.raises(KeyboardInterrupt):
            trained(it, tmp_path / name, seeds, watch=until(epoch))
        checkpoint = tmp_path / name / f"{name}.checkpoint.zip"
        files.write_text(tmp_path / "broken" / "here", "")
        checkpoint.rename(tmp_path / "broken" / checkpoint.name)
    resumed = trained(it, tmp_path / "broken", seeds, resume=True)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(weights(one), weights(other))
        assert untimed(one) == untimed(other)


CHILD = """
import signal, sys, time
from dataclasses import replace
from pathlib import Path
import pytest
sys.path.insert(0, {tests!r})
from small import recipe, shrink
from helpers import recorder, targets

def wait(recorder):
    if recorder.rows[-1]["epoch"] == 2:
        print("ready", flush=True)
        time.sleep(600)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
shrink(pytest.MonkeyPatch())
recorder.train(recipe(epochs=4), targets.gmm5(), stems=[Path(sys.argv[1])], watch=wait)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_a_real_interrupt_leaves_a_run_that_resumes(tmp_path):
    (whole,) = trained(recipe(epochs=4), tmp_path / "whole")
    code = CHILD.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, str(tmp_path / "broken" / "seed5")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout.readline().strip() == b"ready"
        child.send_signal(signal.SIGINT)
        assert child.wait() != 0
    assert runs.read(tmp_path / "broken" / "seed5").history["epoch"] == [0, 1, 2]
    (resumed,) = trained(recipe(epochs=4), tmp_path / "broken", resume=True)
    assert torch.equal(weights(whole), weights(resumed))


def test_what_cannot_be_trained_is_refused_and_nothing_written(tmp_path):
    images = SimpleNamespace(name="pictures", domain="images")
    cases = {
        "batch 601 exceeds the 600 training points; lower it": (recipe(batch=601), TARGET),
        "gan-custom: a recipe for targets in the plane": (recipe(), images),
        "start = gan: has no decoder; name a VAE's": (recipe("gan-warm", start="gan"), TARGET),
    }
    for message, (it, target) in cases.items():
        with pytest.raises(ValueError, match=message) as caught:
            train(it, target, stems=[tmp_path / "run" / "seed5"])
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_missing_runs_are_trained_together_once(monkeypatch):
    told = []
    original = recording.train
    monkeypatch.setattr(
        recording, "train", lambda *a, **more: told.append(a[2]) or original(*a, **more)
    )
    it = recipe(epochs=1)
    one = load_or_train(it, MINE, (5,))
    both = load_or_train(it, MINE, (5, 6, 7))
    assert told == [[5], [6, 7]]
    assert both[0].stem == one[0].stem
    assert one[0].stem.parent.name == f"gan-custom@mine-{MINE.key}"
    path = runs.file_of(one[0].stem)
    runs.pack(path, {"record.json": runs.unpack(path, "record.json")[0]})
    load_or_train(it, MINE, (5, 6))  # a record is enough,
    load_or_train(it, MINE, (5, 6), weights=True)  # unless weights are asked for
    assert told[2:] == [[5]]


def test_a_warm_start_trains_the_vae_first_and_begins_as_its_mean_map(monkeypatch):
    values = recipes.to_dict(recipe("vae-beta-1", epochs=1)) | {"name": "vae-beta-1"}
    monkeypatch.setitem(experiments.RECIPES, "vae-beta-1", recipes.from_dict(values))
    network, _ = starting_networks(recipe("gan-warm"), TARGET, TARGET.draws(), 5, stream(5))
    source = runs.load(experiments.named("vae-beta-1"), TARGET)
    z = torch.randn(50, 2, generator=stream(1))
    assert torch.equal(network(z), source.model.decode(z))
