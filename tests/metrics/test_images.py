"""Scores of images, checked against closed forms, plain formulas and the libraries themselves."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.nn.functional import interpolate
from torchmetrics.image.fid import FrechetInceptionDistance

from helpers.metrics import images
from helpers.metrics.samples import precision_recall_density_coverage

D = 16  # features where the network's own 1,280 would only take time


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def cloud(n, seed, d=D):
    return torch.randn(n, d, generator=rng(seed), dtype=torch.float64)


def pictures(n, seed=0, channels=3, side=32):
    """Smooth random pictures in [−1, 1]."""
    coarse = 2 * torch.rand(n, channels, 8, 8, generator=rng(seed)) - 1
    return interpolate(coarse, (side, side), mode="bilinear")


def noise(n, seed=0, side=64):
    """White noise of which no value is clipped."""
    return (0.2 * torch.randn(n, 1, side, side, generator=rng(seed))).clamp(-1, 1)


def photographs():
    """Two photographs of scikit-learn's, (2, 3, 224, 224) in [−1, 1]."""
    bytes_ = torch.stack([torch.from_numpy(each.copy()) for each in load_sample_images().images])
    shown = bytes_.permute(0, 3, 1, 2)[..., :427, :427].float() / 127.5 - 1
    return interpolate(shown, (224, 224), mode="bilinear", antialias=True).clamp(-1, 1)


def flat_pixels(shown):
    """A cheap network of one's own: the pixels of a 4 × 4 thumbnail, (n, 48)."""
    return interpolate(shown, (4, 4), mode="area").flatten(1)


PIXELS = images.Network("pixels", flat_pixels)


def test_features_are_the_networks_last_before_its_classes():
    shown = pictures(4, side=96)
    found = images.features(shown)
    assert found.shape == (4, 1280)
    network = images.lite0()
    logits = network((shown + 1) * 127.5 / 128 - 127 / 128)
    assert torch.allclose(network._fc(found), logits, atol=1e-4)


def test_the_network_is_shown_the_range_it_was_trained_on():
    """Its first layer remembers the spread of ImageNet; ImageNet's own scaling gives sixfold."""
    first = images.lite0()._conv_stem(images.prepared(photographs()))  # (2, 32, 48, 48)
    ratio = first.var((0, 2, 3)) / images.lite0()._bn0.running_var
    assert 0.5 < ratio.median() < 2


def test_pictures_are_resized_for_the_network():
    shown = images.prepared(pictures(2, side=40))
    wanted = interpolate(pictures(2, side=40), (96, 96), mode="bilinear")
    assert torch.allclose(shown * 128, wanted * 127.5 + 0.5, atol=1e-3)


def test_features_of_grey_pictures_are_those_of_three_equal_channels():
    grey = pictures(3, channels=1)
    assert torch.equal(images.features(grey), images.features(grey.expand(-1, 3, -1, -1)))


def test_features_do_not_depend_on_the_batches(monkeypatch):
    shown = pictures(5)
    together = images.features(shown)
    monkeypatch.setattr(images, "BATCH", 2)
    assert torch.allclose(images.features(shown), together, atol=1e-5)


def test_the_network_is_read_once_in_silence_and_draws_nothing(capsys):
    images.lite0.cache_clear()
    before = torch.get_rng_state()
    network = images.lite0()
    assert images.lite0() is network
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr() == ("", "")


def test_a_little_outside_is_clipped_as_in_a_picture_file():
    shown = pictures(2)
    assert torch.equal(images.prepared(1.5 * shown), images.prepared((1.5 * shown).clamp(-1, 1)))


@pytest.mark.parametrize("score", [images.features, images.detail])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(3, 2, 8, 8), r"shape \(3, 2, 8, 8\), expected \(n, c, h, w\) with c of 1"),
        (torch.zeros(3, 8, 8), r"shape \(3, 8, 8\), expected .*; put the channels second"),
        (torch.zeros(0, 3, 8, 8), r"shape \(0, 3, 8, 8\), expected"),
        (torch.full((2, 3, 8, 8), 255.0), "from 255 to 255, expected −1 to 1; divide bytes by"),
        (torch.full((2, 1, 8, 8), -3.5), "from -3.5 to -3.5, expected"),
        (torch.full((2, 1, 8, 8), torch.nan), "2 of 2 are not finite; the model has diverged"),
    ],
)
def test_what_is_no_picture_is_named_in_one_line(score, wrong, message):
    with pytest.raises(ValueError, match=message) as raised:
        score(wrong)
    assert "\n" not in str(raised.value)


