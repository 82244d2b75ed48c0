"""What simpler estimators reach on the same points: a fitted Gaussian mixture, a kernel density."""

import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.mixture import GaussianMixture as Fitted
from sklearn.neighbors import KernelDensity
from torch import Tensor

from helpers.densities import COMPARED
from helpers.metrics import modes
from helpers.metrics.divergences import divergences
from helpers.recorder import stream
from helpers.targets import GaussianMixture

KERNELS = 10_000  # training points of the kernel density: its cost grows with them
WIDTHS = np.geomspace(0.05, 0.6, 10)  # data units; the best on held-out points is taken


def all_of(target: GaussianMixture, train: Tensor) -> dict:
    """Both estimators: divergences, free parameters, seconds to fit, share within 3σ."""
    return {
        "Gaussian mixture by EM": _judged(target, train, fitted_mixture),
        "kernel density": _judged(target, train, kernel_density),
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


def _judged(target: GaussianMixture, train: Tensor, fit: Callable) -> dict:
    start = time.perf_counter()
    found, parameters = fit(target, train)
    seconds = time.perf_counter() - start
    drawn = _samples(found, 100_000)
    log_q = _log_density(found)
    apart = divergences(target, log_q, target.sample(COMPARED, stream(33)), drawn[:COMPARED])
    return {
        "sampler": parameters,
        "seconds": seconds,
        "share": modes.share_within(target, drawn),
        "weight_kl": modes.weight_kl(target, drawn),
        "divergences": {name: list(estimate) for name, estimate in apart._asdict().items()},
    }


def _samples(found, n: int) -> Tensor:
    drawn = found.sample(n)
    points = drawn[0] if isinstance(drawn, tuple) else drawn
    shuffled = np.random.default_rng(0).permutation(points)  # EM's come sorted by component
    return torch.from_numpy(shuffled).float()


def _log_density(found) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.from_numpy(found.score_samples(x.double().numpy()))
