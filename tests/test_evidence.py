"""Records belong to the code and the runs they speak of; what is out of date is refused."""

import json

import pytest

from helpers import evidence, mixtures, targets
from helpers.evidence import BadEvidence
from helpers.experiments import named
from helpers.places import REPOSITORY

COMMITTED = sorted(path.stem for path in (REPOSITORY / "data" / "evidence").glob("*.json"))


def weights_of(recipe, target, seed):
    path = evidence.runs.saved_stem(recipe, target, seed).with_suffix(".json")
    return json.loads(path.read_text(encoding="utf-8"))["weights"]


def test_every_record_is_committed_and_belongs_to_the_metrics_of_today():
    assert sorted(evidence.RECORDS) == COMMITTED
    assert all(evidence.load(name) for name in COMMITTED)


def test_portraits_are_of_the_committed_runs():
    found = evidence.load("portraits")
    for recipe, seed in evidence._portrayed():
        name = f"{recipe.name}/seed{seed}"
        stem = evidence.runs.saved_stem(recipe, targets.gmm5(), seed)
        assert (name in found) == stem.with_suffix(".json").exists(), name
        if name in found:
            assert found[name]["weights"] == weights_of(recipe, targets.gmm5(), seed), name


def test_the_mixtures_are_those_of_the_committed_runs():
    found = evidence.load("mixtures")
    for target in mixtures.TARGETS:
        for family, name in mixtures.RECIPES[target].items():
            expected = [weights_of(named(name), targets.named(target), s) for s in evidence.TEN]
            assert found[target][family]["weights"] == expected


def test_a_record_comes_back_and_an_older_one_does_not(monkeypatch):
    evidence.save("faults", {"n": 5})
    assert evidence.load("faults") == {"n": 5}
    monkeypatch.setitem(evidence.CODE, "faults", ("helpers.places",))
    with pytest.raises(BadEvidence, match=r"changed since; .* evidence faults"):
        evidence.load("faults")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"code": 1}'])
def test_a_damaged_record_says_how_to_make_it(text):
    evidence.save("faults", {}).write_text(text, encoding="utf-8")
    with pytest.raises(BadEvidence, match=r"missing or damaged; make it with"):
        evidence.load("faults")


def test_an_unknown_record_is_refused_before_anything_is_made():
    with pytest.raises(BadEvidence, match="fault: no such record; choose of faults"):
        evidence.make(["faults", "fault"])


def test_only_runs_with_other_weights_are_portrayed_anew(monkeypatch):
    pair = [(named("gan-fast"), 0), (named("gan-fast"), 1)]
    monkeypatch.setattr(evidence, "_portrayed", lambda: pair)
    made = []

    def in_turn(tasks):
        return [function(*values) for function, values, _ in tasks]

    def portray(stem):
        made.append(stem.name)
        return {"weights": json.loads(stem.with_suffix(".json").read_text())["weights"]}

    monkeypatch.setattr(evidence, "_portrait", portray)
    monkeypatch.setattr(evidence.joblib, "Parallel", lambda **_: in_turn)
    evidence.save("portraits", {"gan-fast/seed0": {"weights": weights_of(*_first(pair))}})
    found = evidence.portraits_of_runs(1, lambda line: None)
    assert made == ["seed1"]
    assert list(found) == ["gan-fast/seed0", "gan-fast/seed1"]


def test_jobs_are_all_that_the_records_speak_of():
    jobs = evidence.jobs()
    labels = {(job.recipe.name, job.target.name): job.seeds for job in jobs}
    assert len(labels) == len(jobs)
    assert labels["gan-best", "gmm5"] == labels["gan-mixture", "ring8"] == evidence.TEN
    assert labels["gan-front-width-8", "gmm5"] == (0, 1, 2, 3, 4)
    portrayed = sum(len(job.seeds) for job in jobs if job.target.name == "gmm5")
    assert portrayed == len(list(evidence._portrayed()))


def _first(pair):
    recipe, seed = pair[0]
    return recipe, targets.gmm5(), seed
