"""A summary's numbers are those of the modules they come from, and belong to the run's weights."""

import json
from dataclasses import replace
from itertools import islice

import pytest
from small import recipe, shrink

from helpers import recorder, runs, study, targets
from helpers.experiments import named
from helpers.files import REPOSITORY
from helpers.metrics import density, divergences, latent, modes
from helpers.metrics.scorecard import METRICS
from helpers.study import baselines, evidence, records, summaries
from helpers.training import stream

TARGET = targets.gmm5()
COMMITTED = sorted(path.stem for path in (REPOSITORY / "data" / "evidence").glob("*.json"))
REMADE = ("vae/seed5", "gan/seed5")  # by `make run`
SCORED = {metric.name for metric in METRICS}


# ------------------------------------------------------------------------------ what is committed


def weights_of(recipe, target, seed):
    return runs.read_record(runs.stem_of(recipe, target, seed))["weights"]


def test_every_record_is_committed_and_can_be_read():
    assert sorted(study.RECORDS) == COMMITTED
    assert all(records.load(name) for name in COMMITTED)


def test_summaries_are_of_the_committed_runs():
    found = records.load("summaries")
    for of, seed in summaries.studied():
        key = summaries.key_of(of, seed)
        record = runs.read_record(runs.stem_of(of, TARGET, seed))
        if key in REMADE:  # on another processor its weights differ, its scores hardly
            assert record["metrics"]["share"] == pytest.approx(found[key]["share"], abs=0.02)
        else:
            assert found[key]["weights"] == record["weights"], key
    assert set(found) <= {summaries.key_of(of, seed) for of, seed in summaries.studied()}


def test_the_benchmark_is_of_the_committed_runs():
    found = records.load("benchmark")
    for target, families in baselines.RECIPES.items():
        for family, name in families.items():
            place = targets.named(target)
            expected = [weights_of(named(name), place, seed) for seed in summaries.TEN]
            assert found[target][family]["weights"] == expected


# ------------------------------------------------------------------------------------- the record


def keep_record_alone(stem):
    record = runs.read_record(stem)
    runs.pack(runs.file_of(stem), {"record.json": json.dumps(record).encode()})


@pytest.fixture
def studied(monkeypatch):
    """Five runs of a recipe; the list that fills with those measured; and how to make records.

    Seed 90 has a summary of its weights and 91 one of others; 92 has none; 93 has one and its
    record alone, 94 its record alone.
    """
    shrink(monkeypatch)
    small = replace(recipe("gan", epochs=1), name="gan-fast")
    seeds = (90, 91, 92, 93, 94)
    made = recorder.train(small, TARGET, seeds, device="cpu")
    weights = {run.seed: run.record["weights"] for run in made}
    for run in made[3:]:
        keep_record_alone(run.stem)
    others = {90: weights[90], 91: "others", 93: "of long ago"}
    kept = {f"gan-fast/seed{seed}": {"weights": digest} for seed, digest in others.items()}
    records.save("summaries", kept)
    measured = []

    def measure(stem):
        measured.append(stem.name)
        return {"new": True}

    monkeypatch.setattr(summaries, "studied", lambda: [(small, seed) for seed in seeds])
    monkeypatch.setattr(summaries, "_summary", measure)
    monkeypatch.setattr(records.processes, "each", in_turn)
    return measured


def in_turn(function, tasks, workers, ordered=True):
    return (function(*task) for task in tasks)


def killed(function, tasks, workers, ordered):
    yield from islice(in_turn(function, tasks, workers), 1)
    raise KeyboardInterrupt


def test_only_other_weights_are_measured_and_a_killed_making_goes_on(studied, monkeypatch):
    monkeypatch.setattr(records.processes, "each", killed)
    with pytest.raises(KeyboardInterrupt):
        evidence.make(["summaries"], 1, lambda line: None)
    monkeypatch.setattr(records.processes, "each", in_turn)
    evidence.make(["summaries"], 1, lambda line: None)
    assert studied == ["seed91", "seed92"]
    found = records.load("summaries")
    assert list(found) == [f"gan-fast/seed{seed}" for seed in (90, 91, 92, 93)]
    assert found["gan-fast/seed93"] == {"weights": "of long ago"}
    assert found["gan-fast/seed91"]["new"]


# ----------------------------------------------------------------------------- one run's summary


@pytest.fixture
def small_sizes(monkeypatch):
    shrink(monkeypatch)
    for name, value in (("DRAWN", 300), ("SEEN", 400)):
        monkeypatch.setattr(summaries, name, value)
    for name in ("COMPARED", "DRAWN"):
        monkeypatch.setattr(divergences, name, 60)
    monkeypatch.setattr(density, "MESH", 60)
    monkeypatch.setattr(density, "NODES", {1: 64, 2: 32})


def trained(name, **values):
    return recorder.train(recipe(name, epochs=1, **values), TARGET, (0,), device="cpu")[0]


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_a_summary_of_either_family(name, small_sizes):
    run = trained(name)
    found = summaries.summary(run)
    assert found["seconds"] == run.history["seconds"][-1]
    assert set(found["scores"]) == SCORED
    samples = run.sample(300, stream(summaries.STREAMS["samples"]))
    assert found["scores"]["between modes"] == modes.between_modes(TARGET, samples)
    for score, key in summaries.SCORED_BEFORE.items():  # one value to a quantity
        assert found["scores"][score] == run.metrics[key]
    assert found["latent"]["border measure"] == latent.border_measure(TARGET, run.model.decode)
    assert sum(found["latent"]["region mass"]) == pytest.approx(1, abs=1e-5)
    assert 0 <= found["divergences"]["total_variation"][0] <= 1
    assert set(found["divergences"]) == set(divergences.Divergences._fields)
    assert "kl" not in found  # it is the forward divergence
    json.dumps(found)


def test_more_than_two_latents_have_no_plane_and_no_exact_density(small_sizes):
    found = summaries.summary(trained("gan", latent=4), scored=False)
    assert found["divergences"] is None
    assert "border measure" not in found["latent"]
    assert len(found["latent"]["stretch"]) == 3
    assert "scores" not in found
