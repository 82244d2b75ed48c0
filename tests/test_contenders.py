"""The benchmark's contenders on a few points, and how recipes are timed in turn."""

from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from small import recipe, shrink

from helpers import contenders, targets


def uncompiled(monkeypatch):
    settings = contenders.building.settings
    monkeypatch.setattr(
        contenders.building, "settings", lambda recipe, **rest: settings(recipe, fast=False, **rest)
    )


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_every_contender_trains(monkeypatch, family):
    shrink(monkeypatch)
    monkeypatch.setattr(contenders, "LARGE", 200)
    monkeypatch.setattr(contenders, "TOGETHER", 2)
    uncompiled(monkeypatch)
    for name, training in contenders.contenders(recipe(family), targets.gmm5()).items():
        first, second = islice(training, 2)
        assert first > 0, name
        assert second > 0, name


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_ours_has_no_end_however_few_epochs_a_recipe_has(monkeypatch, family):
    shrink(monkeypatch)
    uncompiled(monkeypatch)
    short = recipe(family, epochs=1)
    assert len(list(islice(contenders.ours(short, targets.gmm5(), 1), 3))) == 3


def test_seconds_are_those_of_one_model_and_one_epoch(monkeypatch):
    shrink(monkeypatch)
    snapshots = [(SimpleNamespace(seconds=s),) * 4 for s in (8.0, 12.0, 20.0)]
    monkeypatch.setattr(contenders, "train_vaes", lambda *a, **k: iter(snapshots))
    assert list(contenders.ours(recipe("vae"), targets.gmm5(), 4)) == [2, 1, 2]


def test_a_training_on_all_cores_gives_the_threads_back():
    seen: list[int] = []

    def training():
        while True:
            seen.append(torch.get_num_threads())
            yield 1.5

    before = torch.get_num_threads()
    assert list(islice(contenders.on_threads(before + 2, training()), 2)) == [1.5, 1.5]
    assert seen == [before + 2, before + 2]
    assert torch.get_num_threads() == before


def test_paces_are_medians_of_rounds_taken_in_turn_without_the_first(monkeypatch):
    times = {"vae": iter([99, 1, 5, 3]), "gan": iter([99, 2, 2, 8])}
    order = []

    def ours(it, target, members):
        for seconds in times[it.family]:
            order.append(it.family)
            yield seconds

    monkeypatch.setattr(contenders, "ours", ours)
    pair = {"one": recipe("vae"), "two": recipe("gan")}
    found = contenders.paces(pair, targets.gmm5(), lambda line: None, rounds=3)
    assert found == {"one": 3, "two": 2}
    assert order == ["vae", "gan"] * 4
