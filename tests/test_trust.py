"""Power and false alarms: counted as they should be, on scores made up and on real ones."""

import numpy as np
import pytest

from helpers import trust
from helpers.metrics.catalogue import METRICS
from helpers.metrics.faults import FAULTS
from helpers.targets import gmm5


def made_up(n, seed, shift=0.0):
    """Scores that are normal on every metric's own range of values, by metric name."""
    draw = np.random.default_rng(seed).normal
    return [{m.name: 0.5 + 0.01 * draw() + shift for m in METRICS} for _ in range(n)]


def test_power_counts_what_leaves_the_range():
    null = made_up(60, 0)
    found = trust.power(null, [*made_up(5, 1), *made_up(15, 2, shift=0.2)])
    plain = [m.name for m in METRICS if m.scale != "p-value"]
    assert all(0.7 < found[name] <= 0.95 for name in plain)


def test_false_alarms_are_about_five_in_a_hundred():
    alarms = trust.false_alarms(made_up(400, 3))
    plain = [alarms[m.name] for m in METRICS if m.scale != "p-value"]
    assert np.mean(plain) == pytest.approx(0.05, abs=0.02)


def test_a_null_is_judged_by_the_others_alone():
    null = [*made_up(30, 4), {m.name: 0.9 for m in METRICS}]
    with_itself = trust.power(null, null[-1:])
    without = trust.power(null[:-1], null[-1:])
    alarms = trust.false_alarms(null)
    assert without["within 3σ"] == 1
    assert alarms["within 3σ"] >= 1 / len(null)
    assert set(with_itself) == set(without) == {m.name for m in METRICS}


def test_the_table_has_every_fault_strength_and_metric():
    said = []
    found = trust.power_table(gmm5(), 60, 4, 2, train=200, workers=1, say=said.append)
    assert list(found["power"]) == [fault.name for fault in FAULTS]
    for fault in FAULTS:
        rows = found["power"][fault.name]
        assert [strength for strength, _ in rows] == list(fault.strengths)
        assert all(set(powers) == {m.name for m in METRICS} for _, powers in rows)
    assert len(said) == 2  # of 52 samples: after 50, and the last


def test_the_chosen_are_those_best_at_the_faintest_strength_that_anything_sees():
    def powers(**high):
        return {m.name: high.get(m.name, 0.05) for m in METRICS}

    rows = {
        "first": [[0.1, powers(recall=0.4)], [0.3, powers(recall=0.7, W1=0.65, W2=0.55)]],
        "second": [[1.0, powers(density=0.9, W2=0.6)], [2.0, {m.name: 1.0 for m in METRICS}]],
        "unseen": [[1.0, powers(coverage=0.45)]],
    }
    assert trust.chosen({"power": rows}) == ["recall", "density", "W1"]


def test_one_trial_repeats_itself_and_a_fault_changes_it():
    trials = [trust.trial(gmm5(), 100, 300, fault, 1.0, 7) for fault in (None, None, FAULTS[0])]
    assert trials[0] == trials[1]
    assert trials[0] != trials[2]
