"""The targets against torch.distributions, chi-square and Monte Carlo; bad files against people."""

import copy
import json
import math
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from scipy import stats
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from helpers import files, targets

NAMES = sorted(targets.MIXTURES)
SOUND = {
    "weights": [0.4, 0.6],
    "means": [[0, 0], [3, 1]],
    "covariances": [[[1, 0], [0, 1]], [[2, 0.5], [0.5, 1]]],
}


def reference(target: targets.GaussianMixture) -> MixtureSameFamily:
    """The same mixture as torch writes it."""
    components = MultivariateNormal(target.means, target.covariances)
    return MixtureSameFamily(Categorical(target.weights), components)


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


@pytest.mark.parametrize("name", NAMES)
def test_moments_of_the_whole_are_those_of_torch(name):
    target = targets.named(name)
    torch.testing.assert_close(target.mean, reference(target).mean)
    torch.testing.assert_close(target.std, reference(target).stddev)


# --------------------------------------------------------------------------------- entropy


@pytest.mark.parametrize("covariance", [[[1, 0], [0, 1]], [[2, 0.9], [0.9, 0.5]]])
def test_entropy_of_one_gaussian_is_the_closed_form(covariance):
    determinant = torch.linalg.det(torch.tensor(covariance, dtype=torch.float64)).item()
    expected = 1 + math.log(2 * math.pi) + 0.5 * math.log(determinant)
    target = targets.from_definition(
        {"weights": [1], "means": [[2, -1]], "covariances": [covariance]}
    )
    assert target.entropy() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_entropy_is_the_mean_surprise_of_samples(name, generator):
    target = targets.named(name)
    surprise = -reference(target).log_prob(target.sample(50_000, generator).double())
    standard_error = surprise.std().item() / math.sqrt(len(surprise))
    assert abs(target.entropy() - surprise.mean().item()) < 4 * standard_error


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


