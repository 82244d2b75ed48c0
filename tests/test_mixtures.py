"""The published protocol, on the truth, on planted losses, and beside the published table."""

import pytest
import torch

from helpers import mixtures, targets
from helpers.mixtures import PUBLISHED, protocol


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("name", "k"), [("ring8", 8), ("grid25", 25)])
def test_the_truth_has_every_mode_and_its_share(name, k):
    target = targets.named(name)
    found = protocol(target, target.sample(100_000, rng()))
    assert found["modes"] == k
    assert found["share"] == pytest.approx(0.9889, abs=2e-3)
    assert found["reverse_kl"] < 1e-3


def test_one_good_sample_counts_as_a_mode_and_a_bad_one_does_not():
    ring = targets.ring8()
    x = ring.means[:3].float().repeat(10, 1)
    far = torch.cat([x, 5 * ring.means[4:5].float()])
    assert protocol(ring, x)["modes"] == protocol(ring, far)["modes"] == 3
    assert protocol(ring, far)["share"] == pytest.approx(30 / 31)


def test_losing_half_the_modes_costs_the_logarithm_of_two():
    ring = targets.ring8()
    x = ring.sample_given(torch.arange(4).repeat(500), rng())
    assert protocol(ring, x)["reverse_kl"] == pytest.approx(0.6931, abs=1e-3)


def test_the_published_rows_are_possible_values():
    for row in PUBLISHED.values():
        for name in mixtures.TARGETS:
            modes, share, kl = row[name]
            assert 0 < modes <= targets.named(name).k
            assert 0 < share <= 100
            assert kl is None or kl > 0
