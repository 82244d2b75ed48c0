"""Prediction intervals, checked by how often one more draw escapes them."""

import math
import os

import numpy as np
import pytest
from scipy import stats

from helpers.metrics import ranges
from helpers.metrics.ranges import holm, predict

FAMILIES = {
    "plain": stats.norm(loc=-3.6, scale=0.01),
    "share": stats.binom(5_000, 0.9967),
    "positive": stats.chi2(4, scale=1e-4),
    "tailed": stats.lognorm(0.5, scale=1e-3),
    # a χ² less its expectation: what an unbiased MMD² is like under the truth
    "signed": stats.chi2(3, loc=-5e-4, scale=5e-4 / 3),
    "p-value": stats.uniform(),
}


def draws(scale, shape):
    values = FAMILIES[scale].rvs(shape, random_state=np.random.default_rng(1))
    return values / 5_000 if scale == "share" else values


@pytest.mark.parametrize("scale", FAMILIES)
def test_one_more_draw_escapes_with_the_stated_probability(scale):
    trials = draws(scale, (1_500, 21)).tolist()
    missed = [not predict(rest, scale, 0.05).holds(last) for *rest, last in trials]
    error = math.sqrt(0.05 / 1_500)
    # 3 standard errors for chance, and a little more because a scale is only nearly normal
    assert np.mean(missed) == pytest.approx(0.05, abs=3 * error + 0.01)


def test_on_the_plain_scale_it_is_students_prediction_interval():
    values = [1.0, 2.0, 4.0, 9.0]
    t = stats.t(df=3, loc=4, scale=np.std(values, ddof=1) * math.sqrt(1 + 1 / 4))
    found = predict(values, "plain", 0.1)
    assert (found.low, found.high) == pytest.approx((t.ppf(0.05), t.ppf(0.95)))
    assert (found.mean, found.sd) == pytest.approx((4, np.std(values, ddof=1)))


@pytest.mark.parametrize("scale", ranges.SCALES)
def test_scales_invert(scale):
    for value in (0.01, 0.3, 0.99):
        moved = ranges.SCALES[scale].forward(value, 0.2)
        assert ranges.SCALES[scale].backward(moved, 0.2) == pytest.approx(value)


def test_ranges_stay_among_possible_values():
    assert predict([0.0, 1e-6, 3e-3], "positive", 0.01).low == 0
    wide = predict([0.5, 0.99, 1.0], "share", 0.01)
    assert (wide.low, wide.high) == (0, 1)


def test_values_that_never_vary_leave_no_room():
    still = predict([5.0, 5.0, 5.0], "plain", 0.05)
    assert still.holds(5)
    assert not still.holds(4)
    assert still.score(5, "plain") == 0
    assert still.score(4, "plain") == -math.inf


def test_score_counts_standard_deviations():
    found = predict([1.0, 2.0, 3.0], "plain", 0.05)
    assert found.score(4.5, "plain") == pytest.approx(2.5)


def test_score_of_a_p_value_is_its_normal_quantile_and_finite_at_one():
    found = predict([0.2, 0.7], "p-value", 0.01)
    assert found.score(0.025, "p-value") == pytest.approx(-1.95996, abs=1e-4)
    assert math.isfinite(found.score(1.0, "p-value"))


def test_not_a_number_is_never_inside():
    assert not predict([1.0, 2.0], "plain", 0.05).holds(math.nan)


@pytest.mark.parametrize("scale", ["plain", "tailed", "p-value"])
def test_p_values_of_one_more_draw_are_uniform(scale):
    trials = draws(scale, (1_000, 21)).tolist()
    found = [predict(rest, scale, 0.05).p_value(last, scale) for *rest, last in trials]
    assert stats.kstest(found, stats.uniform().cdf).pvalue > 1e-3


def test_a_p_value_below_alpha_is_a_value_outside():
    known = predict([1.0, 2.0, 4.0, 9.0], "plain", 0.05)
    for value in (known.low - 0.01, known.low + 0.01, known.high - 0.01, known.high + 0.01):
        assert (known.p_value(value, "plain") < 0.05) == (not known.holds(value))


def test_p_values_at_the_edges():
    still = predict([5.0, 5.0], "plain", 0.05)
    assert (still.p_value(5.0, "plain"), still.p_value(4.0, "plain")) == (1, 0)
    assert predict([1.0, 2.0], "plain", 0.05).p_value(math.nan, "plain") == 0


def test_holms_correction_is_that_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]


def test_holm_raises_a_false_alarm_in_one_family_of_twenty():
    families = np.random.default_rng(0).uniform(size=(4_000, 8)).tolist()
    assert np.mean([min(holm(p)) < 0.05 for p in families]) == pytest.approx(0.05, abs=0.012)


def test_values_that_are_not_finite_are_left_out_and_too_few_hold_everything():
    assert predict([1.0, math.inf, 2.0, math.nan, 3.0], "plain", 0.05) == predict(
        [1.0, 2.0, 3.0], "plain", 0.05
    )
    unknown = predict([1.0, math.nan], "plain", 0.05)
    assert unknown.holds(-1e9)
    assert unknown.holds(1e9)


ONE = {"within 3σ": [0.9, 0.1, 0.7]}


def test_what_is_saved_is_loaded_back():
    ranges.save("gmm5-10", "key", {"n": 10}, ONE)
    assert ranges.load("gmm5-10", "key") == ONE


def test_another_key_or_name_loads_nothing():
    ranges.save("gmm5-10", "key", {}, ONE)
    assert ranges.load("gmm5-10", "other") is None
    assert ranges.load("nowhere-10", "key") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": "key", "scores": {"m": 1}}'])
def test_a_damaged_file_loads_nothing(text):
    path = ranges.save("gmm5-10", "key", {}, ONE)
    path.write_text(text, encoding="utf-8")
    assert ranges.load("gmm5-10", "key") is None


def test_an_interrupted_save_leaves_the_old_file_and_nothing_beside_it(monkeypatch):
    path = ranges.save("gmm5-10", "key", {}, ONE)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ranges.save("gmm5-10", "new", {}, ONE)
    assert ranges.load("gmm5-10", "key") == ONE
    assert list(path.parent.iterdir()) == [path]


def test_a_name_with_separators_stays_in_its_folder(written):
    path = ranges.save("../my target/1", "key", {}, ONE)
    assert path.parent == written / "data" / "truth"
    assert ranges.load("../my target/1", "key") == ONE
