"""Planted faults change what they say, as strongly as they say, and nothing else."""

import math

import pytest
import torch

from helpers.metrics import faults
from helpers.metrics.faults import FAULTS
from helpers.targets import gmm5

TARGET, N = gmm5(), 40_000


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def weights_of(x):
    return torch.bincount(TARGET.classify(x), minlength=5) / len(x)


def width_of(x, component=0):
    own = x[TARGET.classify(x) == component].double() - TARGET.means[component]
    return own.square().sum(-1).mean().sqrt().item()


TRAIN = TARGET.sample(5_000, rng(9))
TRUE = TARGET.sample(N, rng(8))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_draws_as_many_as_asked_and_repeats_itself(fault):
    for strength in fault.strengths:
        x = fault.plant(TARGET, 500, strength, TRAIN, rng(1))
        assert x.shape == (500, 2)
        assert x.isfinite().all()
        assert torch.equal(x, fault.plant(TARGET, 500, strength, TRAIN, rng(1)))


def test_a_dropped_mode_is_the_lightest():
    half, all_ = (faults.dropped(TARGET, N, share, TRAIN, rng()) for share in (0.5, 1.0))
    lightest = int(TARGET.weights.argmin())
    weight = TARGET.weights[lightest].item()
    assert weights_of(half)[lightest] == pytest.approx(0.5 * weight / (1 - 0.5 * weight), abs=0.01)
    assert weights_of(all_)[lightest] < 0.005


def test_tilted_weights_go_up_and_down_in_turn():
    expected = TARGET.weights * torch.tensor([1.2, 0.8, 1.2, 0.8, 1.2]).double()
    found = weights_of(faults.tilted(TARGET, N, 0.2, TRAIN, rng()))
    assert found == pytest.approx((expected / expected.sum()).float(), abs=0.01)


def test_scaled_widths_leave_weights_alone():
    x = faults.scaled(TARGET, N, 0.5, TRAIN, rng())
    assert width_of(x) == pytest.approx(0.5 * width_of(TRUE), rel=0.03)
    assert weights_of(x) == pytest.approx(weights_of(TRUE), abs=0.01)


def test_rotation_turns_one_component_and_a_full_turn_none():
    straight, turned = (faults.rotated(TARGET, N, d, TRAIN, rng()) for d in (360.0, 90.0))
    assert torch.allclose(straight, TARGET.sample(N, rng()), atol=1e-4)
    moved = (turned - straight).norm(dim=-1) > 1e-3
    widths = torch.linalg.eigvalsh(TARGET.covariances)
    longest = int((widths[:, 1] / widths[:, 0]).argmax())
    assert set(TARGET.classify(straight[moved]).mode().values.view(-1).tolist()) == {longest}
    assert moved.float().mean() == pytest.approx(TARGET.weights[longest].item(), abs=0.01)


def test_bridges_lie_on_lines_between_means_and_outliers_far_out():
    bridges = faults.bridged(TARGET, 2_000, 1.0, TRAIN, rng())
    a, b = TARGET.means[:, None], TARGET.means[None]
    along = (bridges.double()[:, None, None] - a).norm(dim=-1) + (
        bridges.double()[:, None, None] - b
    ).norm(dim=-1)
    assert ((along - (a - b).norm(dim=-1)).flatten(1).amin(1) < 1e-4).all()
    far = faults.scattered(TARGET, 2_000, 1.0, TRAIN, rng())
    radius = (far.double() - TARGET.mean).norm(dim=-1)
    assert radius == pytest.approx(torch.full_like(radius, radius[0].item()), rel=1e-4)
    assert TARGET.mahalanobis2(far).min() > 6**2


@pytest.mark.parametrize("plant", [faults.bridged, faults.scattered, faults.copied])
def test_only_the_stated_share_is_replaced(plant):
    changed = plant(TARGET, N, 0.1, TRAIN, rng())
    same = (changed == TARGET.sample(N, rng())).all(-1)
    assert 1 - same.double().mean().item() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / N))


def test_copies_are_next_to_training_points():
    x = faults.copied(TARGET, 500, 1.0, TRAIN, rng())
    assert torch.cdist(x, TRAIN).amin(1).max() < 5 * faults.NOISE
