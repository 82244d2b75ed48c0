"""Corruptions change what they say and nothing else; power and false alarms are well counted."""

import math

import pytest
import torch

from helpers.metrics import power
from helpers.metrics.scorecard import METRICS
from helpers.targets import gmm5
from helpers.training import stream as rng

TARGET, N = gmm5(), 40_000
NAMES = [metric.name for metric in METRICS]


TRAIN = TARGET.sample(5_000, rng(9))
TRUE = TARGET.sample(N, rng(8))


def weights_of(x):
    return torch.bincount(TARGET.classify(x), minlength=5) / len(x)


def width_of(x, component=0):
    own = x[TARGET.classify(x) == component].double() - TARGET.means[component]
    return own.square().sum(-1).mean().sqrt().item()


def test_a_dropped_mode_is_the_lightest():
    half, all_ = (power.dropped(TARGET, N, share, TRAIN, rng(0)) for share in (0.5, 1.0))
    lightest = int(TARGET.weights.argmin())
    weight = TARGET.weights[lightest].item()
    assert weights_of(half)[lightest] == pytest.approx(0.5 * weight / (1 - 0.5 * weight), abs=0.01)
    assert weights_of(all_)[lightest] < 0.005


def test_tilted_weights_go_up_and_down_in_turn():
    expected = TARGET.weights * torch.tensor([1.2, 0.8, 1.2, 0.8, 1.2]).double()
    found = weights_of(power.tilted(TARGET, N, 0.2, TRAIN, rng(0)))
    assert found == pytest.approx((expected / expected.sum()).float(), abs=0.01)


def test_scaled_widths_leave_weights_alone():
    x = power.scaled(TARGET, N, 0.5, TRAIN, rng(0))
    assert width_of(x) == pytest.approx(0.5 * width_of(TRUE), rel=0.03)
    assert weights_of(x) == pytest.approx(weights_of(TRUE), abs=0.01)


def test_rotation_turns_one_component_and_a_full_turn_none():
    straight, turned = (power.rotated(TARGET, N, d, TRAIN, rng(0)) for d in (360.0, 90.0))
    assert torch.allclose(straight, TARGET.sample(N, rng(0)), atol=1e-4)
    moved = (turned - straight).norm(dim=-1) > 1e-3
    widths = torch.linalg.eigvalsh(TARGET.covariances)
    longest = int((widths[:, 1] / widths[:, 0]).argmax())
    assert TARGET.classify(straight[moved]).mode().values == longest
    assert moved.float().mean() == pytest.approx(TARGET.weights[longest].item(), abs=0.01)


def test_bridges_lie_on_lines_between_means_and_outliers_far_out():
    x = power.bridged(TARGET, 2_000, 1.0, TRAIN, rng(0)).double()[:, None, None]
    a, b = TARGET.means[:, None], TARGET.means[None]
    detour = (x - a).norm(dim=-1) + (x - b).norm(dim=-1) - (a - b).norm(dim=-1)  # (n, k, k)
    assert (detour.flatten(1).amin(1) < 1e-4).all()
    far = power.scattered(TARGET, 2_000, 1.0, TRAIN, rng(0))
    radius = (far.double() - TARGET.mean).norm(dim=-1)
    assert radius == pytest.approx(torch.full_like(radius, radius[0].item()), rel=1e-4)
    assert TARGET.mahalanobis2(far).min() > 6**2


@pytest.mark.parametrize("apply", [power.bridged, power.scattered, power.copied])
def test_only_the_stated_share_is_replaced(apply):
    changed = apply(TARGET, N, 0.1, TRAIN, rng(0))
    same = (changed == TARGET.sample(N, rng(0))).all(-1)
    assert 1 - same.double().mean().item() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / N))


def test_copies_are_next_to_training_points():
    x = power.copied(TARGET, 500, 1.0, TRAIN, rng(0))
    assert torch.cdist(x, TRAIN).amin(1).max() < 5 * power.NOISE


def test_a_null_is_held_against_the_others_alone():
    narrow = [dict.fromkeys(NAMES, 0.5 + 0.0001 * (i % 2)) for i in range(4)]
    far = dict.fromkeys(NAMES, 0.52)
    assert set(power.power([*narrow, far], [far]).values()) == {0}  # itself, it widens the range
    assert set(power.false_alarms([*narrow, far]).values()) == {1 / 5}


def test_the_chosen_are_those_best_at_the_faintest_strength_that_anything_sees():
    def powers(**high):
        return {name: high.get(name, 0.05) for name in NAMES}

    rows = {
        "first": [[0.1, powers(recall=0.4)], [0.3, powers(recall=0.7, W2=0.65, coverage=0.55)]],
        "second": [[1.0, powers(authenticity=0.9, W2=0.6)], [2.0, dict.fromkeys(NAMES, 1.0)]],
        "unseen": [[1.0, powers(coverage=0.45)]],
    }
    assert power.chosen({"power": rows}) == ["recall", "W2", "authenticity"]
