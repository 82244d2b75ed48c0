"""Divergences between Gaussians, whose values are known, and of models with holes."""

import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from helpers.metrics import pushforward
from helpers.metrics.density import log_density
from helpers.metrics.divergences import compare, divergences
from helpers.models import Gaussian
from helpers.targets import from_definition
from helpers.training import stream as rng

ONE = from_definition({"weights": [1.0], "means": [[0, 0]], "covariances": [[[1, 0], [0, 1]]]})


def against(shift, scale=1.0, n=40_000):
    """Divergences of N(shift, scale² I) from the standard normal."""
    moved = torch.distributions.Normal(torch.tensor([shift, 0.0]).double(), scale)
    x = torch.tensor([shift, 0.0]) + scale * torch.randn(n, 2, generator=rng(1))
    return divergences(ONE, lambda p: moved.log_prob(p.double()).sum(-1), ONE.sample(n, rng(2)), x)


def close(estimate, value):
    return abs(estimate.value - value) < 4 * estimate.error + 1e-9


def test_two_gaussians_have_their_closed_forms():
    found = against(0.8, 1.5)
    assert close(found.forward, 2 * (math.log(1.5) + 1 / (2 * 1.5**2) - 0.5) + 0.8**2 / 4.5)
    assert close(found.reverse, 2 * (-math.log(1.5) + 1.5**2 / 2 - 0.5) + 0.8**2 / 2)
    half = torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(0.5)).item()
    assert close(against(1.0).total_variation, 2 * half - 1)


def test_equal_densities_are_zero_apart_and_what_never_meets_log_two():
    assert [e.value for e in against(0.0)] == pytest.approx([0] * 5, abs=1e-5)
    assert against(60.0).jensen_shannon.value == pytest.approx(math.log(2), abs=1e-6)


class Noisy(torch.nn.Module):
    """x = z + σ ε: a sampler whose density is N(0, (1 + σ²) I)."""

    latent = 2

    def decoder(self, z):
        return Gaussian(z, torch.tensor([math.log(0.75)]))

    def draw(self, z, generator):
        return self.decoder(z).sample(torch.randn(z.shape, generator=generator))


def test_a_sampler_with_noise_of_its_own_is_compared_by_its_exact_density():
    found = compare(Noisy(), ONE)
    variance = 1 + 0.75**2
    assert close(found.forward, math.log(variance) + 1 / variance - 1)
    assert close(found.reverse, -math.log(variance) + variance - 1)
    assert found.unreached.value == 0


def short_of(decode, bound):
    """log q by a mesh that ends at `bound`, so that it misses what the tails of N(0, I) reach."""
    mesh = partial(pushforward.density, decode, nodes=150, bound=bound)
    return lambda points: mesh(points).log()


def affine(z):
    return 1.1 * z + 0.1


def curved(z):
    return torch.stack([z[:, 0], z[:, 1] + 0.05 * z[:, 0].square()], -1)


@pytest.mark.parametrize(
    ("decode", "forward"),
    [
        (affine, 2 * (math.log(1.1) + (1 + 0.1**2) / (2 * 1.1**2) - 0.5)),
        # z₂ = x₂ − .05 x₁² and |det| = 1, so KL = ½ E[(x₂ − .05 x₁²)² − x₂²] = ½ · .05² · 3
        (curved, 0.5 * 0.05**2 * 3),
    ],
    ids=["affine", "curved"],
)
def test_points_that_a_mesh_misses_are_no_hole(decode, forward):
    y, x = ONE.sample(20_000, rng(5)), decode(ONE.sample(20_000, rng(6)))
    log_q = short_of(decode, 3.3)
    assert 0 < log_q(y).isneginf().sum() < 0.003 * len(y)  # yet it misses some
    found = divergences(ONE, log_q, y, x)
    assert found.forward.value == pytest.approx(forward, abs=4 * found.forward.error)
    assert found.unreached.value < 3 * found.unreached.error
    assert found.total_variation.value == pytest.approx(
        divergences(ONE, short_of(decode, 6.0), y, x).total_variation.value, abs=0.003
    )


@pytest.mark.parametrize("edge", [-2.0, 0.0])
def test_a_map_with_a_real_hole_is_infinitely_far(edge):
    def mirrored(z):  # nothing lies left of the edge
        return torch.stack([edge + (z[:, 0] - edge).abs(), z[:, 1]], -1)

    y, x = ONE.sample(5_000, rng(7)), mirrored(ONE.sample(5_000, rng(8)))
    generator = SimpleNamespace(latent=2, decode=mirrored)
    found = divergences(ONE, log_density(generator, coarser=4), y, x)
    beyond = torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(edge)).item()
    assert found.forward.value == math.inf
    assert close(found.unreached, beyond)
    assert close(found.total_variation, beyond)


def test_unreached_is_the_difference_of_two_shares_with_both_errors():
    def patchy(p):  # no density on 2 % of the target's points and on 1 % of the model's
        rank = torch.arange(len(p))
        share = torch.where(rank < 3_000, 2, 1)  # per cent
        return torch.where(rank % 100 < share, -math.inf, ONE.log_prob(p))

    y, x = ONE.sample(3_000, rng(10)), ONE.sample(2_000, rng(11))
    found = divergences(ONE, patchy, y, x).unreached
    assert found.value == pytest.approx(0.01)
    assert found.error == pytest.approx(math.sqrt(0.02 * 0.98 / 3_000 + 0.01 * 0.99 / 2_000))
    assert divergences(ONE, patchy, y, x).forward.value == 0  # 2.9 standard errors
