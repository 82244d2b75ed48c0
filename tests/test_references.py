"""Estimators to stand beside: EM finds the mixture itself, kernels blur it a little."""

import pytest

from helpers import references
from helpers.recorder import stream
from helpers.targets import gmm5


@pytest.fixture(scope="module")
def found():
    target = gmm5()
    return references.all_of(target, target.sample(12_100, stream(0)))


def test_em_is_as_near_as_its_parameters_allow(found):
    em = found["Gaussian mixture by EM"]
    value, error = em["divergences"]["forward"]
    assert em["sampler"] == 29
    # a maximum-likelihood fit of p parameters to n points is p / 2n nats away, here .0012
    assert value < 0.004 + 3 * error
    assert em["divergences"]["total_variation"][0] < 0.04
    assert em["share"] == pytest.approx(0.989, abs=0.005)


def test_kernels_are_further_away_and_still_good(found):
    kernels = found["kernel density"]["divergences"]
    assert kernels["forward"][0] > found["Gaussian mixture by EM"]["divergences"]["forward"][0]
    assert kernels["total_variation"][0] < 0.15


def test_samples_are_in_no_order(found):
    target = gmm5()
    fitted, _ = references.fitted_mixture(target, target.sample(2_000, stream(1)))
    own = target.classify(references._samples(fitted, 500))
    assert len(set(own[:60].tolist())) == 5
