"""Schedules: ends, middles, and the closed form of each."""

import math
from itertools import pairwise

import pytest

from helpers.schedules import Constant, Cosine, Geometric, Linear

CASES = [  # a schedule and its values at progress 0, ½ and 1
    (Constant(0.3), 0.3, 0.3, 0.3),
    (Linear(), 0.0, 0.5, 1.0),
    (Linear(4.0, 1.0), 4.0, 2.5, 1.0),
    (Geometric(0.02, 0.0002), 0.02, 0.002, 0.0002),
    (Cosine(2e-3), 2e-3, 1e-3, 0.0),
]


@pytest.mark.parametrize(("schedule", "start", "middle", "end"), CASES)
def test_ends_and_middle(schedule, start, middle, end):
    found = [schedule(progress) for progress in (0.0, 0.5, 1.0)]
    assert found == pytest.approx([start, middle, end], abs=1e-15)


def test_a_geometric_schedule_falls_by_one_factor():
    values = [Geometric(1.0, 0.1)(i / 10) for i in range(11)]
    ratios = [b / a for a, b in pairwise(values)]
    assert ratios == pytest.approx([0.1**0.1] * 10)


def test_half_a_cosine_is_flat_at_both_ends_and_steepest_between():
    schedule = Cosine(1.0)
    slopes = [(schedule(p + 1e-6) - schedule(p - 1e-6)) / 2e-6 for p in (0.0, 0.5, 1.0)]
    assert slopes == pytest.approx([0, -math.pi / 2, 0], abs=1e-4)


def test_equal_schedules_are_equal():
    assert Linear(0, 1) == Linear(0, 1) != Linear(1, 0)
