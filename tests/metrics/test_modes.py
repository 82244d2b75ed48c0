"""Scores against a known mixture, checked by closed forms and by planted faults."""

import math

import pytest
import torch
from scipy.stats import entropy

from helpers.metrics import modes
from helpers.targets import from_definition, gmm5, ring8

N = 50_000
ONE = from_definition({"weights": [1.0], "means": [[1, 2]], "covariances": [[[2, 0.5], [0.5, 1]]]})
APART = from_definition(
    {
        "weights": [0.5, 0.5],
        "means": [[-20, 0], [20, 5]],
        "covariances": [[[1, 0.3], [0.3, 0.5]], [[0.2, 0], [0, 0.2]]],
    }
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def truth():
    return gmm5().sample(N, rng())


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_the_share_within_sigma_is_the_chi_squared_law(sigma):
    expected = 1 - math.exp(-(sigma**2) / 2)
    found = modes.high_quality_fraction(ONE, ONE.sample(N, rng()), sigma)
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / N))


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_the_truths_own_share_is_known(sigma):
    alone = 1 - math.exp(-(sigma**2) / 2)
    assert modes.true_fraction(ONE, sigma) == pytest.approx(alone, abs=1e-9)
    assert modes.true_fraction(APART, sigma) == pytest.approx(alone, abs=1e-9)
    drawn = modes.high_quality_fraction(gmm5(), gmm5().sample(1_000_000, rng(1)), sigma)
    assert modes.true_fraction(gmm5(), sigma) == pytest.approx(drawn, abs=2e-3 / sigma**2)
    assert modes.true_fraction(gmm5(), sigma) > alone  # neighbours overlap


def test_a_known_share_of_strays_is_found(truth):
    share = modes.high_quality_fraction(gmm5(), truth)
    x = torch.cat([truth, torch.full((N, 2), 100.0)])
    assert modes.high_quality_fraction(gmm5(), x) == pytest.approx(share / 2)


def test_distances_are_in_the_components_own_units():
    wide = from_definition({"weights": [1.0], "means": [[0, 0]], "covariances": [[[4, 0], [0, 1]]]})
    x = torch.tensor([[5.9, 0.0], [6.1, 0.0], [0.0, 2.9], [0.0, 3.1]])
    assert modes.high_quality_fraction(wide, x) == 0.5


@pytest.mark.parametrize("missing", range(5))
def test_a_removed_mode_is_not_covered(missing):
    points, components = gmm5().sample_labelled(N, rng(1))
    assert modes.modes_covered(gmm5(), points) == 5
    assert modes.modes_covered(gmm5(), points[components != missing]) == 4


def test_one_stray_covers_a_mode_by_the_published_rule_only():
    points, components = gmm5().sample_labelled(2_500, rng(1))
    x = torch.cat([points[components != 4], gmm5().means[4:].float()])
    assert modes.modes_covered(gmm5(), x, least=0) == 5
    assert modes.modes_covered(gmm5(), x) == 4


@pytest.mark.parametrize("least", [0.0, 0.1])
def test_an_empty_mode_is_covered_by_no_rule(least):
    x = torch.zeros(3, 2)  # so few that the share due to a mode is below one point
    assert modes.modes_covered(gmm5(), x, least=least) == 1


def test_mode_kl_is_scipys_entropy_of_the_histogram_in_the_published_direction():
    x = ring8().sample_given(torch.tensor([0] * 10 + [1] * 20 + [2] * 30), rng())
    expected = entropy([10, 20, 30, 0, 0, 0, 0, 0], ring8().weights.numpy())
    assert modes.mode_kl(ring8(), x) == pytest.approx(expected)
    alone = gmm5().means[:1].float().expand(10, 2)  # all mass on the first mode
    assert modes.mode_kl(gmm5(), alone) == pytest.approx(-math.log(0.3))


def test_radius_ratio_of_the_truth_is_one_and_a_shrunken_mode_alone_has_less():
    points, components = ring8().sample_labelled(N, rng())
    before = modes.radius_ratio(ring8(), points)
    # a squared radius over 2 has mean 1 and variance 1; about N / 8 points a mode
    assert (before - 1).abs().max() < 4 / math.sqrt(N / 8)
    shrink = torch.ones(8)
    shrink[2] = 0.9
    centres = ring8().means.float()[components]
    after = modes.radius_ratio(ring8(), centres + shrink[components, None] * (points - centres))
    assert torch.allclose(after, before * shrink.double() ** 2, rtol=1e-4)


def test_cross_entropy_of_the_truth_is_its_entropy(truth):
    error = gmm5().log_prob(truth).std().item() / math.sqrt(N)
    assert modes.cross_entropy(gmm5(), truth) == pytest.approx(gmm5().entropy(), abs=4 * error)


def test_cross_entropy_agrees_with_torch(truth):
    normal = torch.distributions.MultivariateNormal(ONE.means[0], ONE.covariances[0])
    expected = -normal.log_prob(truth.double()).mean().item()
    assert modes.cross_entropy(ONE, truth) == pytest.approx(expected, rel=1e-9)


def distorted(n, shift=0.0, scale=1.0):
    """True points, each distorted within its own component's standard coordinates."""
    x, component = APART.sample_labelled(n, rng(1))
    root = APART.scale_tril[component]
    offset = (x.double() - APART.means[component])[..., None]
    inner = scale * torch.linalg.solve_triangular(root, offset, upper=False)
    inner += torch.tensor([[shift], [0.0]], dtype=torch.float64)
    return (APART.means[component] + (root @ inner)[..., 0]).float()


def test_moments_are_the_shift_and_the_scale_that_were_planted():
    shifted = modes.per_mode_moments(APART, distorted(20_000, shift=0.5))
    assert shifted.mean_error == pytest.approx(0.5, abs=0.03)
    # S = s² I, so the Frobenius norm of S − I is √2 (s² − 1)
    scaled = modes.per_mode_moments(APART, distorted(40_000, scale=1.2))
    assert scaled.covariance_error == pytest.approx(math.sqrt(2) * (1.2**2 - 1), abs=0.05)


def test_an_empty_mode_has_neither_radius_nor_moments():
    ratio = modes.radius_ratio(gmm5(), gmm5().means[:2].float())
    assert ratio.isnan().tolist() == [False, False, True, True, True]
    x = APART.sample(500, rng(3))
    assert all(math.isnan(error) for error in modes.per_mode_moments(APART, x[x[:, 0] < 0]))


def test_only_what_lies_between_modes_is_counted_there():
    x = APART.sample(980, rng(5))
    before = modes.between_modes(APART, torch.cat([x, torch.full((20, 2), 50.0)]))
    halfway = APART.means.mean(0).float().expand(20, 2)
    assert before <= 0.012  # beyond 3σ by chance
    assert modes.between_modes(APART, torch.cat([x, halfway])) == pytest.approx(before + 0.02)
