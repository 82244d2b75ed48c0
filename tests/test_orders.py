"""What the app can be asked to train: everything named is there, and nothing enormous is begun."""

import dataclasses

import pytest
from pages import order

from helpers import galleries, orders, recipes, targets


def test_every_target_exists():
    known = {*targets.NAMED, *galleries.SIZES}
    assert set(orders.TARGETS) <= known
    assert set(orders.IMAGES) <= set(orders.TARGETS) & set(galleries.SIZES)


def test_a_page_allows_no_more_than_a_recipe():
    for name, most in orders.MOST.items():
        assert most <= recipes.BOUNDS[name][1]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"epochs": 10_001}, "epochs = 10001: must be at most 10000 here"),
        ({"generator": (8, 4_096)}, "generator = 4096: must be at most 2048 here"),
        ({"generator": (8,) * 7}, "generator: 7 layers, must be from 1 to 6"),
        ({"batch": 1_000_000}, "batch = 1000000: must be at most"),
    ],
)
def test_an_enormous_size_is_refused(values, complaint):
    with pytest.raises(orders.BadOrder, match=complaint):
        orders.check(order(**values))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"target": "../secrets"}, "'../secrets': choose one of gmm5"),
        ({"seed": -1}, "seed = -1: must be from 0"),
        ({"images": 1}, "images = 1: must be at least 2"),
    ],
)
def test_what_is_around_a_recipe_is_checked_too(values, complaint):
    with pytest.raises(orders.BadOrder, match=complaint):
        orders.check(dataclasses.replace(order(), **values))


def test_many_codes_of_many_points_are_refused():
    with pytest.raises(orders.BadOrder, match=r"batch × samples = 640000: must be at most"):
        orders.check(order("vae-iwae", batch=10_000, samples=64))


def test_what_is_sensible_passes():
    assert orders.check(order("vae")) is None
