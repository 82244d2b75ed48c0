"""Welch's test against its formula, Holm's correction against its definition."""

import math

import numpy as np
import pytest
from scipy import stats

from helpers.study.statistics import Difference, between, holm, spread, welch

FIRST, SECOND = [5.1, 4.9, 6.2, 5.6, 5.8], [4.1, 4.4, 3.9]


def test_welch_is_its_formula():
    a, b = np.array(FIRST), np.array(SECOND)
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    degrees = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    gap, error = a.mean() - b.mean(), math.sqrt(va + vb)
    found = welch(FIRST, SECOND)
    assert found.value == pytest.approx(gap)
    assert found.p == pytest.approx(2 * stats.t.sf(gap / error, degrees))
    reach = stats.t.ppf(0.975, degrees) * error
    assert (found.low, found.high) == pytest.approx((gap - reach, gap + reach))


def test_constants_differ_for_certain_or_not_at_all():
    assert welch([5, 5, 5], [5, 5]) == (0, 0, 0, 1)
    assert welch([5, 5, 5], [4, 4]) == (1, 1, 1, 0)


@pytest.mark.parametrize("bad", [[1.0], [1.0, math.inf], [math.nan, 2.0]])
def test_what_has_no_spread_or_no_mean_is_refused(bad):
    with pytest.raises(ValueError, match="Welch's test needs two finite values or more"):
        welch(FIRST, bad)


def test_holm_multiplies_by_what_is_left_and_never_falls():
    raw = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5}
    found = holm({name: Difference(0.0, 0.0, 0.0, p) for name, p in raw.items()})
    assert list(found) == list(raw)
    expected = {"a": 0.04, "c": 0.09, "b": 0.09, "d": 0.5}  # 4 · .01, 3 · .03, max with 2 · .04
    assert {name: one.p for name, one in found.items()} == pytest.approx(expected)


def test_holm_keeps_the_family_wise_error():
    """Of 400 families of six true nulls about one in twenty has a rejection."""
    rng, rejected = np.random.default_rng(0), 0
    for _ in range(400):
        family = {str(i): welch(rng.normal(size=8), rng.normal(size=8)) for i in range(6)}
        rejected += min(one.p for one in holm(family).values()) < 0.05
    assert rejected / 400 < 0.09


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.46, 0.52], "0.490 ± 0.042"),
        ([150.0, 166.0], "158 ± 11"),
        ([9_000.0, 11_000.0], "10,000 ± 1,414"),
        ([5.0, 5.0], "5 ± 0"),
        ([0.0, 0.0], "0 ± 0"),
        ([2e-7, 4e-7], "3.0e-07 ± 1.4e-07"),
    ],
)
def test_a_spread_is_written_to_two_digits_of_its_deviation(values, shown):
    assert spread(values) == shown


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((3.5891, 3.6004), "3.589 to 3.600"),
        ((3.49e-7, 1.02e-4), "0.00000 to 0.00010"),
        ((-3.024, 2.97), "-3.0 to 3.0"),
        ((1_200.4, 3_100.2), "1,200 to 3,100"),
        ((5.0, 5.0), "5"),
    ],
)
def test_a_range_is_written_to_two_digits_of_its_width(ends, shown):
    assert between(*ends) == shown
