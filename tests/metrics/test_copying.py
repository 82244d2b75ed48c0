"""Copies, near copies and repetitions are found; fresh points are not accused."""

import math

import pytest
import torch

from helpers.metrics import copying


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, seed):
    return torch.randn(n, 2, generator=rng(seed))


def test_authenticity_agrees_with_a_plain_loop():
    x, train = normal(40, 0), normal(60, 1)
    among = torch.cdist(train, train).fill_diagonal_(math.inf).amin(1)
    apart, nearest = torch.cdist(x, train).min(1)
    expected = (apart > among[nearest]).double().mean().item()
    assert copying.authenticity(x, train) == pytest.approx(expected)


def test_copies_are_not_authentic():
    train = normal(500, 0)
    assert copying.authenticity(train + 1e-6, train) == 0


def test_copying_z_of_fresh_points_is_standard_normal():
    z = [
        copying.copying_z(normal(300, 3 * s), normal(1_000, 3 * s + 1), normal(300, 3 * s + 2))
        for s in range(200)
    ]
    z = torch.tensor(z)
    assert abs(z.mean()) < 4 / math.sqrt(200)
    assert z.std() == pytest.approx(1, abs=0.2)


def test_copies_are_far_below_zero_and_strays_far_above():
    train, fresh = normal(2_000, 0), normal(500, 1)
    assert copying.copying_z(train[:500] + 0.001, train, fresh) < -10
    assert copying.copying_z(2 * normal(500, 2), train, fresh) > 5


def test_support_counts_distinct_points():
    faces = 100 * normal(365, 0)  # far apart
    x = faces[torch.randint(365, (3_000,), generator=rng(1))]
    assert copying.birthday_support(x, 0.01) == pytest.approx(365, rel=0.05)


def test_support_of_a_uniform_square_is_its_number_of_discs():
    x = torch.rand(4_000, 2, generator=rng(2))
    assert copying.birthday_support(x, 0.02) == pytest.approx(1 / (math.pi * 0.02**2), rel=0.1)


def test_support_without_any_collision_is_a_lower_bound():
    assert copying.birthday_support(torch.eye(2), 0.1) == 1
