"""The scorecard: truth stays inside its range, planted faults do not."""

import dataclasses

import pytest
import torch

from helpers import evidence, trust
from helpers.metrics import modes, samples
from helpers.metrics.catalogue import METRICS, NAMED
from helpers.metrics.scorecard import (
    DEFAULT,
    REPORTED,
    SHARPEST,
    evaluate,
    scorecard,
    truth_range,
    truth_scores,
)
from helpers.targets import gmm5

N, TRAIN = 400, 800


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("truth")


@pytest.fixture(autouse=True)
def shared(folder, written, monkeypatch):
    """Ranges measured by one test serve the others of this file."""
    monkeypatch.setenv("FIVE_GAUSSIANS_OUT", str(folder))


@pytest.fixture
def truth():
    return truth_range(gmm5(), N, TRAIN, metrics=METRICS)


@pytest.fixture(scope="module")
def train():
    return gmm5().sample(TRAIN, rng(100))


def outside(x, train, truth, seed=7):
    values = evaluate(gmm5(), x, train, rng(seed), METRICS)
    return {name for name, value in values.items() if not truth[name].holds(value)}


def test_fresh_truth_stays_inside(truth):
    draws = [(gmm5().sample(N, rng(s)), gmm5().sample(TRAIN, rng(500 + s))) for s in range(20, 30)]
    missed = [bool(outside(x, fresh, truth, 900)) for x, fresh in draws]
    assert sum(missed) <= 2  # of 10, each with probability .05: more than two has .01


@pytest.mark.parametrize("missing", range(5))
def test_a_removed_mode_is_seen_by_what_should_see_it(missing, train, truth):
    points, components = gmm5().sample_labelled(2 * N, rng(1))
    x = points[components != missing][:N]
    expected = {"modes covered", "mode weight KL", "recall", "coverage"}
    assert expected <= outside(x, train, truth)


def copies(x, train):
    return train[:N]


def strays(x, train):
    anywhere = 10 * torch.rand(N, 2, generator=rng(8)) - 5
    return torch.where(torch.arange(N)[:, None] % 5 == 0, anywhere, x)


def shrunk(x, train):
    centres = gmm5().means.float()[gmm5().classify(x)]
    return centres + 0.5 * (x - centres)


def reweighted(x, train):
    components = gmm5().weights.flip(0).multinomial(N, replacement=True, generator=rng(9))
    return gmm5().sample_given(components, rng(9))