def frechet(real, fake):
    """Heusel et al. 2017, eq. 6, with scipy's matrix root."""
    covariances = [np.cov(side.numpy().T) for side in (real, fake)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    apart = (real.mean(0) - fake.mean(0)).square().sum().item()
    return apart + np.trace(covariances[0] + covariances[1] - 2 * root)


def test_fid_is_the_closed_form():
    real, fake = cloud(300, 0), cloud(200, 1) @ cloud(D, 2) / 4 + 0.5
    assert images.fid(real, fake) == pytest.approx(frechet(real, fake), rel=1e-6)


def test_fid_of_a_shift_is_its_square():
    real = cloud(100, 0)
    assert images.fid(real, real + 0.5) == pytest.approx(D * 0.25, rel=1e-6)


def test_fid_is_torchmetrics_on_a_network_of_ones_own():
    shown = pictures(60), pictures(60, 1) ** 3
    network = nn.Flatten()
    network.num_features = 3 * 4 * 4
    theirs = FrechetInceptionDistance(network)
    small = [interpolate(side, (4, 4), mode="area").double() for side in shown]
    theirs.update(small[0], real=True)
    theirs.update(small[1], real=False)
    found = images.fid(*(flat_pixels(side) for side in shown))
    assert found == pytest.approx(theirs.compute().item(), rel=1e-5)


def mmd2(real, fake):
    """Unbiased MMD² under (aᵀb / d + 1)³ from its definition, pair by pair."""

    def mean(first, second, same):
        pairs = [
            (float(a @ b) / len(a) + 1) ** 3
            for i, a in enumerate(first)
            for j, b in enumerate(second)
            if not (same and i == j)
        ]
        return sum(pairs) / len(pairs)

    return mean(real, real, True) + mean(fake, fake, True) - 2 * mean(real, fake, False)


def test_kid_is_the_mean_of_plain_sums_over_the_pairs_of_each_subset():
    real, fake = cloud(24, 0), 1.5 * cloud(24, 1)
    draws = rng(5)
    picks = [[torch.randperm(24, generator=draws)[:12] for _ in range(2)] for _ in range(2)]
    each = [mmd2(real[first].numpy(), fake[second].numpy()) for first, second in picks]
    found = images.kid(real, fake, rng(5), subsets=2)
    assert found.value == pytest.approx(np.mean(each), rel=1e-9)
    # half of the images a subset: 12 / (24 − 12) for fresh images, 1/2 for the choice of two
    assert found.error == pytest.approx(np.std(each) * math.sqrt(1.5), rel=1e-9)


def test_kid_of_one_subset_would_have_no_error():
    with pytest.raises(ValueError, match="subsets = 1: a spread needs at least 2; 100 is a good"):
        images.kid(cloud(9, 0), cloud(9, 1), rng(), subsets=1)


def test_kid_over_many_subsets_nears_that_of_all_pairs():
    real, fake = cloud(40, 0), 1.5 * cloud(40, 1) + 0.3
    found = images.kid(real, fake, rng(), subsets=2_000)
    assert found.value == pytest.approx(mmd2(real.numpy(), fake.numpy()), rel=0.03)


@pytest.mark.parametrize("size", [500, 60])
def test_kids_error_is_the_spread_over_fresh_images(size):
    found = [
        images.kid(cloud(200, seed), cloud(200, 100 + seed) + 0.4, rng(seed), 50, size)
        for seed in range(60)
    ]
    spread = np.std([each.value for each in found], ddof=1)
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.3)


def test_kid_of_likes_is_zero_within_its_error_and_of_a_shift_is_not():
    alike = [images.kid(cloud(200, s), cloud(200, 50 + s), rng(s), 50) for s in range(20)]
    assert all(abs(each.value) < 3 * each.error for each in alike)
    assert abs(np.mean([each.value for each in alike])) < 3 * np.mean(
        [each.error for each in alike]
    ) / math.sqrt(20)
    shifted = images.kid(cloud(200, 0), cloud(200, 1) + 0.5, rng(), 50)
    assert shifted.value > 5 * shifted.error


def test_kid_is_the_generators_alone():
    real, fake = cloud(50, 0), cloud(50, 1)
    before = torch.get_rng_state()
    generator = rng(3)
    first = images.kid(real, fake, generator, 5)
    assert torch.equal(torch.get_rng_state(), before)
    assert images.kid(real, fake, rng(3), 5) == first
    assert images.kid(real, fake, generator, 5) != first  # the generator has moved on
    assert images.kid(real, fake, rng(4), 5) != first


@pytest.mark.parametrize("score", [images.fid, lambda a, b: images.kid(a, b, rng())])
def test_features_that_do_not_match_are_named_in_one_line(score):
    with pytest.raises(ValueError, match=r"\(9, 16\) and \(9, 8\), expected .* one network$"):
        score(cloud(9, 0), cloud(9, 1, d=8))
    with pytest.raises(ValueError, match=r"\(9, 4, 4\) and \(9, 4, 4\), expected"):
        score(torch.zeros(9, 4, 4), torch.zeros(9, 4, 4))
    with pytest.raises(ValueError, match=r"^9 and 3 images; give 4 a side at least"):
        score(cloud(9, 0), cloud(3, 1))


def test_image_scores_name_their_network_and_stand_beside_real_against_real():
    found = images.image_scores(pictures(24), noise(24, 1), pictures(24, 2), rng())
    assert set(found) == {"fake", "reference"}
    for scores in found.values():
        assert list(scores) == [
            f"{score} (EfficientNet-Lite0)"
            for score in ("FID", "KID", "KID error", "precision", "recall", "density", "coverage")
        ]
    fake, reference = (found[name]["FID (EfficientNet-Lite0)"] for name in ("fake", "reference"))
    assert fake > 2 * reference


