"""The targets against torch.distributions, chi-square and Monte Carlo; bad files against people."""

import copy
import json
import math

import pytest
import torch
from scipy import stats
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from helpers import targets

NAMES = sorted(targets.NAMED)
SOUND = {
    "weights": [0.4, 0.6],
    "means": [[0, 0], [3, 1]],
    "covariances": [[[1, 0], [0, 1]], [[2, 0.5], [0.5, 1]]],
}


def reference(target: targets.GaussianMixture) -> MixtureSameFamily:
    """The same mixture as torch writes it."""
    components = MultivariateNormal(target.means, target.covariances)
    return MixtureSameFamily(Categorical(target.weights), components)


def one_gaussian(covariance) -> targets.GaussianMixture:
    return targets.from_definition(
        {"weights": [1], "means": [[2, -1]], "covariances": [covariance]}
    )


# ------------------------------------------------------------------------------- densities


@pytest.mark.parametrize("name", NAMES)
def test_log_density_is_that_of_torch(name, generator):
    target = targets.named(name)
    near = target.sample(300, generator).double()
    far = 6 * torch.randn(300, 2, generator=generator, dtype=torch.float64)
    x = torch.cat([near, far])
    torch.testing.assert_close(target.log_prob(x), reference(target).log_prob(x))


def test_responsibilities_are_bayes_rule(generator):
    target = targets.gmm5()
    x = 3 * torch.randn(200, 2, generator=generator, dtype=torch.float64)
    each = MultivariateNormal(target.means, target.covariances).log_prob(x[:, None]).exp()
    joint = target.weights * each  # (n, k)
    expected = joint / joint.sum(1, keepdim=True)
    torch.testing.assert_close(target.responsibilities(x), expected)
    assert torch.equal(target.classify(x), expected.argmax(1))


def test_mahalanobis_distance_uses_the_inverse_covariance(generator):
    target = targets.gmm5()
    x = 3 * torch.randn(50, 2, generator=generator, dtype=torch.float64)
    offset = x[:, None] - target.means  # (n, k, 2)
    inverse = torch.linalg.inv(target.covariances)
    expected = torch.einsum("nki,kij,nkj->nk", offset, inverse, offset)
    torch.testing.assert_close(target.mahalanobis2(x), expected)


# --------------------------------------------------------------------------------- entropy


@pytest.mark.parametrize("covariance", [[[1, 0], [0, 1]], [[2, 0.9], [0.9, 0.5]]])
def test_entropy_of_one_gaussian_is_the_closed_form(covariance):
    determinant = torch.linalg.det(torch.tensor(covariance, dtype=torch.float64)).item()
    expected = 1 + math.log(2 * math.pi) + 0.5 * math.log(determinant)
    assert one_gaussian(covariance).entropy() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_entropy_is_the_mean_surprise_of_samples(name, generator):
    target = targets.named(name)
    surprise = -reference(target).log_prob(target.sample(50_000, generator).double())
    standard_error = surprise.std().item() / math.sqrt(len(surprise))
    assert abs(target.entropy() - surprise.mean().item()) < 4 * standard_error


@pytest.mark.parametrize("name", NAMES)
def test_entropy_stands_when_the_nodes_are_doubled(name):
    target = targets.named(name)
    assert target.entropy(nodes=64) == pytest.approx(target.entropy(nodes=32), abs=1e-5)
    assert target.entropy() == target.entropy(nodes=64)


# --------------------------------------------------------------------------------- samples


@pytest.mark.parametrize("name", NAMES)
def test_components_are_drawn_by_their_weights(name, generator):
    target = targets.named(name)
    counts = target.sample_labelled(50_000, generator).components.bincount(minlength=target.k)
    assert stats.chisquare(counts, 50_000 * target.weights).pvalue > 1e-3


def test_each_component_has_its_own_mean_and_covariance(generator):
    target = targets.gmm5()
    points, components = target.sample_labelled(100_000, generator)
    for k, covariance in enumerate(target.covariances):
        own = points[components == k].double()
        scale = covariance.diagonal().max() * 4.5 / math.sqrt(len(own))  # > 3 standard errors
        torch.testing.assert_close(own.T.cov(), covariance, atol=1.5 * scale.item(), rtol=0)
        error = 4 * (covariance.diagonal() / len(own)).sqrt()
        assert ((own.mean(0) - target.means[k]).abs() < error).all()


