"""A record is made cell by cell, goes on where it was killed, and forgets what has changed."""

import json
import math

import pytest
import torch
from small import recipe, shrink

from helpers import recorder, runs, study, targets
from helpers.recipes import BadRecipe
from helpers.study import evidence, records
from helpers.study.records import BadRecord, Cell
from helpers.training import stream

TARGET = targets.gmm5()


def in_turn(function, tasks, workers, ordered=True):
    return (function(*task) for task in tasks)


@pytest.fixture
def made(monkeypatch):
    """The cells that were measured, in order; and a function that completes them."""
    done = []

    def measure(work, seeds, device):
        done.extend((work, seed) for seed in seeds)
        return [{"value": 10 * work + seed} for seed in seeds]

    monkeypatch.setattr(records.processes, "each", in_turn)

    def complete(cells, **options):
        return records.complete("points", cells, measure, 1, lambda line: None, **options)

    return done, complete


CELLS = {f"{work}/{seed}": Cell((work,), seed) for work in (1, 2) for seed in (0, 1)}


def test_only_what_is_missing_is_made(made):
    done, complete = made
    found = complete(CELLS)
    assert done == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert [one["value"] for one in found.values()] == [10, 11, 20, 21]
    done.clear()
    assert complete(CELLS | {"3/0": Cell((3,), 0)})["3/0"]["value"] == 30
    assert done == [(3, 0)]
    assert set(complete({"1/0": CELLS["1/0"]})) == {"1/0"}  # what is no longer asked for goes