def test_image_scores_are_those_of_the_features():
    shown = pictures(40), pictures(40, 1) ** 3, pictures(40, 2)
    real, fake, reference = (flat_pixels(side) for side in shown)
    found = images.image_scores(*shown, rng(), PIXELS)
    for name, side in (("fake", fake), ("reference", reference)):
        assert found[name]["FID (pixels)"] == pytest.approx(images.fid(real, side))
        manifold = precision_recall_density_coverage(side, real)._asdict()
        assert {s: found[name][f"{s} (pixels)"] for s in manifold} == pytest.approx(manifold)
    expected = images.kid(real, fake, rng())
    assert found["fake"]["KID (pixels)"] == pytest.approx(expected.value)
    assert found["fake"]["KID error (pixels)"] == pytest.approx(expected.error)


def test_image_scores_thin_all_sides_to_the_smallest():
    sizes = []

    def counted(shown):
        sizes.append(len(shown))
        return flat_pixels(shown)

    sides = pictures(30), pictures(50, 1), pictures(20, 2)
    first = images.image_scores(*sides, rng(), images.Network("pixels", counted))
    assert sizes == [20, 20, 20]
    assert images.image_scores(*sides, rng(), PIXELS) == first
    assert images.image_scores(*sides, rng(1), PIXELS) != first


def test_image_scores_refuse_the_real_images_as_reference():
    with pytest.raises(ValueError, match="reference: the real images themselves; hold out others"):
        images.image_scores(pictures(9), pictures(9, 1), pictures(9), rng(), PIXELS)


def test_a_collapsed_model_loses_coverage():
    repeated = pictures(20, 1).repeat(10, 1, 1, 1)
    found = images.image_scores(pictures(200), repeated, pictures(200, 2), rng(), PIXELS)
    fake, reference = (found[name]["coverage (pixels)"] for name in ("fake", "reference"))
    assert reference > 0.9
    assert fake < 0.6 * reference


def test_nearest_agrees_with_scikit_learn_and_finds_copies():
    train, x = cloud(60, 0), cloud(25, 1)
    expected = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(x)[1][:, 0]
    assert images.nearest(train, x).tolist() == expected.tolist()
    copied = torch.tensor([3, 41, 3])
    assert torch.equal(images.nearest(train.float(), train.float()[copied]), copied)


def wave(frequency, side=40):
    """A wave across a picture, (1, 1, side, side); `frequency` in cycles a pixel."""
    along = torch.cos(2 * math.pi * frequency * torch.arange(side, dtype=torch.float64))
    return along.expand(1, 1, side, side) / 2


@pytest.mark.parametrize(("frequency", "share"), [(0.1, 0), (0.225, 0), (0.275, 1), (0.4, 1)])
def test_detail_begins_at_half_the_nyquist_frequency_either_way(frequency, share):
    assert images.detail(wave(frequency)) == pytest.approx(share, abs=1e-9)
    assert images.detail(wave(frequency).transpose(2, 3)) == pytest.approx(share, abs=1e-9)


def test_detail_is_a_share_of_power_whatever_the_brightness():
    mixed = 0.8 * wave(0.1) + 0.4 * wave(0.4)
    assert images.detail(mixed + 0.2) == pytest.approx(0.2, abs=1e-6)  # 0.4² of 0.8² + 0.4²
    assert images.detail(torch.cat([mixed, wave(0.4)])) == pytest.approx(0.6, abs=1e-6)
    coloured = torch.cat([mixed, wave(0.4), torch.zeros_like(mixed)], 1)
    assert images.detail(coloured) == pytest.approx(1.16 / 1.8, abs=1e-6)


def test_detail_of_white_noise_is_the_area_outside_the_circle():
    assert images.detail(noise(32)) == pytest.approx(1 - math.pi / 16, abs=0.005)


def test_detail_of_a_flat_picture_is_zero():
    assert images.detail(torch.full((2, 3, 20, 30), 0.3)) == 0


def test_blur_lowers_detail_and_noise_raises_it():
    sharp = photographs()
    blurred = torch.from_numpy(gaussian_filter(sharp.numpy(), (0, 0, 1.5, 1.5)))
    noisy = sharp + 0.1 * torch.randn(sharp.shape, generator=rng())
    assert images.detail(blurred) < 0.5 * images.detail(sharp)
    assert images.detail(noisy) > 1.5 * images.detail(sharp)


def test_bits_of_bytes_drawn_at_random_are_eight_a_dimension():
    dimensions = 3 * 32 * 32
    assert images.bits_per_dimension(dimensions * math.log(256), dimensions) == pytest.approx(8)
    # the same bytes as a density over [−1, 1], a byte's value 1 / 127.5 wide
    nats = dimensions * math.log(256 / 127.5)
    assert images.bits_per_dimension(nats, dimensions) + math.log2(127.5) == pytest.approx(8)


def test_bits_per_dimension_needs_a_dimension():
    with pytest.raises(ValueError, match="dimensions = 0: expected 1 at least; give c · h · w"):
        images.bits_per_dimension(3.0, 0)