def test_squared_radius_of_samples_is_chi_square_with_two_degrees(generator):
    target = targets.gmm5()
    points, components = target.sample_labelled(20_000, generator)
    radius2 = target.mahalanobis2(points).gather(1, components[:, None])[:, 0]
    assert stats.kstest(radius2.numpy(), stats.chi2(2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_moments_of_the_whole_are_those_of_torch(name):
    target = targets.named(name)
    torch.testing.assert_close(target.mean, reference(target).mean)
    torch.testing.assert_close(target.std, reference(target).stddev)


def test_same_seed_same_points_and_three_independent_draws():
    target = targets.gmm5()
    a, b = (targets.draw(target, torch.Generator().manual_seed(3), (50, 40, 50)) for _ in range(2))
    assert torch.equal(a.train.points, b.train.points)
    assert [len(part.points) for part in a] == [50, 40, 50]
    assert not torch.equal(a.train.points, a.test.points)
    assert a.train.points.dtype == torch.float32


# ------------------------------------------------------------------------- the named targets


def test_ring_has_eight_different_modes_on_the_unit_circle():
    target = targets.ring8()
    gaps = torch.pdist(target.means)
    assert target.k == 8
    assert gaps.min().item() == pytest.approx(2 * math.sin(math.pi / 8))  # no end point twice
    torch.testing.assert_close(target.means.norm(dim=1), torch.ones(8, dtype=torch.float64))
    torch.testing.assert_close(target.scale_tril.diagonal(dim1=1, dim2=2).unique().item(), 0.01)


def test_grid_has_twenty_five_modes_two_apart():
    target = targets.grid25()
    assert {tuple(mean) for mean in target.means.tolist()} == {
        (float(i), float(j)) for i in range(-4, 5, 2) for j in range(-4, 5, 2)
    }
    torch.testing.assert_close(target.covariances[7], 0.05**2 * torch.eye(2, dtype=torch.float64))


def test_a_definition_survives_the_way_through_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(targets.gmm5().definition()), encoding="utf-8")
    again = targets.named(str(path))
    assert again.definition() == targets.gmm5().definition()


def test_a_nameless_file_is_called_after_itself(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SOUND), encoding="utf-8")
    assert targets.from_file(path).name == "mine"


# --------------------------------------------------------------------------------- bad files

VALUES = {  # what is put where in a sound definition, and the words that must answer
    "weights short of one": (["weights", 1], 0.5, "weights sum to 0.9, not 1; divide"),
    "negative weight": (["weights"], [1.5, -0.5], "weight -0.5 is not positive; drop"),
    "weight of zero": (["weights"], [1, 0], "weight 0 is not positive; drop"),
    "no weights": (["weights"], [], "at least one number"),
    "weights as one number": (["weights"], 1, "at least one number"),
    "indefinite": (["covariances", 1], [[1, 2], [2, 1]], "covariance 1.*positive definite"),
    "singular": (["covariances", 0], [[1, 1], [1, 1]], "covariance 0.*positive definite"),
    "not symmetric": (["covariances", 1], [[1, 0.5], [0, 1]], "covariance 1.*symmetric"),
    "a mean too few": (["means"], [[0, 0]], r"2 weights need 'means' of shape \(2, 2\)"),
    "three dimensions": (["means"], [[0, 0, 0]] * 2, r"'means' of shape.*found \(2, 3\)"),
    "ragged": (["means"], [[0, 0], [1]], "'means' must be lists of numbers"),
    "words": (["means", 0], ["a", "b"], "'means' must be lists of numbers"),
    "null": (["means", 0], None, "'means' must be lists of numbers"),
    "nan": (["means", 0, 0], math.nan, "'means' holds a value that is not finite; use"),
    "infinite": (["covariances", 0, 0, 0], math.inf, "'covariances' holds a value that is not"),
    "enormous": (["weights", 0], 10**400, "'weights' must be lists of numbers"),
}
BYTES = {
    "not JSON": (b"{weights: 1}", "not JSON .* at line 1.*; compare .*gmm5.json"),
    "empty": (b"", "not JSON"),
    "a list": (b"[1, 2]", "no 'weights'; a mixture needs weights, means and covariances"),
    "a number": (b"7", "no 'weights'"),
    "a key missing": (b'{"weights": [1], "means": [[0, 0]]}', "no 'covariances'; a mixture"),
    "binary": (b"\x89PNG\xff\xfe", "cannot be read .*; save it as UTF-8 text"),
}


def complaint(path, pattern: str) -> None:
    """Reading `path` fails in one line that begins with the file's name."""
    with pytest.raises(targets.BadTarget, match=pattern) as caught:
        targets.from_file(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", VALUES)
def test_bad_values_are_named_with_the_remedy(tmp_path, case):
    (*way, last), value, pattern = VALUES[case]
    definition = place = copy.deepcopy(SOUND)
    for key in way:
        place = place[key]
    place[last] = value
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(definition), encoding="utf-8")
    complaint(path, pattern)


@pytest.mark.parametrize("case", BYTES)
def test_unreadable_files_are_named_with_the_remedy(tmp_path, case):
    content, pattern = BYTES[case]
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    complaint(path, pattern)


def test_a_missing_file_and_a_wrong_name_list_what_there_is(tmp_path):
    complaint(tmp_path / "none.json", "no such file; give a JSON file or one of.*gmm5")
    with pytest.raises(targets.BadTarget, match=r"gmm6: no such file.*ring8"):
        targets.named("gmm6")
