"""What others reach: simpler estimators on the same points, and published GANs on benchmarks.

The benchmark is rings and grids of narrow Gaussians, scored as VEEGAN and PacGAN did. Srivastava
et al. (2017) and Lin et al. (2018) draw 2,500 samples; one is of high quality within 3σ of a mode,
a mode counts when it is nearest to at least one of those, and the reverse KL compares the
histogram of modes with the truth's.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.mixture import GaussianMixture as Fitted
from sklearn.neighbors import KernelDensity
from torch import Tensor

from helpers import experiments, runs, targets
from helpers.metrics import modes
from helpers.metrics.divergences import COMPARED, DRAWN, divergences
from helpers.targets import GaussianMixture
from helpers.training import stream

KERNELS = 10_000  # training points of the kernel density: its cost grows with them
WIDTHS = np.geomspace(0.05, 0.6, 10)  # data units; the best on held-out points is taken
SAMPLES = (2_500, 100_000)
TARGETS = ("ring8", "grid25")
RECIPES = {
    "ring8": {"GAN": "gan-mixture", "VAE": "vae-mixture"},
    "grid25": {"GAN": "gan-mixture-wide", "VAE": "vae-mixture-wide"},
}
# Modes, share of high quality in %, reverse KL; None where the paper gives none.
PUBLISHED = {
    "GAN (PacGAN's tuning)": {"ring8": (6.3, 98.2, 0.45), "grid25": (17.3, 94.8, 0.70)},
    "ALI": {"ring8": (6.6, 97.6, 0.36), "grid25": (24.1, 95.7, 0.14)},
    "PacGAN2": {"ring8": (7.9, 95.6, 0.07), "grid25": (23.8, 91.3, 0.13)},
    "PacGAN4": {"ring8": (7.8, 95.9, 0.07), "grid25": (24.8, 93.6, 0.04)},
    "VEEGAN (own table)": {"ring8": (8, 52.9, None), "grid25": (24.6, 40.0, None)},
    "Unrolled GAN": {"ring8": (7.6, 35.6, None), "grid25": (23.6, 16.0, None)},
}


# -------------------------------------------------------------------- estimators of a density


def estimators(target: GaussianMixture, train: Tensor) -> dict:
    """Both, fitted to points (n, 2): divergences, free parameters, seconds, share within 3σ."""
    return {
        "Gaussian mixture by EM": _scored(target, train, fitted_mixture),
        "kernel density": _scored(target, train, kernel_density),
    }


def fitted_mixture(target: GaussianMixture, train: Tensor) -> tuple[Fitted, int]:
    """As many Gaussians as the target has, fitted by expectation–maximisation; its parameters."""
    found = Fitted(target.k, n_init=3, random_state=0).fit(train.double().numpy())
    return found, 6 * target.k - 1


def kernel_density(target: GaussianMixture, train: Tensor) -> tuple[KernelDensity, int]:
    """Gaussian kernels on 10,000 points, of the width that held-out points like best."""
    points = train.double().numpy()
    held_out = points[KERNELS : KERNELS + 2_000]
    fits = [KernelDensity(bandwidth=width).fit(points[:KERNELS]) for width in WIDTHS]
    return max(fits, key=lambda fit: fit.score(held_out)), 2 * KERNELS + 1


def _scored(target: GaussianMixture, train: Tensor, fit: Callable) -> dict:
    start = time.perf_counter()
    found, parameters = fit(target, train)
    seconds = time.perf_counter() - start
    drawn = samples_of(found, 100_000)
    apart = divergences(
        target,
        lambda x: torch.from_numpy(found.score_samples(x.double().numpy())),  # log density
        target.draws().test.points[:COMPARED],
        drawn[:DRAWN],
    )
    return {
        "sampler": parameters,
        "seconds": seconds,
        "share": modes.high_quality_fraction(target, drawn),
        "weight_kl": modes.mode_kl(target, drawn),
        "divergences": {name: list(estimate) for name, estimate in apart._asdict().items()},
    }


def samples_of(fitted: Fitted | KernelDensity, n: int) -> Tensor:
    """Samples (n, 2) in random order: those of EM come sorted by component."""
    drawn = fitted.sample(n)
    points = drawn[0] if isinstance(drawn, tuple) else drawn
    return torch.from_numpy(np.random.default_rng(0).permutation(points)).float()


# ----------------------------------------------------------------------- the published benchmark


def benchmark(seeds: Sequence[int], kept: dict) -> dict:
    """{target: {row: {n: [protocol of each seed]}}} of the saved runs, and of the truth itself.

    A row says the hashes of the `weights` it is of; where the runs of a row have not kept theirs,
    it stays as it is in the record `kept`.
    """
    return {name: _rows(targets.named(name), seeds, kept.get(name, {})) for name in TARGETS}


def protocol(target: GaussianMixture, x: Tensor) -> dict:
    """The three published columns of samples (n, 2)."""
    return {
        "modes": modes.modes_covered(target, x, least=0),
        "share": modes.high_quality_fraction(target, x),
        "reverse_kl": modes.mode_kl(target, x),
    }


def _rows(target: GaussianMixture, seeds: Sequence[int], kept: dict) -> dict:
    rows = {"truth": _by_size(target, [target.sample] * len(seeds), seeds)}
    for family, name in RECIPES[target.name].items():
        recipe = experiments.named(name)
        if all(runs.finished(recipe, target, seed, weights=True) for seed in seeds):
            group = [runs.load(recipe, target, seed) for seed in seeds]
            rows[family] = _by_size(target, [run.sample for run in group], seeds)
            rows[family]["weights"] = [run.record["weights"] for run in group]
        elif family in kept:
            rows[family] = kept[family]
    return rows


def _by_size(target: GaussianMixture, samplers: Sequence[Callable], seeds: Sequence[int]) -> dict:
    return {
        str(n): [
            protocol(target, sample(n, stream(100 + seed)))
            for sample, seed in zip(samplers, seeds, strict=True)
        ]
        for n in SAMPLES
    }