def test_what_was_measured_before_a_kill_stays(made, monkeypatch):
    done, complete = made

    def killed(function, tasks, workers, ordered):
        yield function(*tasks[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(records.processes, "each", killed)
    with pytest.raises(KeyboardInterrupt):
        complete(CELLS)
    monkeypatch.setattr(records.processes, "each", in_turn)
    complete(CELLS)
    assert done == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_another_device_takes_all_seeds_of_a_work_at_once(made):
    calls = []

    def measure(work, seeds, device):
        calls.append((work, tuple(seeds), device))
        return [{"value": seed} for seed in seeds]

    found = records.complete("points", CELLS, measure, 1, lambda line: None, "cuda")
    assert calls == [(1, (0, 1), "cuda"), (2, (0, 1), "cuda")]
    assert [one["value"] for one in found.values()] == [0, 1, 0, 1]


OF = records._of(Cell((recipe("gan"), 0.5), 3), 1)


@pytest.mark.parametrize(
    ("work", "seed", "version", "same"),
    [
        ((recipe("gan"), 0.5), 3, 1, True),
        ((recipe("gan", idea="in other words"), 0.5), 3, 1, True),
        ((recipe("gan", learning_rate=2e-3), 0.5), 3, 1, False),
        ((recipe("vae"), 0.5), 3, 1, False),
        ((recipe("gan"), 0.25), 3, 1, False),
        ((recipe("gan"),), 3, 1, False),
        ((recipe("gan"), 0.5), 4, 1, False),
        ((recipe("gan"), 0.5), 3, 2, False),
    ],
)
def test_a_cell_stays_as_long_as_its_numbers_do(work, seed, version, same):
    kept = json.loads(json.dumps({"of": OF, "value": 1}))
    assert records._same(kept, Cell(work, seed), version) == same


def test_a_younger_field_leaves_cells_as_they_are_and_another_default_does_not():
    kept = json.loads(json.dumps({"of": OF, "value": 1}))
    del kept["of"]["work"][0]["floor"]  # as before there was one
    assert records._same(kept, Cell((recipe("gan"), 0.5), 3), 1)
    kept["of"]["work"][0]["average"] = 0.5  # what the default was when it was made
    assert not records._same(kept, Cell((recipe("gan"), 0.5), 3), 1)


def test_another_training_makes_every_cell_anew(made, monkeypatch):
    done, complete = made
    complete(CELLS)
    monkeypatch.setattr(records, "TRAINING_VERSION", 0)
    done.clear()
    complete(CELLS)
    assert len(done) == 4


@pytest.mark.parametrize(
    "small", [recipe("gan", sampler="gaussian", activation="relu"), recipe("vae")]
)
def test_a_fit_is_the_training_that_a_run_keeps(small, monkeypatch):
    shrink(monkeypatch)
    points, epochs = TARGET.draws().train.points, []
    ((network, *_),) = records.fit(
        small, TARGET, points, [3], watch=lambda *seen: epochs.append(seen[2].epoch)
    )
    run = recorder.train(small, TARGET, (3,), device="cpu")[0]
    z = torch.randn(5, 2, generator=stream(1))
    torch.testing.assert_close(
        network.draw(z, stream(2)), run.model.draw(z, stream(2)), rtol=1e-4, atol=1e-5
    )
    assert epochs == [1, 2, 3]


def test_a_fit_has_no_run_to_start_from():
    with pytest.raises(BadRecipe, match="starts from vae-beta-1; train it as a run"):
        records.fit(recipe("gan-warm", generator=(64, 128)), TARGET, torch.zeros(200, 2), [0])


def test_a_cell_is_called_after_its_recipe_its_values_and_its_seed():
    small = recipe("gan")
    found = records.grid([(small, 0.25), (small, 100_000)], (0, 3))
    assert list(found) == [f"gan-custom/{v}/seed{s}" for v in ("0.25", "100000") for s in (0, 3)]
    assert found["gan-custom/0.25/seed3"] == Cell((small, 0.25), 3)


def test_runs_are_looked_at_again_when_their_weights_are_others(monkeypatch):
    shrink(monkeypatch)
    made = recorder.train(recipe("gan"), TARGET, (80, 81), device="cpu")
    stems, seen = {f"gan/seed{run.seed}": run.stem for run in made}, []

    def look(stem):
        seen.append(stem.name)
        return {"value": len(seen)}

    monkeypatch.setattr(records.processes, "each", in_turn)
    silent = (look, 1, lambda line: None)
    first = records.of_runs("gap", stems, *silent)
    assert [one["value"] for one in first.values()] == [1, 2]
    assert records.of_runs("gap", stems, *silent) == first
    recorder.train(recipe("gan", epochs=1), TARGET, (81,), device="cpu")
    assert records.of_runs("gap", stems, *silent)["gan/seed81"]["value"] == 3
    (record,) = runs.unpack(runs.file_of(stems["gan/seed80"]), "record.json")
    runs.pack(runs.file_of(stems["gan/seed80"]), {"record.json": record})  # its weights are gone
    assert records.of_runs("gap", stems, *silent)["gan/seed80"]["value"] == 1
    assert seen == ["seed80", "seed81", "seed81"]


def test_a_metric_of_a_recipe_is_asked_of_all_its_seeds():
    record = {"gan/seed0": {"tv": [0.5, 0.1], "share": 0.9}, "gan/seed1": {"tv": [None, None]}}
    assert records.of_recipe(record, "gan", "tv").tolist() == [0.5, math.inf]
    with pytest.raises(BadRecord, match=r"vae: not in the record; .* evidence` completes it"):
        records.of_recipe(record, "vae", "tv")


@pytest.mark.parametrize("text", ["", "[]", "{", "3"])
def test_a_damaged_record_says_how_to_make_it(text):
    records.save("power", {}).write_text(text, encoding="utf-8")
    message = "data/evidence/power.json: missing or damaged; make it with: .* evidence power"
    for read in (records.load, records.kept):  # a damaged one is not written over
        with pytest.raises(BadRecord, match=message):
            read("power")


def test_a_record_comes_back_and_what_is_not_finite_is_null():
    records.save("power", {"n": 5, "forward": [float("inf"), float("nan")]})
    assert records.load("power") == {"n": 5, "forward": [None, None]}


def test_the_command_line_knows_the_records_without_loading_what_makes_them():
    assert tuple(evidence.MAKERS) == study.RECORDS
