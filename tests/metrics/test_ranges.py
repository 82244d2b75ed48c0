"""Prediction intervals, checked by how often one more draw escapes them."""

import math

import numpy as np
import pytest
from scipy import stats

from helpers.metrics.ranges import SCALES, predict, together

FAMILIES = {
    "plain": stats.norm(loc=-3.6, scale=0.01),
    "share": stats.binom(5_000, 0.9967),
    "positive": stats.chi2(4, scale=1e-4),
    "tailed": stats.lognorm(0.5, scale=1e-3),
}


def draws(scale, shape):
    values = FAMILIES[scale].rvs(shape, random_state=np.random.default_rng(1))
    return (values / 5_000 if scale == "share" else values).tolist()


@pytest.mark.parametrize("scale", SCALES)
def test_one_more_draw_escapes_with_the_stated_probability(scale):
    samples = draws(scale, (1_500, 21))
    missed = [not predict(rest, scale, 0.05).holds(last) for *rest, last in samples]
    error = math.sqrt(0.05 / 1_500)
    # 3 standard errors for chance, and a little more because a scale is only nearly normal
    assert np.mean(missed) == pytest.approx(0.05, abs=3 * error + 0.01)


def test_on_the_plain_scale_it_is_students_prediction_interval():
    values = [1.0, 2.0, 4.0, 9.0]
    t = stats.t(df=3, loc=4, scale=np.std(values, ddof=1) * math.sqrt(1 + 1 / 4))
    found = predict(values, "plain", 0.1)
    assert (found.low, found.high) == pytest.approx((t.ppf(0.05), t.ppf(0.95)))
    assert (found.mean, found.sd) == pytest.approx((4, np.std(values, ddof=1)))
    assert predict([1.0, 2.0, 3.0], "plain", 0.05).score(4.5) == pytest.approx(2.5)


def test_ranges_stay_among_possible_values():
    assert predict([0.0, 1e-6, 3e-3], "positive", 0.01).low == 0
    wide = predict([0.5, 0.99, 1.0], "share", 0.01)
    assert (wide.low, wide.high) == (0, 1)


def test_values_that_never_vary_give_one_point():
    still = predict([5.0, 5.0, 5.0], "plain", 0.05)
    assert [still.holds(v) for v in (5, 4)] == [True, False]
    assert [still.score(v) for v in (5, 4)] == [0, -math.inf]


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_where_the_truth_has_no_score_a_metric_says_nothing(odd):
    for known in (
        predict([1.0, odd, 2.0, 3.0], "plain", 0.05),
        together({"a": [*map(float, range(30)), odd]}, {"a": "plain"}, 0.05)["a"],
    ):
        assert known.silent
        assert all(known.holds(value) for value in (-1e9, math.nan, math.inf))
        assert known.p_value(math.nan) == 1
    assert not predict([1.0, 2.0, 3.0], "plain", 0.05).holds(math.nan)


# ------------------------------------------------------------------------- several at once

METRICS = {**{scale: scale for scale in SCALES}, "count": "plain", "twin": "plain", "rare": "plain"}


def several(n, seed=0):
    """Draws of metrics of every shape: near normal, counts, one that copies another, one rare."""
    random = np.random.default_rng(seed)
    found = {name: FAMILIES[name].rvs(n, random_state=random) for name in FAMILIES}
    found["share"] = found["share"] / 5_000
    found["count"] = 25.0 - random.poisson(0.3, n)
    found["twin"] = 2 * found["plain"] + 1
    found["rare"] = (random.random(n) < 0.02).astype(float)
    return {name: values.tolist() for name, values in found.items()}


def test_one_more_draw_escapes_any_of_the_ranges_with_the_stated_probability():
    """Over many sets of 200 draws, whatever the shapes and dependence of the metrics."""
    missed = []
    for seed in range(40):
        known = together(several(200, seed), METRICS, 0.05)
        fresh = several(200, 1_000 + seed)
        rows = zip(*fresh.values(), strict=True)
        missed += [
            any(not known[m].holds(v) for m, v in zip(fresh, row, strict=True)) for row in rows
        ]
    # each set's own rate varies by sqrt(.05 * .95 / 200) = .015, so the mean of forty by .0025
    assert 0.05 - 4 * 0.0025 < np.mean(missed) < 0.05 + 4 * 0.0025


def test_a_p_value_is_below_alpha_exactly_where_a_range_is_left():
    known = together(several(200), METRICS, 0.05)
    for name, values in several(300, 7).items():
        for value in values:
            assert (known[name].p_value(value) < 0.05) == (not known[name].holds(value))
    assert known["plain"].p_value(1e9) == pytest.approx(1 / 201)
    assert known["plain"].p_value(math.nan) == pytest.approx(1 / 201)


def test_fewer_than_twenty_draws_cannot_carry_a_range():
    few = {name: values[:18] for name, values in several(18).items()}
    assert all(known.silent for known in together(few, METRICS, 0.05).values())


def test_leaving_out_is_that_of_the_textbook():
    """The largest score of each draw, against mean and deviation of the others, one by one."""
    values = several(30)["plain"]
    found = together({"plain": values}, {"plain": "plain"}, 0.05)["plain"].extremes
    for i, value in enumerate(values):
        rest = np.delete(values, i)
        error = rest.std(ddof=1) * math.sqrt(1 + 1 / len(rest))
        assert found[i] == pytest.approx(abs(value - rest.mean()) / error)
