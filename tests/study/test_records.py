"""A record is made cell by cell, goes on where it was killed, and forgets what has changed."""

import pytest
import torch
from small import recipe, shrink

from helpers import recorder, study, targets
from helpers.study import evidence, records
from helpers.study.records import BadRecord, Cell
from helpers.training import stream

TARGET = targets.gmm5()


def in_turn(function, tasks, workers):
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

    def killed(function, tasks, workers):
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


def test_a_cell_of_other_numbers_is_made_anew_and_one_of_other_words_is_not(made, monkeypatch):
    done, complete = made
    base = recipe("gan")
    marks = {
        name: records._mark(Cell((one,), 0))
        for name, one in {
            "same": base,
            "words": recipe("gan", idea="in other words"),
            "numbers": recipe("gan", learning_rate=2e-3),
        }.items()
    }
    assert marks["same"] == marks["words"] != marks["numbers"]
    complete(CELLS)
    monkeypatch.setattr(records, "TRAINING_VERSION", 0)
    done.clear()
    complete(CELLS)
    assert len(done) == 4


def test_a_fit_is_the_training_that_a_run_keeps(monkeypatch):
    shrink(monkeypatch)
    small, points = recipe("gan", sampler="gaussian", activation="relu"), TARGET.draws().train
    epochs = []
    ((generator, _),) = records.fit(
        small, TARGET, points.points, [3], watch=lambda *seen: epochs.append(seen[2].epoch)
    )
    run = recorder.train(small, TARGET, (3,), device="cpu")[0]
    z = torch.randn(5, 2, generator=stream(1))
    torch.testing.assert_close(
        generator.draw(z, stream(2)), run.model.draw(z, stream(2)), rtol=1e-4, atol=1e-5
    )
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize("text", ["", "[]", "{", "3"])
def test_a_damaged_record_says_how_to_make_it(text):
    records.save("power", {}).write_text(text, encoding="utf-8")
    message = "data/evidence/power.json: missing or damaged; make it with: .* evidence power"
    with pytest.raises(BadRecord, match=message):
        records.load("power")


def test_a_record_comes_back_and_what_is_not_finite_is_null():
    records.save("power", {"n": 5, "forward": [float("inf"), float("nan")]})
    assert records.load("power") == {"n": 5, "forward": [None, None]}


def test_the_command_line_knows_the_records_without_loading_what_makes_them():
    assert {*evidence.MEASURED, *evidence.TRAINED} == set(study.RECORDS)
