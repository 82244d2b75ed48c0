"""What is looked at after each epoch: always the same noise and points, scored as by hand."""

import math

import pytest
import torch
from small import recipe
from torch import nn

from helpers import building, probes
from helpers.targets import Labelled, gmm5

TARGET = gmm5()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Truth(nn.Module):
    """A model that is the target: its first latent number is not used, its noise is."""

    latent = 2

    def draw(self, z, generator):
        return TARGET.sample(len(z), generator)


class Shift(nn.Module):
    """x = z + 1, without noise."""

    latent = 2

    def draw(self, z, generator):
        return z + 1


@pytest.fixture
def held_out():
    return TARGET.sample_labelled(2_500, rng(1))


@pytest.fixture
def vae():
    points = TARGET.sample(500, rng(2))
    return building.build_vae(recipe("vae"), TARGET, points, rng(3))


def test_a_probe_asks_the_same_each_time(held_out, vae):
    probe = probes.Probe(2, held_out, rng(17))
    first, second = probe(vae), probe(vae)
    assert all(torch.equal(first[name], second[name]) for name in first)
    again = probes.Probe(2, held_out, rng(17))(vae)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_probe_looks_at_noise_points_and_codes(held_out, vae):
    probe = probes.Probe(2, held_out, rng(17))
    seen = probe(vae)
    assert {name: tuple(v.shape) for name, v in seen.items()} == {
        "samples": (10_000, 2),
        "codes": (2_000, 2),
        "reconstructions": (2_000, 2),
    }
    with torch.no_grad():
        codes = vae.encoder(held_out.points[:2_000]).mean
        assert torch.equal(seen["codes"], codes)
        assert torch.equal(seen["reconstructions"], vae.decoder(codes).mean)
    assert torch.equal(probe.components, held_out.components[:2_000])


def test_a_model_without_encoder_gives_samples_alone(held_out):
    probe = probes.Probe(2, held_out, rng(17))
    seen = probe(Shift())
    assert set(seen) == {"samples"}
    assert torch.equal(seen["samples"], probe.noise + 1)


def test_quality_of_the_truth_is_the_truths():
    found = probes.quality(TARGET, TARGET.sample(100_000, rng()))
    assert found["share"] == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert found["weight_kl"] == pytest.approx(0, abs=2e-4)
    assert found["log_likelihood"] == pytest.approx(-TARGET.entropy(), abs=0.02)


def test_samples_are_standard_normal_noise_through_the_model():
    x = probes.sample(Shift(), 100_000, rng())
    assert x.mean(0).tolist() == pytest.approx([1, 1], abs=0.02)
    assert x.std(0).tolist() == pytest.approx([1, 1], abs=0.02)
    assert torch.equal(x, probes.sample(Shift(), 100_000, rng()))


def test_final_scores_of_the_truth_find_every_mode():
    found = probes.final_scores(Truth(), TARGET, TARGET.sample(10, rng(1)), rng())
    assert found["modes"] == 5
    assert found["radius_ratio"] == pytest.approx([1] * 5, abs=0.05)
    assert "nll" not in found


def test_fewer_held_out_points_than_a_film_shows_are_all_shown(vae):
    few = Labelled(*(part[:7] for part in TARGET.sample_labelled(20, rng())))
    assert len(probes.Probe(2, few, rng())(vae)["codes"]) == 7
