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

from helpers.images import metrics
from helpers.metrics.two_sample import precision_recall_density_coverage

D = 16  # features where the network's own 1,280 would only take time
NAME = "EfficientNet-Lite0"


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def cloud(n, seed, d=D):
    return torch.randn(n, d, generator=rng(seed), dtype=torch.float64)


def smooth(n, seed=0, channels=3, side=32):
    """Smooth random images in [−1, 1]."""
    coarse = 2 * torch.rand(n, channels, 8, 8, generator=rng(seed)) - 1
    return interpolate(coarse, (side, side), mode="bilinear")


def photographs():
    """Two photographs of scikit-learn's, (2, 3, 224, 224) in [−1, 1]."""
    bytes_ = torch.stack([torch.from_numpy(each.copy()) for each in load_sample_images().images])
    shown = bytes_.permute(0, 3, 1, 2)[..., :427, :427].float() / 127.5 - 1
    return interpolate(shown, (224, 224), mode="bilinear", antialias=True).clamp(-1, 1)


# ---------------------------------------------------------------------------------- features


def test_the_network_is_shown_the_range_it_was_trained_on():
    """Its first layer remembers the spread of ImageNet; ImageNet's own scaling gives sixfold."""
    first = metrics.lite0()._conv_stem(metrics.prepared(photographs()))  # (2, 32, 48, 48)
    ratio = first.var((0, 2, 3)) / metrics.lite0()._bn0.running_var
    assert 0.5 < ratio.median() < 2


def test_features_are_the_networks_last_read_once_in_silence_and_without_a_draw(capsys):
    metrics.lite0.cache_clear()
    before, shown = torch.get_rng_state(), smooth(4, side=96)
    found, network = metrics.features(shown), metrics.lite0()
    logits = network((shown + 1) * 127.5 / 128 - 127 / 128)
    assert torch.allclose(network._fc(found), logits, atol=1e-4)
    assert metrics.lite0() is network
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr() == ("", "")


# ------------------------------------------------------------------------------- FID and KID


def frechet(real, fake):
    """Heusel et al. 2017, eq. 6, with scipy's matrix root."""
    covariances = [np.cov(side.numpy().T) for side in (real, fake)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    apart = (real.mean(0) - fake.mean(0)).square().sum().item()
    return apart + np.trace(covariances[0] + covariances[1] - 2 * root)


def test_fid_is_the_closed_form():
    real, fake = cloud(300, 0), cloud(200, 1) @ cloud(D, 2) / 4 + 0.5
    assert metrics.fid(real, fake) == pytest.approx(frechet(real, fake), rel=1e-6)
    assert metrics.fid(real, real + 0.5) == pytest.approx(D * 0.25, rel=1e-6)


def test_fid_is_torchmetrics_on_a_network_of_ones_own():
    small = [
        interpolate(side, (4, 4), mode="area").double() for side in (smooth(60), smooth(60, 1))
    ]
    network = nn.Flatten()
    network.num_features = 3 * 4 * 4
    theirs = FrechetInceptionDistance(network)
    theirs.update(small[0], real=True)
    theirs.update(small[1], real=False)
    found = metrics.fid(*(side.flatten(1) for side in small))
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
    found = metrics.kid(real, fake, rng(5), subsets=2)
    assert found.value == pytest.approx(np.mean(each), rel=1e-9)
    # half of the images a subset: 12 / (24 − 12) for fresh images, 1/2 for the choice of two
    assert found.error == pytest.approx(np.std(each) * math.sqrt(1.5), rel=1e-9)
    generator = rng(5)
    assert metrics.kid(real, fake, generator, subsets=2) == found
    assert metrics.kid(real, fake, generator, subsets=2) != found  # the generator has moved on


@pytest.mark.parametrize("size", [500, 60])
def test_kids_error_is_the_spread_over_fresh_images(monkeypatch, size):
    monkeypatch.setattr(metrics, "SUBSET", size)
    found = [
        metrics.kid(cloud(200, seed), cloud(200, 100 + seed) + 0.4, rng(seed), 50)
        for seed in range(60)
    ]
    spread = np.std([each.value for each in found], ddof=1)
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.3)


def test_kid_of_likes_is_zero_within_its_error_and_of_a_shift_is_not():
    alike = [metrics.kid(cloud(200, s), cloud(200, 50 + s), rng(s), 50) for s in range(20)]
    values, errors = zip(*alike, strict=True)
    assert all(abs(value) < 3 * error for value, error in alike)
    assert abs(np.mean(values)) < 3 * np.mean(errors) / math.sqrt(20)
    shifted = metrics.kid(cloud(200, 0), cloud(200, 1) + 0.5, rng(), 50)
    assert shifted.value > 5 * shifted.error


# -------------------------------------------------------------------------- all scores at once


def test_image_scores_are_those_of_the_features_of_equally_many():
    real, fake, reference = cloud(30, 0), cloud(50, 1), cloud(20, 2)
    found = metrics.image_scores(real, fake, reference, rng())
    draws = rng()
    real, fake = (side[torch.randperm(len(side), generator=draws)[:20]] for side in (real, fake))
    for name, side in (("fake", fake), ("reference", reference)):
        manifold = precision_recall_density_coverage(side, real)._asdict()
        for score, value in {"FID": metrics.fid(real, side), **manifold}.items():
            assert found[name][f"{score} ({NAME})"] == pytest.approx(value)


