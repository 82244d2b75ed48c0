"""Baselines against known answers, the published protocol on the truth and on planted losses."""

import json
from dataclasses import replace

import pytest
import torch
from small import recipe, shrink

from helpers import experiments, recorder, runs, targets
from helpers.study import baselines
from helpers.study.baselines import RECIPES, TARGETS, protocol
from helpers.targets import gmm5
from helpers.training import stream


@pytest.fixture(scope="module")
def found():
    target = gmm5()
    return baselines.estimators(target, target.sample(12_100, stream(0)))


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


def test_samples_are_in_random_order():
    target = gmm5()
    fitted, _ = baselines.fitted_mixture(target, target.sample(2_000, stream(1)))
    own = target.classify(baselines.samples_of(fitted, 500))
    assert len(set(own[:60].tolist())) == 5


# ----------------------------------------------------------------------- the published benchmark


@pytest.mark.parametrize(("name", "k"), [("ring8", 8), ("grid25", 25)])
def test_the_truth_has_every_mode_and_its_share(name, k):
    target = targets.named(name)
    scored = protocol(target, target.sample(100_000, stream(0)))
    assert scored["modes"] == k
    assert scored["share"] == pytest.approx(0.9889, abs=2e-3)
    assert scored["reverse_kl"] < 1e-3


def test_one_good_sample_counts_as_a_mode_and_a_bad_one_does_not():
    ring = targets.ring8()
    x = ring.means[:3].float().repeat(10, 1)
    far = torch.cat([x, 5 * ring.means[4:5].float()])
    assert protocol(ring, x)["modes"] == protocol(ring, far)["modes"] == 3
    assert protocol(ring, far)["share"] == pytest.approx(30 / 31)


def test_losing_half_the_modes_costs_the_logarithm_of_two():
    ring = targets.ring8()
    x = ring.sample_given(torch.arange(4).repeat(500), stream(0))
    assert protocol(ring, x)["reverse_kl"] == pytest.approx(0.6931, abs=1e-3)


def drop_weights(stem):
    record = runs.read_record(stem)
    runs.pack(runs.file_of(stem), {"record.json": json.dumps(record).encode()})


def test_rows_are_of_the_runs_with_weights_and_others_stay_as_they_are(monkeypatch):
    """Seeds that nobody has committed: 90 has weights for all recipes, 91 only for some."""
    shrink(monkeypatch)
    monkeypatch.setattr(baselines, "SAMPLES", (40,))
    for target, families in RECIPES.items():
        for name in families.values():
            small = replace(recipe(name, epochs=1), name=name)
            place = targets.named(target)
            recorder.train(small, place, (90, 91), device="cpu")
            if name.startswith("vae-mixture"):
                drop_weights(runs.stem_of(experiments.named(name), place, 91))
    kept = {"ring8": {"VAE": "as it was", "GAN": "replaced"}}
    first = baselines.benchmark((90,), kept)
    assert set(first) == set(TARGETS)
    assert set(first["ring8"]) == {"truth", "GAN", "VAE"}
    run = runs.load(experiments.named("gan-mixture"), targets.ring8(), 90)
    assert first["ring8"]["GAN"]["weights"] == [run.record["weights"]]
    expected = protocol(targets.ring8(), run.sample(40, stream(190)))
    assert first["ring8"]["GAN"]["40"] == [expected]
    both = baselines.benchmark((90, 91), kept)
    assert both["ring8"]["VAE"] == "as it was"
    assert "VAE" not in both["grid25"]
    assert len(both["ring8"]["GAN"]["40"]) == 2
