"""The published benchmark: rings and grids of narrow Gaussians, scored as VEEGAN and PacGAN did.

Srivastava et al. (2017) and Lin et al. (2018) draw 2,500 samples; one is of high quality within
3σ of a mode, a mode counts when it is nearest to at least one of those, and the reverse KL
compares the histogram of modes with the truth's.
"""

from collections.abc import Sequence

from torch import Tensor

from helpers import experiments, runs, targets
from helpers.metrics import modes
from helpers.recorder import stream
from helpers.targets import GaussianMixture

SAMPLES = (2_500, 100_000)
TARGETS = ("ring8", "grid25")
RECIPES = {
    "ring8": {"GAN": "gan-mixture", "VAE": "vae-mixture"},
    "grid25": {"GAN": "gan-mixture-wide", "VAE": "vae-mixture"},
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


def benchmark(seeds: Sequence[int]) -> dict:
    """{target: {row: {n: [protocol of each seed]}}} of the saved runs, and of the truth itself."""
    return {name: _rows(targets.named(name), seeds) for name in TARGETS}


def protocol(target: GaussianMixture, x: Tensor) -> dict:
    """The three published columns of samples (n, 2)."""
    return {
        "modes": modes.modes_covered(target, x, least=0),
        "share": modes.share_within(target, x),
        "reverse_kl": modes.weight_kl(target, x),
    }


def _rows(target: GaussianMixture, seeds: Sequence[int]) -> dict:
    rows = {"truth": _by_size(target, [target.sample] * len(seeds), seeds)}
    for family, name in RECIPES[target.name].items():
        group = [runs.load(experiments.named(name), target, seed) for seed in seeds]
        rows[family] = _by_size(target, [run.sample for run in group], seeds)
        rows[family]["weights"] = [run.record["weights"] for run in group]
    return rows


def _by_size(target: GaussianMixture, samplers: Sequence, seeds: Sequence[int]) -> dict:
    return {
        str(n): [
            protocol(target, sample(n, stream(100 + seed)))
            for sample, seed in zip(samplers, seeds, strict=True)
        ]
        for n in SAMPLES
    }
