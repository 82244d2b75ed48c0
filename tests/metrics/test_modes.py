"""Scores against a known mixture, checked by closed forms and by planted faults."""

import math

import pytest
import torch
from scipy.stats import entropy

from helpers.metrics import modes
from helpers.targets import from_definition, gmm5, ring8

N = 50_000


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def truth():
    return gmm5().sample(N, rng())


def one_gaussian():
    return from_definition(
        {"weights": [1.0], "means": [[1, 2]], "covariances": [[[2, 0.5], [0.5, 1]]]}
    )


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_share_within_is_the_chi_squared_law(sigma):
    expected = 1 - math.exp(-(sigma**2) / 2)
    found = modes.share_within(one_gaussian(), one_gaussian().sample(N, rng()), sigma)
    error = math.sqrt(expected * (1 - expected) / N)
    assert abs(found - expected) < 4 * error


def test_share_within_counts_a_known_share_of_strays(truth):
    strays = torch.full((N, 2), 100.0)
    share = modes.share_within(gmm5(), truth)
    assert modes.share_within(gmm5(), torch.cat([truth, strays])) == pytest.approx(share / 2)


def test_share_within_is_measured_in_the_components_own_units():
    wide = from_definition({"weights": [1.0], "means": [[0, 0]], "covariances": [[[4, 0], [0, 1]]]})
    x = torch.tensor([[5.9, 0.0], [6.1, 0.0], [0.0, 2.9], [0.0, 3.1]])
    assert modes.share_within(wide, x) == 0.5


def test_mode_counts_gives_every_point_to_its_mode():
    target = ring8()
    x = target.sample_given(torch.tensor([0] * 5 + [3] * 7), rng())
    assert modes.mode_counts(target, x, sigma=6).tolist() == [5, 0, 0, 7, 0, 0, 0, 0]


def test_mode_counts_leaves_out_low_quality_points():
    x = torch.tensor([[0.0, 0.0], [0.0, 2.0], [0.0, 2.2]])  # σ = .7 about the origin: 2.1 is 3σ
    assert modes.mode_counts(gmm5(), x).tolist() == [2, 0, 0, 0, 0]


@pytest.mark.parametrize("missing", range(5))
def test_a_removed_mode_is_not_covered(missing):
    target = gmm5()
    points, components = target.sample_labelled(N, rng(1))
    assert modes.modes_covered(target, points) == 5
    assert modes.modes_covered(target, points[components != missing]) == 4


def test_one_stray_covers_a_mode_by_the_published_rule_only():
    target = gmm5()
    points, components = target.sample_labelled(2_500, rng(1))
    x = torch.cat([points[components != 4], target.means[4:].float()])
    assert modes.modes_covered(target, x, least=0) == 5
    assert modes.modes_covered(target, x) == 4


@pytest.mark.parametrize("least", [0.0, 0.1])
def test_an_empty_mode_is_covered_by_no_rule(least):
    x = torch.zeros(3, 2)  # so few that the share due to a mode is below one point
    assert modes.modes_covered(gmm5(), x, least=least) == 1


def test_weight_kl_is_the_entropy_of_the_histogram_relative_to_the_weights():
    target = ring8()
    x = target.sample_given(torch.tensor([0] * 10 + [1] * 20 + [2] * 30), rng())
    expected = entropy([10, 20, 30, 0, 0, 0, 0, 0], target.weights.numpy())
    assert modes.weight_kl(target, x) == pytest.approx(expected)


def test_weight_kl_takes_the_published_direction():
    x = gmm5().means[:1].float().expand(10, 2)  # all mass on the first mode
    assert modes.weight_kl(gmm5(), x) == pytest.approx(-math.log(0.3))


def test_weight_kl_of_the_truth_averages_half_its_degrees_over_n():
    target = ring8()  # its modes do not overlap: 2n KL is χ² with 7 degrees of freedom
    found = [modes.weight_kl(target, target.sample(2_000, rng(seed))) for seed in range(100)]
    error = math.sqrt(14 / 100) / 4_000  # standard error of the mean of 100 such values
    assert torch.tensor(found).mean().item() == pytest.approx(7 / 4_000, abs=4 * error)


def test_radius_ratio_of_the_truth_is_one():
    x = ring8().sample(N, rng())
    # a squared radius over 2 has mean 1 and variance 1; about N / 8 points a mode
    assert (modes.radius_ratio(ring8(), x) - 1).abs().max() < 4 / math.sqrt(N / 8)


def test_radius_ratio_sees_one_shrunken_mode_and_no_other():
    target = ring8()
    points, components = target.sample_labelled(N, rng())
    before = modes.radius_ratio(target, points)
    shrink = torch.ones(8)
    shrink[2] = 0.9
    centres = target.means.float()[components]
    after = modes.radius_ratio(target, centres + shrink[components, None] * (points - centres))
    assert torch.allclose(after, before * shrink.double() ** 2, rtol=1e-4)


def test_radius_ratio_of_an_empty_mode_is_nan():
    ratio = modes.radius_ratio(gmm5(), gmm5().means[:2].float())
    assert ratio.isnan().tolist() == [False, False, True, True, True]


def test_log_likelihood_of_the_truth_is_minus_its_entropy(truth):
    log_p = gmm5().log_prob(truth)
    error = log_p.std().item() / math.sqrt(N)
    assert modes.log_likelihood(gmm5(), truth) == pytest.approx(-gmm5().entropy(), abs=4 * error)


def test_log_likelihood_agrees_with_torch(truth):
    normal = torch.distributions.MultivariateNormal(
        one_gaussian().means[0], one_gaussian().covariances[0]
    )
    expected = normal.log_prob(truth.double()).mean().item()
    assert modes.log_likelihood(one_gaussian(), truth) == pytest.approx(expected, rel=1e-9)
