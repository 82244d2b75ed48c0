"""Training stays what it was: the same losses step by step, the same samples of saved runs."""

import json
from dataclasses import replace

import pytest
import trajectories

from helpers import experiments, objectives, recipes, runs, training
from helpers.files import REPOSITORY

GOLDEN = json.loads(trajectories.FILE.read_text(encoding="utf-8"))
SAMPLES = json.loads(trajectories.SAMPLES.read_text(encoding="utf-8"))
REMADE = ("vae/seed5", "gan/seed5")  # by `make run`
NEAR = 1e-5  # relative
KIND = ("vae-beta-linear", "gan-relativistic")  # one of each family, with every schedule


def distance(found: dict, name: str) -> float:
    """The largest relative difference to the golden trajectory."""
    pairs = [pair for loss in GOLDEN[name] for pair in zip(found[loss], GOLDEN[name][loss])]  # noqa: B905
    assert all((a is None) == (b is None) for a, b in pairs)
    return max(abs(a - b) / max(abs(b), 1e-3) for a, b in pairs if a is not None)


@pytest.mark.parametrize("name", trajectories.COVERED)
def test_the_first_twenty_losses_of_a_recipe_are_the_golden_ones(name):
    """In double precision, within 1e-5 on any processor."""
    assert distance(trajectories.trajectory(experiments.named(name)), name) < NEAR


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (KIND[0], {"learning_rate": 2.1e-3}),
        (KIND[0], {"beta": 1.05}),
        (KIND[1], {"learning_rate": 1.05e-3}),
        (KIND[1], {"beta1": 0.1}),
        (KIND[1], {"average": 0.5}),
        (KIND[1], {"penalty": 0.022}),
        ("gan-wgan-gp", {"discriminator_steps": 4}),
    ],
)
def test_a_changed_number_is_seen(name, change):
    """A twentieth of a learning rate is enough."""
    other = trajectories.trajectory(replace(experiments.named(name), **change))
    shorter = {loss: [v or 0.0 for v in values] for loss, values in other.items()}
    golden = {loss: [v or 0.0 for v in values] for loss, values in GOLDEN[name].items()}
    pairs = [pair for loss in golden for pair in zip(shorter[loss], golden[loss], strict=True)]
    assert max(abs(a - b) / max(abs(b), 1e-3) for a, b in pairs) > NEAR


@pytest.mark.parametrize("betas", [(0.0, 0.9), (0.1, 0.99)])
def test_a_changed_beta_of_adam_is_seen(monkeypatch, betas):
    """As when a memory of 100 steps becomes one of ten."""
    original = training.settings
    monkeypatch.setattr(training, "settings", lambda r: replace(original(r), betas=betas))
    assert distance(trajectories.trajectory(experiments.named("gan")), "gan") > NEAR


def test_a_changed_line_of_an_objective_is_seen(monkeypatch):
    """The penalty on the fakes alone, for instance."""
    original = objectives.zero_centred

    def twice(discriminator, x):
        return 2 * original(discriminator, x)

    monkeypatch.setattr(objectives, "zero_centred", twice)
    found = trajectories.trajectory(experiments.named("gan-relativistic"))
    assert distance(found, "gan-relativistic") > NEAR


@pytest.mark.parametrize("name", SAMPLES)
def test_a_committed_run_samples_the_points_that_it_always_did(name):
    """A thousand of them: the first and last numbers, mean and spread, to rounding.

    Where `make run` has trained a run anew, on whatever processor, its moments are the same to
    what a thousand samples can tell.
    """
    found = trajectories.sampled(runs.read(REPOSITORY / "data" / "runs" / name))
    if name in REMADE:
        assert found["moments"] == pytest.approx(SAMPLES[name]["moments"], abs=0.2)
        return
    for part, values in SAMPLES[name].items():
        assert found[part] == pytest.approx(values, rel=2e-3, abs=2e-3), part


def test_every_committed_run_is_complete_and_of_today():
    """Its recipe is the one of that name, its history as long as its epochs, its JSON strict."""
    for stem in trajectories.committed():
        run = runs.read(stem)
        assert run.record["complete"]
        assert not runs.outdated(run.record, _today(run.recipe))
        assert {len(v) for v in run.history.values()} == {run.recipe.epochs + 1}
    assert len(trajectories.committed()) > 250


def _today(recipe):
    base, _, width = recipe.name.partition("-width-")
    named = experiments.named(base)
    return recipes.widened(named, int(width)) if width else named