def test_same_seed_same_points_and_three_independent_draws(monkeypatch):
    monkeypatch.setattr(targets, "SIZES", (50, 40, 50))
    before = torch.random.get_rng_state()
    one, two, other = (targets.gmm5().draws(seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.train.points, two.train.points)
    assert not torch.equal(one.train.points, other.train.points)
    assert not torch.equal(one.train.points, one.test.points)
    assert [len(part.points) for part in one] == [50, 40, 50]
    assert one.train.points.dtype == torch.float32


def test_every_run_still_sees_the_points_that_it_always_did():
    """Order of random numbers and sizes of the draws stay, so that saved runs stay comparable."""
    draws = targets.gmm5().draws()
    assert draws.train.components[:4].tolist() == [2, 0, 1, 1]
    first, last = torch.tensor([-3.6763, 1.2918]), torch.tensor([-4.1199, 2.6504])
    torch.testing.assert_close(draws.train.points[0], first, atol=1e-3, rtol=0)
    torch.testing.assert_close(draws.test.points[-1], last, atol=1e-3, rtol=0)


# ------------------------------------------------------------------------- the named targets


def test_ring_has_eight_different_modes_on_the_unit_circle():
    target = targets.ring8()
    gaps = torch.pdist(target.means)
    assert target.k == 8
    assert gaps.min().item() == pytest.approx(2 * math.sin(math.pi / 8))  # no end point twice
    torch.testing.assert_close(target.means.norm(dim=1), torch.ones(8, dtype=torch.float64))
    expected = (0.01**2 * torch.eye(2, dtype=torch.float64)).expand(8, 2, 2)
    torch.testing.assert_close(target.covariances, expected)


def test_grid_has_twenty_five_modes_two_apart():
    target = targets.grid25()
    assert {tuple(mean) for mean in target.means.tolist()} == {
        (float(i), float(j)) for i in range(-4, 5, 2) for j in range(-4, 5, 2)
    }
    expected = (0.05**2 * torch.eye(2, dtype=torch.float64)).expand(25, 2, 2)
    torch.testing.assert_close(target.covariances, expected)


# ------------------------------------------------------------------------- definitions, keys


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_survives_the_way_through_a_file(tmp_path, name):
    target = targets.named(name)
    path = tmp_path / "mine.json"
    files.write_json(path, target.definition())
    again = targets.named(str(path))
    assert again.definition() == target.definition()
    assert again.key == target.key
    assert again.name == name


def test_a_key_differs_where_other_numbers_keep_the_name():
    """What is cached for a mixture called gmm5 must not serve another of that name."""
    definition = targets.gmm5().definition()
    keys = {targets.gmm5().key}
    for part, way in (("weights", [0]), ("means", [4, 1]), ("covariances", [2, 0, 0])):
        values = copy.deepcopy(definition)
        place = values[part]
        for index in way[:-1]:
            place = place[index]
        place[way[-1]] += 1e-9
        changed = targets.from_definition(values)
        assert changed.name == "gmm5"
        keys.add(changed.key)
    assert len(keys) == 4
    assert all(len(key) == 8 and int(key, 16) >= 0 for key in keys)
    assert targets.gmm5().key in keys  # the same a second time


# ------------------------------------------------------------------------------ what names mean


class Plugin:
    """A kind of target that claims every name that begins with digits."""

    NAMES = ("digits",)

    @staticmethod
    def named(name: str):
        return f"images {name}" if name.startswith("digits") else None

    @staticmethod
    def from_definition(definition: dict):
        return f"images {definition['source']}"


@pytest.fixture
def plugin(monkeypatch):
    entry = SimpleNamespace(name="images", load=lambda: Plugin)
    monkeypatch.setattr(targets, "entry_points", lambda group: [entry])


@pytest.mark.parametrize("kind", ["installed", "greedy"])
def test_what_ends_in_json_is_a_file_whatever_a_plug_in_claims(
    tmp_path, monkeypatch, request, kind
):
    """With the plug-ins that are installed, and with one that would take any such name."""
    if kind == "greedy":
        request.getfixturevalue("plugin")
    monkeypatch.chdir(tmp_path)
    files.write_json(tmp_path / "digits-mine.json", SOUND)
    found = targets.named("digits-mine.json")
    assert isinstance(found, targets.GaussianMixture)
    assert found.name == "digits-mine"  # a nameless file is called after itself
    assert found.weights.tolist() == SOUND["weights"]


@pytest.mark.parametrize("name", ["ring8", "gmm5", "digits"])
def test_no_file_or_folder_takes_the_place_of_a_name(tmp_path, monkeypatch, name):
    """`train --out ring8` makes such a folder."""
    before = targets.named(name).definition()
    monkeypatch.chdir(tmp_path)
    files.write_json(tmp_path / "ring8", SOUND)
    for folder in ("gmm5", "digits"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "a.png")
    assert targets.named(name).definition() == before


def test_plug_ins_are_asked_for_names_and_kinds_that_are_not_mixtures(plugin):
    assert targets.named("digits-28") == "images digits-28"
    assert targets.from_definition({"kind": "images", "source": "x"}) == "images x"
    with pytest.raises(targets.BadTarget, match=r"gmm6: no such file.*gmm5, ring8, grid25, digits"):
        targets.named("gmm6")


# --------------------------------------------------------------------------------- bad files

VALUES = {  # what is put where in a sound definition, and the words that must answer
    "weights short of one": (["weights", 1], 0.5, "weights sum to 0.9, not 1; divide"),
    "negative weight": (["weights"], [1.5, -0.5], "weight -0.5 is not positive; drop"),
    "no weights": (["weights"], [], "must be a list of 1 to 1,000 numbers"),
    "indefinite": (["covariances", 1], [[1, 2], [2, 1]], "covariance 1.*positive definite"),
    "not symmetric": (["covariances", 1], [[1, 0.5], [0, 1]], "covariance 1.*symmetric"),
    "a mean too few": (["means"], [[0, 0]], r"2 weights need 'means' of shape \(2, 2\)"),
    "ragged": (["means"], [[0, 0], [1]], "'means' must be lists of numbers"),
    "nan": (["means", 0, 0], math.nan, "'means' holds a value that is not finite; use"),
    "enormous": (["weights", 0], 10**400, "'weights' must be lists of numbers"),
    "thinner than float32": (["covariances", 1], [[1e-14, 0], [0, 1e-14]], "float32 counts"),
    "far from the origin": (["means", 0, 0], 5e6, "component 0 .* float32 counts in steps of 0.6"),
    "too small to square": (["covariances"], [[[1e-30, 0], [0, 1e-30]]] * 2, "make the component"),
    "a name that is none": (["name"], ["a"], "give 1 to 100 letters"),
    "a name without end": (["name"], "a" * 101, "give 1 to 100 letters"),
    "another kind": (["kind"], "voices", "kind 'voices' need a plug-in that is not installed"),
}
BYTES = {
    "not JSON": (b"{weights: 1}", "not JSON .* at line 1.*; compare .*gmm5.json"),
    "empty": (b"", "not JSON"),
    "brackets without end": (b"[" * 100_000, "not JSON of sensible size"),
    "an integer of 5,000 digits": (b'{"weights": [' + b"1" * 5_000 + b"]}", "not JSON of sensible"),
    "a list": (b"[1, 2]", "no 'weights'; a mixture needs weights, means and covariances"),
    "a key missing": (b'{"weights": [1], "means": [[0, 0]]}', "no 'covariances'; a mixture"),
    "binary": (b"\x89PNG\xff\xfe", r"not JSON \(no UTF-8 text\)"),
    "gone": (None, "no such file or target; choose one of gmm5, .*digits"),
}


def bad_file(path, case: str) -> str:
    """Write the file of a case; returns the words that must answer."""
    if case in BYTES:
        content, pattern = BYTES[case]
        if content is not None:
            path.write_bytes(content)
        return pattern
    (*way, last), value, pattern = VALUES[case]
    definition = place = copy.deepcopy(SOUND)
    for key in way:
        place = place[key]
    place[last] = value
    path.write_text(json.dumps(definition), encoding="utf-8")
    return pattern


@pytest.mark.parametrize("case", [*VALUES, *BYTES])
def test_a_bad_file_is_named_in_one_line_with_the_remedy(tmp_path, case):
    path = tmp_path / "bad.json"
    pattern = bad_file(path, case)
    with pytest.raises(targets.BadTarget, match=pattern) as caught:
        targets.named(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_flat_component_is_refused_however_it_is_rounded(generator):
    """Of rank-one matrices some pass a test of their eigenvalues, by rounding alone."""
    for v in torch.randn(500, 2, generator=generator, dtype=torch.float64):
        flat = torch.outer(v, v)
        with pytest.raises(targets.BadTarget):
            targets.from_definition({**SOUND, "covariances": [flat.tolist(), [[1, 0], [0, 1]]]})


def test_a_plug_in_that_cannot_be_loaded_is_named(monkeypatch):
    def load():
        raise ImportError("no module named voices")

    entry = SimpleNamespace(name="voices", value="voices:Kind", load=load)
    monkeypatch.setattr(targets, "entry_points", lambda group: [entry])
    with pytest.raises(targets.BadTarget, match=r"plug-in voices \(voices:Kind\): .* remove it"):
        targets.named("digits")
