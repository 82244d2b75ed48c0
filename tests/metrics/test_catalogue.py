"""The catalogue: every metric says how to read it, and is the formula of its own room."""

import pytest
import torch

from helpers.metrics import classifier, copying, ranges, samples, shape, transport
from helpers.metrics.catalogue import METRICS, NAMED, TWINS, Evidence
from helpers.targets import gmm5


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def evidence():
    target = gmm5()
    x, y, train = (target.sample(n, rng(n)) for n in (300, 301, 900))
    return Evidence(target, x * 1.05, y, train, rng())


def test_every_metric_says_how_to_read_it():
    assert len(NAMED) == len(METRICS)
    assert {m.better for m in METRICS} == {"higher", "lower", "closer to truth"}
    assert {m.scale for m in METRICS} == set(ranges.SCALES)
    assert all(m.unit and m.sees for m in METRICS)


def test_each_entry_is_the_formula_of_its_name(evidence):
    e = evidence  # so few points that no metric picks a subset
    reach = TWINS * e.target.std.mean().item()
    expected = {
        "W1": transport.wasserstein(e.x, e.y, 1),
        "W2": transport.wasserstein(e.x, e.y, 2),
        "radius χ² by mode": shape.radius_chi2(e.target, e.x),
        "radius p-value": shape.radius_p_value(e.target, e.x),
        "mean error by mode": shape.mean_error(e.target, e.x),
        "covariance error by mode": shape.covariance_error(e.target, e.x),
        "between modes": shape.bridge_mass(e.target, e.x),
        "authenticity": copying.authenticity(e.x, e.train),
        "copying z": copying.copying_z(e.x, e.train, e.y),
        "birthday support": copying.birthday_support(e.x, reach),
        "energy distance": samples.energy_distance(e.x, e.y),
    }
    found = {name: NAMED[name].function(evidence) for name in expected}
    assert found == pytest.approx(expected)


def test_entries_that_draw_at_random_are_near_their_formula(evidence):
    within = transport.stratified_w2(evidence.target, evidence.x, evidence.y, rng(1))
    assert NAMED["W2 within modes"].function(evidence) == pytest.approx(within, rel=0.5)
    told = classifier.telling_accuracy(evidence.x, evidence.y)
    assert NAMED["classifier accuracy"].function(evidence) == pytest.approx(told, abs=0.1)


def test_every_metric_is_a_finite_number_for_the_truth(evidence):
    assert all(torch.tensor(float(m.function(evidence))).isfinite() for m in METRICS)
