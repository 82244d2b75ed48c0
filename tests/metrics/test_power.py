"""Corruptions change what they say and nothing else; power and false alarms are well counted."""

import math

import numpy as np
import pytest
import torch

from helpers.metrics import power
from helpers.metrics.power import CORRUPTIONS
from helpers.metrics.scorecard import METRICS
from helpers.targets import gmm5

TARGET, N = gmm5(), 40_000
NAMES = [metric.name for metric in METRICS]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


TRAIN = TARGET.sample(5_000, rng(9))
TRUE = TARGET.sample(N, rng(8))


def weights_of(x):
    return torch.bincount(TARGET.classify(x), minlength=5) / len(x)


def width_of(x, component=0):
    own = x[TARGET.classify(x) == component].double() - TARGET.means[component]
    return own.square().sum(-1).mean().sqrt().item()


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_each_draws_as_many_as_asked_and_repeats_itself(corruption):
    for strength in corruption.strengths:
        x = corruption.apply(TARGET, 500, strength, TRAIN, rng(1))
        assert x.shape == (500, 2)
        assert x.isfinite().all()
        assert torch.equal(x, corruption.apply(TARGET, 500, strength, TRAIN, rng(1)))


def test_a_dropped_mode_is_the_lightest():
    half, all_ = (power.dropped(TARGET, N, share, TRAIN, rng()) for share in (0.5, 1.0))
    lightest = int(TARGET.weights.argmin())
    weight = TARGET.weights[lightest].item()
    assert weights_of(half)[lightest] == pytest.approx(0.5 * weight / (1 - 0.5 * weight), abs=0.01)
    assert weights_of(all_)[lightest] < 0.005


def test_tilted_weights_go_up_and_down_in_turn():
    expected = TARGET.weights * torch.tensor([1.2, 0.8, 1.2, 0.8, 1.2]).double()
    found = weights_of(power.tilted(TARGET, N, 0.2, TRAIN, rng()))
    assert found == pytest.approx((expected / expected.sum()).float(), abs=0.01)


def test_scaled_widths_leave_weights_alone():
    x = power.scaled(TARGET, N, 0.5, TRAIN, rng())
    assert width_of(x) == pytest.approx(0.5 * width_of(TRUE), rel=0.03)
    assert weights_of(x) == pytest.approx(weights_of(TRUE), abs=0.01)


def test_rotation_turns_one_component_and_a_full_turn_none():
    straight, turned = (power.rotated(TARGET, N, d, TRAIN, rng()) for d in (360.0, 90.0))
    assert torch.allclose(straight, TARGET.sample(N, rng()), atol=1e-4)
    moved = (turned - straight).norm(dim=-1) > 1e-3
    widths = torch.linalg.eigvalsh(TARGET.covariances)
    longest = int((widths[:, 1] / widths[:, 0]).argmax())
    assert TARGET.classify(straight[moved]).mode().values == longest
    assert moved.float().mean() == pytest.approx(TARGET.weights[longest].item(), abs=0.01)


def test_bridges_lie_on_lines_between_means_and_outliers_far_out():
    x = power.bridged(TARGET, 2_000, 1.0, TRAIN, rng()).double()[:, None, None]
    a, b = TARGET.means[:, None], TARGET.means[None]
    detour = (x - a).norm(dim=-1) + (x - b).norm(dim=-1) - (a - b).norm(dim=-1)  # (n, k, k)
    assert (detour.flatten(1).amin(1) < 1e-4).all()
    far = power.scattered(TARGET, 2_000, 1.0, TRAIN, rng())
    radius = (far.double() - TARGET.mean).norm(dim=-1)
    assert radius == pytest.approx(torch.full_like(radius, radius[0].item()), rel=1e-4)
    assert TARGET.mahalanobis2(far).min() > 6**2


@pytest.mark.parametrize("apply", [power.bridged, power.scattered, power.copied])
def test_only_the_stated_share_is_replaced(apply):
    changed = apply(TARGET, N, 0.1, TRAIN, rng())
    same = (changed == TARGET.sample(N, rng())).all(-1)
    assert 1 - same.double().mean().item() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / N))


def test_copies_are_next_to_training_points():
    x = power.copied(TARGET, 500, 1.0, TRAIN, rng())
    assert torch.cdist(x, TRAIN).amin(1).max() < 5 * power.NOISE


def made_up(n, seed, shift=0.0):
    """Scores that are normal on every metric's own range of values, by metric name."""
    draw = np.random.default_rng(seed).normal
    return [{name: 0.5 + 0.01 * draw() + shift for name in NAMES} for _ in range(n)]


def test_power_counts_what_leaves_the_range():
    found = power.power(made_up(60, 0), [*made_up(5, 1), *made_up(15, 2, shift=0.2)])
    assert list(found) == NAMES
    assert all(0.7 < share <= 0.95 for share in found.values())


def test_false_alarms_are_about_five_in_a_hundred():
    alarms = power.false_alarms(made_up(400, 3))
    assert np.mean(list(alarms.values())) == pytest.approx(0.05, abs=0.02)


def test_a_null_is_held_against_the_others_alone():
    narrow = [dict.fromkeys(NAMES, 0.5 + 0.0001 * (i % 2)) for i in range(4)]
    far = dict.fromkeys(NAMES, 0.52)
    assert set(power.power([*narrow, far], [far]).values()) == {0}  # itself, it widens the range
    assert set(power.false_alarms([*narrow, far]).values()) == {1 / 5}


def test_the_table_holds_every_corruption_against_the_nulls():
    said = []
    found = power.power_table(gmm5(), 60, 4, 2, train=200, workers=1, say=said.append)
    assert len(said) == 2  # of 52 samples: after 50, and the last
    assert list(found["power"]) == [corruption.name for corruption in CORRUPTIONS]
    for corruption in CORRUPTIONS:
        rows = found["power"][corruption.name]
        assert [strength for strength, _ in rows] == list(corruption.strengths)
        assert all(list(powers) == NAMES for _, powers in rows)
    null = [power.scores_of(gmm5(), 60, 200, None, 0.0, seed) for seed in range(4)]
    last = corruption.strengths[-1]
    group = [power.scores_of(gmm5(), 60, 200, corruption, last, 10_000 + seed) for seed in range(2)]
    assert found["false alarms"] == power.false_alarms(null)
    assert found["power"][corruption.name][-1] == [last, power.power(null, group)]


def test_the_chosen_are_those_best_at_the_faintest_strength_that_anything_sees():
    def powers(**high):
        return {name: high.get(name, 0.05) for name in NAMES}

    rows = {
        "first": [[0.1, powers(recall=0.4)], [0.3, powers(recall=0.7, W2=0.65, coverage=0.55)]],
        "second": [[1.0, powers(authenticity=0.9, W2=0.6)], [2.0, dict.fromkeys(NAMES, 1.0)]],
        "unseen": [[1.0, powers(coverage=0.45)]],
    }
    assert power.chosen({"power": rows}) == ["recall", "W2", "authenticity"]


def test_one_sample_repeats_itself_and_a_corruption_changes_it():
    cases = (None, None, CORRUPTIONS[0])
    found = [power.scores_of(gmm5(), 100, 300, case, 1.0, 7) for case in cases]
    assert found[0] == found[1]
    assert found[0] != found[2]
