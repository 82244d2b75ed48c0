"""Copies and near copies are found; fresh points are not accused."""

import math

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from helpers.metrics.memorisation import authenticity, copying_z, nearest_training_distance
from helpers.training import stream as rng


def normal(n, seed):
    return torch.randn(n, 2, generator=rng(seed))


def test_nearest_training_distance_agrees_with_scikit_learn():
    x, train = normal(200, 0), normal(300, 1)
    distance, _ = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(x)
    assert nearest_training_distance(x, train) == pytest.approx(distance.mean(), rel=1e-5)


def test_authenticity_agrees_with_a_plain_loop():
    x, train = normal(40, 0), normal(60, 1)
    among = torch.cdist(train, train).fill_diagonal_(math.inf).amin(1)
    apart, nearest = torch.cdist(x, train).min(1)
    expected = (apart > among[nearest]).double().mean().item()
    assert authenticity(x, train) == pytest.approx(expected)


def test_copying_z_of_fresh_points_is_standard_normal():
    z = [
        copying_z(normal(300, 3 * s), normal(1_000, 3 * s + 1), normal(300, 3 * s + 2))
        for s in range(200)
    ]
    z = torch.tensor(z)
    assert abs(z.mean()) < 4 / math.sqrt(200)
    assert z.std() == pytest.approx(1, abs=0.2)


def test_copies_are_seen_by_all_three_and_strays_by_the_z_score():
    train, fresh = normal(2_000, 0), normal(500, 1)
    assert nearest_training_distance(train[:500], train) == 0
    assert authenticity(train + 1e-6, train) == 0
    assert copying_z(train[:500] + 0.001, train, fresh) < -10
    assert copying_z(2 * normal(500, 2), train, fresh) > 5
