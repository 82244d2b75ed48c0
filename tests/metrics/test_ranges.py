"""Prediction intervals, checked by how often one more draw escapes them."""

import math

import numpy as np
import pytest
from scipy import stats

from helpers.metrics.ranges import SCALES, holm, predict

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


@pytest.mark.parametrize("scale", ["plain", "tailed"])
def test_p_values_of_one_more_draw_are_uniform(scale):
    samples = draws(scale, (1_000, 21))
    found = [predict(rest, scale, 0.05).p_value(last) for *rest, last in samples]
    assert stats.kstest(found, stats.uniform().cdf).pvalue > 1e-3


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
    assert [still.p_value(v) for v in (5.0, 4.0)] == [1, 0]


def test_what_is_not_finite_is_never_inside_and_left_out_of_a_range():
    known = predict([1.0, math.inf, 2.0, math.nan, 3.0], "plain", 0.05)
    assert known == predict([1.0, 2.0, 3.0], "plain", 0.05)
    assert not known.holds(math.nan)
    assert known.p_value(math.nan) == 0
    unknown = predict([1.0, math.nan], "plain", 0.05)  # too few values
    assert unknown.holds(-1e9)
    assert unknown.holds(1e9)


def test_holms_correction_is_that_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
