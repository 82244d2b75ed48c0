"""Optimal transport: shifts have known distances, and modes are compared one by one."""

import pytest
import torch
from scipy.stats import wasserstein_distance

from helpers.metrics import transport
from helpers.targets import gmm5


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("order", [1, 2])
def test_a_shift_is_its_own_length_away(order):
    x = torch.randn(200, 2, generator=rng())
    moved = x + torch.tensor([3.0, 4.0])
    assert transport.wasserstein(x, moved, order) == pytest.approx(5, rel=1e-5)


def test_on_a_line_order_one_agrees_with_scipy():
    x, y = torch.randn(150, generator=rng(1)), 1.5 * torch.randn(120, generator=rng(2))
    flat = [torch.stack([v, torch.zeros_like(v)], -1) for v in (x, y)]
    expected = wasserstein_distance(x.numpy(), y.numpy())
    assert transport.wasserstein(*flat, 1) == pytest.approx(expected, rel=1e-5)


def test_two_gaussians_are_near_their_closed_form():
    x, y = torch.randn(1_000, 2, generator=rng(1)), 2 * torch.randn(1_000, 2, generator=rng(2))
    # Gelbrich: W2² = Σ (σ − σ')² for commuting covariances, here 1 + 1
    assert transport.wasserstein(x, y) == pytest.approx(2**0.5, rel=0.06)


def test_another_order_is_refused():
    with pytest.raises(ValueError, match="order = 3: 1 and 2"):
        transport.wasserstein(torch.zeros(2, 2), torch.zeros(2, 2), 3)


def test_within_modes_weights_do_not_count_and_shape_does():
    target = gmm5()
    even = torch.full((5,), 0.2).double()
    y = target.sample(6_000, rng(1))
    x = target.sample_given(even.multinomial(6_000, replacement=True, generator=rng(2)), rng(2))
    true = transport.stratified_w2(target, target.sample(6_000, rng(3)), y, rng(4))
    assert transport.stratified_w2(target, x, y, rng(4)) < 1.3 * true
    centre = target.means[target.classify(x)].float()
    assert transport.stratified_w2(target, centre + 0.7 * (x - centre), y, rng(4)) > 1.5 * true


def test_within_modes_a_shift_of_all_is_its_length():
    target = gmm5()
    y = target.means.float().repeat_interleave(20, 0)
    x = y + torch.tensor([0.06, 0.08])
    assert transport.stratified_w2(target, x, y) == pytest.approx(0.1, rel=1e-4)


def test_an_empty_mode_has_no_distance():
    target = gmm5()
    y = target.sample(500, rng())
    assert transport.stratified_w2(target, y[target.classify(y) != 2], y) != pytest.approx(0)
    missing = transport.stratified_w2(target, y[target.classify(y) != 2], y)
    assert missing != missing