FAULTS = {
    copies: ({"nearest training point"}, {"modes covered", "precision", "recall", "coverage"}),
    strays: ({"within 3σ", "log-likelihood", "precision", "density"}, {"modes covered"}),
    shrunk: ({"log-likelihood", "recall", "coverage"}, {"modes covered", "precision"}),
    reweighted: (
        {"mode weight KL", "sliced W2", "energy distance", "MMD²", "MMD² p-value"},
        {"modes covered", "within 3σ", "precision", "recall"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen_where_it_should_be_and_only_there(fault, train, truth):
    seen, unseen = FAULTS[fault]
    found = outside(fault(gmm5().sample(N, rng(2)), train), train, truth)
    assert seen <= found
    assert not unseen & found


def test_evaluate_reports_what_the_metrics_themselves_say(train):
    x = gmm5().sample(N, rng(3)) * 1.1
    values = evaluate(gmm5(), x, train, rng(4), METRICS)
    y = gmm5().sample(N, rng(4))  # at this size no metric picks a subset: only the draw matters
    assert values["log-likelihood"] == modes.log_likelihood(gmm5(), x)
    assert values["nearest training point"] == samples.nearest_training_distance(x, train)
    assert values["energy distance"] == samples.energy_distance(x, y)
    manifold = samples.precision_recall_density_coverage(x, y)
    assert [values[name] for name in manifold._fields] == list(manifold)


def test_evaluate_repeats_itself_from_the_same_generator(train):
    x = gmm5().sample(N, rng(3))
    assert evaluate(gmm5(), x, train, rng(4)) == evaluate(gmm5(), x, train, rng(4))


def test_evaluate_refuses_its_own_samples_as_reference(train):
    with pytest.raises(ValueError, match=r"repeats the draw .* another number"):
        evaluate(gmm5(), gmm5().sample(N, rng(3)), train, rng(3))


def test_evaluate_names_a_diverged_model(train):
    x = gmm5().sample(N, rng(3))
    x[:4, 1] = torch.nan
    with pytest.raises(ValueError, match=r"x: 4 of 400 points are not finite; .* diverged"):
        evaluate(gmm5(), x, train, rng(4))


@pytest.mark.parametrize("shape", [(5, 2), (100, 3), (100,)])
def test_evaluate_names_a_wrong_shape(shape, train):
    with pytest.raises(ValueError, match=r"x: shape .* expected \(n, 2\)"):
        evaluate(gmm5(), torch.zeros(shape), train, rng())


def test_ranges_are_measured_once_and_again_when_the_target_changes(written, monkeypatch, capsys):
    monkeypatch.setenv("FIVE_GAUSSIANS_OUT", str(written))
    first = truth_range(gmm5(), 50, 100, draws=3)
    assert "gmm5-50: measuring" in capsys.readouterr().out
    assert truth_range(gmm5(), 50, 100, draws=3) == first
    assert capsys.readouterr().out == ""
    wider = dataclasses.replace(gmm5(), covariances=1.5 * gmm5().covariances)
    assert truth_range(wider, 50, 100, draws=3) != first
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("change", [{"seed": 1}, {"train": 120}, {"draws": 4}])
def test_other_settings_are_measured_anew(change, capsys):
    truth_range(gmm5(), 60, **({"train": 100, "draws": 3} | change))
    assert "measuring" in capsys.readouterr().out


def test_a_changed_default_of_a_metric_is_measured_anew(monkeypatch, capsys):
    truth_range(gmm5(), 70, 100, draws=3)
    capsys.readouterr()
    monkeypatch.setattr(modes.share_within, "__defaults__", (2.5,))
    truth_range(gmm5(), 70, 100, draws=3)
    assert "measuring" in capsys.readouterr().out


def test_fewer_metrics_have_narrower_ranges(train):
    few = [NAMED["within 3σ"], NAMED["sliced W2"]]
    wide, narrow = truth_range(gmm5(), N, TRAIN), truth_range(gmm5(), N, TRAIN, metrics=few)
    assert list(narrow) == [m.name for m in few]
    assert all(narrow[m.name].low > wide[m.name].low for m in few)
    x = gmm5().sample(N, rng(3))
    assert set(evaluate(gmm5(), x, train, rng(4), few)) == set(narrow)


def test_progress_is_told_metric_by_metric(train):
    seen = []

    def watch(metrics):
        for metric in metrics:
            seen.append(metric.name)
            yield metric

    evaluate(gmm5(), gmm5().sample(N, rng(3)), train, rng(4), watch=watch)
    assert seen == [m.name for m in DEFAULT]


def test_scores_are_kept_draw_by_draw():
    scores = truth_scores(gmm5(), N, TRAIN)
    assert set(scores) == set(NAMED)
    assert {len(values) for values in scores.values()} == {20}


def test_a_spread_needs_two_draws():
    with pytest.raises(ValueError, match=r"draws = 1: .* at least 2"):
        truth_range(gmm5(), 50, 100, draws=1)


def test_scorecard_sets_each_column_beside_the_truth(train):
    truth = truth_range(gmm5(), N, TRAIN)
    x = gmm5().sample(N, rng(5))
    columns = {"good": x, "again": x, "bad": x + 1}
    card = scorecard(gmm5(), columns, train, rng(6))
    assert list(card.index) == [m.name for m in DEFAULT]
    assert list(dict.fromkeys(card.columns.get_level_values(0))) == ["truth", *columns]
    assert card["truth", "low"].to_dict() == {name: found.low for name, found in truth.items()}
    assert card["good"].equals(card["again"])  # they met the same reference points
    assert card["good", "inside"].all()
    assert card["good", "p"].min() > 0.05
    assert not card.loc["sliced W2", ("bad", "inside")]
    assert card.loc["sliced W2", ("bad", "p")] < 0.05
    assert card.loc["sliced W2", ("bad", "score")] > 3


def test_scorecard_needs_columns_of_one_size(train):
    x = gmm5().sample(N, rng(5))
    with pytest.raises(ValueError, match=r"sizes \{'a': 400, 'b': 399\}: .* same size"):
        scorecard(gmm5(), {"a": x, "b": x[1:]}, train, rng())
    with pytest.raises(ValueError, match="at least one"):
        scorecard(gmm5(), {}, train, rng())


def test_the_default_metrics_are_those_reported_and_those_best_at_some_fault():
    table = evidence.load("faults")
    sharpest = set(trust.chosen(table))
    assert sharpest <= set(SHARPEST) | set(REPORTED)
    assert set(SHARPEST) <= sharpest
    assert {m.name for m in DEFAULT} == sharpest | set(REPORTED)