def test_nearest_agrees_with_scikit_learn_and_finds_copies():
    train, x = cloud(60, 0), cloud(25, 1)
    expected = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(x)[1][:, 0]
    assert metrics.nearest(train, x).tolist() == expected.tolist()
    copied = torch.tensor([3, 41, 3])
    assert torch.equal(metrics.nearest(train.float(), train.float()[copied]), copied)


# ------------------------------------------------------------------------------------ detail


def wave(frequency, side=40):
    """A wave across an image, (1, 1, side, side); `frequency` in cycles a pixel."""
    along = torch.cos(2 * math.pi * frequency * torch.arange(side, dtype=torch.float64))
    return along.expand(1, 1, side, side) / 2


@pytest.mark.parametrize(("frequency", "share"), [(0.1, 0), (0.225, 0), (0.275, 1), (0.4, 1)])
def test_detail_begins_at_half_the_nyquist_frequency_either_way(frequency, share):
    assert metrics.detail(wave(frequency)) == pytest.approx(share, abs=1e-9)
    assert metrics.detail(wave(frequency).transpose(2, 3)) == pytest.approx(share, abs=1e-9)


def test_detail_is_a_share_of_power_whatever_the_brightness():
    mixed = 0.8 * wave(0.1) + 0.4 * wave(0.4)
    assert metrics.detail(mixed + 0.2) == pytest.approx(0.2, abs=1e-6)  # 0.4² of 0.8² + 0.4²
    assert metrics.detail(torch.cat([mixed, wave(0.4)])) == pytest.approx(0.6, abs=1e-6)
    coloured = torch.cat([mixed, wave(0.4), torch.zeros_like(mixed)], 1)
    assert metrics.detail(coloured) == pytest.approx(1.16 / 1.8, abs=1e-6)


def test_detail_of_noise_of_a_flat_image_and_of_blur():
    noise = (0.2 * torch.randn(32, 1, 64, 64, generator=rng())).clamp(-1, 1)
    assert metrics.detail(noise) == pytest.approx(1 - math.pi / 16, abs=0.005)  # beyond a circle
    assert metrics.detail(torch.full((2, 3, 20, 30), 0.3)) == 0
    sharp = photographs()
    blurred = torch.from_numpy(gaussian_filter(sharp.numpy(), (0, 0, 1.5, 1.5)))
    assert metrics.detail(blurred) < 0.5 * metrics.detail(sharp)


def test_thumbnails_keep_shapes_and_lose_grain():
    x = rng()
    faces = torch.rand(4, 3, 8, 8, generator=x) * 1.6 - 0.8
    large = faces.repeat_interleave(8, 2).repeat_interleave(8, 3)  # 64 × 64
    inner = metrics.thumbnails(large).view(4, 3, 8, 8)
    assert torch.corrcoef(torch.stack([inner.flatten(), faces.flatten()]))[0, 1] > 0.95
    grain = 0.1 * torch.randn(large.shape, generator=x)
    moved = metrics.thumbnails(large + grain) - metrics.thumbnails(large)
    assert moved.abs().max() < 0.06 < grain.abs().max()
    assert moved.std() < 0.1 / 8 * 1.2  # the mean of about 64 pixels
    whole = torch.full((1, 1, 32, 32), 0.3)
    assert torch.allclose(metrics.thumbnails(whole), torch.full((1, 64), 0.3))


# -------------------------------------------------------------------------------- bad inputs

IMAGES = {
    "two channels": (torch.zeros(3, 2, 8, 8), r"shape \(3, 2, 8, 8\), expected .* with c of 1 or"),
    "one channel left out": (torch.zeros(3, 8, 8), r"shape \(3, 8, 8\).*; put the channels second"),
    "bytes": (torch.full((2, 3, 8, 8), 255.0), "from 255 to 255, expected −1 to 1; divide bytes"),
    "not finite": (torch.full((2, 1, 8, 8), torch.nan), "2 of 2 are not finite; the model has"),
}
APART = (cloud(9, 0), cloud(9, 1, d=8))
FEW = (cloud(9, 0), cloud(3, 1))
REFUSED = {
    **{f"detail, {case}": (metrics.detail, *given) for case, given in IMAGES.items()},
    "features, bytes": (metrics.features, *IMAGES["bytes"]),
    "other networks": (metrics.fid, *APART, r"\(9, 16\) and \(9, 8\).* one network$"),
    "too few": (metrics.kid, *FEW, rng(), "^9 and 3 images; give 4 a side at least"),
    "one subset": (metrics.kid, cloud(9, 0), cloud(9, 1), rng(), 1, "subsets = 1: a spread needs"),
    "real as reference": (
        *(metrics.image_scores, cloud(9, 0), cloud(9, 1), cloud(9, 0), rng()),
        "reference: the real images themselves; hold out others",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_score_is_named_in_one_line(case):
    score, *given, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as refused:
        score(*given)
    assert "\n" not in str(refused.value)
