"""The experiments on cases whose outcome is known, and the pictures of the committed records."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from small import recipe, shrink

from helpers import targets
from helpers.metrics import density, divergences
from helpers.study import (
    dirac,
    discriminators,
    figures,
    gap,
    points,
    records,
    samplers,
    scales,
    separation,
)
from helpers.study.records import fit
from helpers.training import PLAIN, stream

TARGET = targets.gmm5()


@pytest.fixture
def small_sizes(monkeypatch):
    shrink(monkeypatch)
    for module, name, value in (
        (records, "FAST", PLAIN),
        (density, "MESH", 60),
        (density, "NODES", {1: 64, 2: 32}),
        (divergences, "COMPARED", 200),
        (divergences, "DRAWN", 200),
        (discriminators, "LOOKED", 200),
        (discriminators, "EVERY", 2),
        (separation, "DRAWN", 500),
        (points, "DRAWN", 200),
        (samplers, "SCORED", 500),
    ):
        monkeypatch.setattr(module, name, value)


# ---------------------------------------------------------------------------- what is measured


def test_an_optimal_discriminators_loss_says_the_divergence():
    """D* = log p/q between N(0, 1) and N(1, 1); JS by a fine sum over the line."""
    x = torch.linspace(-12, 13, 200_001, dtype=torch.float64)
    p, q = (torch.distributions.Normal(m, 1.0).log_prob(x).exp() for m in (0.0, 1.0))
    logit, step = (p / q).log(), (x[1] - x[0]).item()
    softplus = torch.nn.functional.softplus
    loss = ((p * softplus(-logit) + q * softplus(logit)).sum() * step).item()
    middle = (p + q) / 2
    exact = (((p * (p / middle).log() + q * (q / middle).log()) / 2).sum() * step).item()
    assert discriminators.said(loss) == pytest.approx(exact, abs=1e-6)
    worse = ((p * softplus(-0.5 * logit) + q * softplus(0.5 * logit)).sum() * step).item()
    assert discriminators.said(worse) < exact
    assert discriminators.said(2 * math.log(2)) == 0  # one that says nothing


def test_the_course_of_a_training_has_a_row_for_every_look(small_sizes):
    (course,) = discriminators.measure(recipe("gan", epochs=5), seeds=[1], device="cpu")
    assert course["epoch"] == [2, 4]
    assert {len(column) for column in course.values()} == {2}


def test_both_samplers_are_scored_alike(small_sizes):
    for sampler in ("gaussian", "map"):
        small = recipe("gan", sampler=sampler, activation="relu")
        one, other = samplers.measure(small, [0, 1], "cpu")
        assert one != other
        assert len(one["radius_ratio"]) == 5
    assert len(samplers.cells()) == 14 * 10


def test_a_scaled_target_has_its_means_apart_and_its_covariances_kept():
    twice = separation.scaled(2.0)
    assert torch.equal(twice.means, 2 * TARGET.means)
    assert torch.equal(twice.covariances, TARGET.covariances)
    assert separation.scaled(1.0).definition()["means"] == TARGET.definition()["means"]


def test_leakage_is_found_on_the_scaled_target(small_sizes):
    (found,) = separation.measure(recipe("gan"), 3.0, seeds=[0], device="cpu")
    assert set(found) == {"between", "foretold", "border", "modes", "share"}


def test_leakage_is_of_the_models_own_latents(small_sizes):
    class Jump(torch.nn.Module):
        """The first component for z₁ < 0, the second else, and nothing between."""

        latent = 2

        def decode(self, z):
            return TARGET.means[(z[:, 0] > 0).long()].float()

        def draw(self, z, generator):
            return self.decode(z)

    found = separation.leakage(Jump(), TARGET)
    assert (found["between"], found["modes"], found["share"]) == (0, 2, 1)
    assert found["border"] == pytest.approx(1 / math.sqrt(2 * math.pi), rel=0.06)


def test_copies_are_recited_and_fresh_points_are_not():
    copies = points.recited(TARGET.draws().train.points[:1_000], 1_000)
    fresh = points.recited(TARGET.sample(1_000, stream(9)), 1_000)
    assert copies["nearest_training_distance"] == 0
    assert copies["authenticity"] == 0
    assert copies["copying_z"] < -20
    assert fresh["authenticity"] > 0.3
    assert abs(fresh["copying_z"]) < 3


def test_fewer_points_are_met_more_often(small_sizes, monkeypatch):
    seen = []
    monkeypatch.setattr(points, "SIZES", (400,))

    def watched(small, target, train, seeds, device):
        seen.append(train)
        return fit(small, target, train, seeds, device)

    monkeypatch.setattr(points, "fit", watched)
    (found,) = points.measure(recipe("gan"), 100, seeds=[0], device="cpu")
    assert seen[0].shape == (400, 2)
    assert len(seen[0].unique(dim=0)) == 100
    assert found["nearest_training_distance"] > 0


def test_merging_cells_keeps_the_mass_and_hides_differences():
    mass = torch.rand(8, 8, generator=stream(1)).double()
    found = scales.merged(mass, 2)
    assert found[1, 2].item() == pytest.approx(mass[2:4, 4:6].sum().item())
    samples = scales.variations(TARGET.sample, seed=3, samples=20_000)
    assert samples == sorted(samples, reverse=True)  # coarser cells hide more
    assert samples[-1] < 0.02 < 0.2 < samples[0]


def test_a_wider_model_is_seen_at_every_size_that_it_blurs():
    def blurred(n, generator):
        return TARGET.sample(n, generator) + 0.8 * torch.randn(n, 2, generator=generator)

    found = scales.variations(blurred, seed=1, samples=200_000)
    own = scales.variations(TARGET.sample, seed=1, samples=200_000)
    assert all(a > 1.5 * b for a, b in zip(found, own, strict=True))


# -------------------------------------------------------------------------- what is committed


def picture(draw, *arguments):
    figure, ax = plt.subplots()
    draw(ax, *arguments)
    figure.canvas.draw()
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    plt.close(figure)
    return lines, ax


def test_the_table_of_samplers_shows_the_means_of_its_seeds():
    record = records.load("samplers")
    lines, ax = picture(figures.samplers, record, "total_variation", "total variation")
    values = records.of_recipe(record, "sampler-ls-3", "total_variation")
    assert len(values) == 10
    assert lines["Gaussian sampler, least squares"][1] == pytest.approx(values.mean())
    assert len(ax.get_legend_handles_labels()[1]) == 6


def test_the_discriminators_bound_lies_below_the_divergence_it_bounds():
    for course in records.load("discriminators").values():
        said, exact = np.array(course["said"]), np.array(course["jensen_shannon"])
        assert (said < exact + 0.02).all()  # both are of a few thousand points
        picture(figures.discriminator_says, course, "")


def test_the_parts_of_the_gap_add_up():
    record = records.load("gap")
    for one in record.values():
        parts = one["approximation"][0] + one["amortisation"][0]
        assert parts == pytest.approx(one["gap"][0], abs=1e-4)
        assert min(one["approximation"][0], one["amortisation"][0]) > -1e-3
    _, ax = picture(figures.gap, record, dict(zip(gap.RECIPES, gap.RECIPES, strict=True)))
    assert len(ax.patches) == 4


@pytest.mark.parametrize("name", dirac.GAMES)
def test_a_phase_portrait_starts_where_it_should(name):
    lines, _ = picture(figures.phase, name)
    assert lines["path"][0] == 0
    assert len(lines["path"]) == 401


def test_what_leaks_is_near_what_the_theory_foretells():
    record = records.load("separation")
    assert len(record) == 2 * len(separation.SCALES) * len(separation.SEEDS)
    found, foretold = (
        np.array([one[name] for one in record.values()]) for name in ("between", "foretold")
    )
    assert np.corrcoef(np.log(found + 1e-4), np.log(foretold + 1e-4))[0, 1] > 0.8
    _, ax = picture(figures.leakage, record)
    assert len(ax.collections) == 2 * len(separation.SCALES)


def test_by_cell_and_by_points_and_by_seconds_are_drawn():
    labels = {name: name for name in scales.SEEDS}
    lines, _ = picture(figures.by_cell, records.load("scales"), labels)
    assert set(labels) <= set(lines)
    lines, _ = picture(figures.by_points, records.load("points"), "authenticity", "authenticity")
    assert set(lines) == {"VAE", "GAN", "fresh truth"}
    lines, _ = picture(figures.against_seconds, "weights", "KL of the weights (nats)")
    assert len(lines["VAE"]) == len(lines["GAN"]) == 251


def test_the_committed_record_of_the_dirac_gan_is_today_s():
    found, kept = dirac.measured(), records.load("dirac")
    for name, one in found.items():
        assert one["growth"] == pytest.approx(kept[name]["growth"])
