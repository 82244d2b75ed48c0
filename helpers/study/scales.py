"""Blur or texture? At which size of a cell is a VAE nearer to the truth, and at which a GAN?

Total variation between cell masses, for cells from .05 to 2 a side: merging cells hides texture
that is finer than they are, and leaves blur that is coarser. Twenty million samples of each model
are counted; as many of the truth itself tell what their number alone puts in.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from helpers import experiments, runs
from helpers.metrics.density import grid_mass, sampled_grid_mass, total_variation
from helpers.study.records import Say, of_runs
from helpers.targets import gmm5
from helpers.training import stream

REACH, FINEST = 8.0, 0.05  # half the side of the square that is counted, and of the least cell
MERGED = (1, 2, 4, 5, 10, 20, 40)  # cells a side to one
SIZES = tuple(round(FINEST * by, 2) for by in MERGED)
SAMPLES = 20_000_000
SEEDS = {"vae": 3, "gan": 3, "vae-best": 3, "gan-best": 10}


def measured(workers: int, say: Say) -> dict:
    """The record: by `recipe/seedN` the weights, and the total variation at each of SIZES.

    Under "truth" that of as many samples of the truth.
    """
    stems = {
        f"{name}/seed{seed}": runs.stem_of(experiments.named(name), gmm5(), seed)
        for name, seeds in SEEDS.items()
        for seed in range(seeds)
    }
    truth = {"truth": {"variation": variations(gmm5().sample, seed=99)}}
    return of_runs("scales", stems, look, workers, say) | truth


def look(stem: Path) -> dict:
    """Total variation of a run's samples at each size."""
    run = runs.read(stem)
    return {"variation": variations(run.sample, seed=run.seed)}


def variations(draw: Callable, seed: int, samples: int = SAMPLES) -> list[float]:
    """Total variation at each size of a cell, of samples that `draw(n, generator)` gives."""
    cells = round(2 * REACH / FINEST)
    mass = sampled_grid_mass(draw, REACH, cells, samples, stream(100 + seed))
    truth = grid_mass(gmm5().log_prob, REACH, cells)
    return [total_variation(*map(partial(merged, by=by), (mass, truth))) for by in MERGED]


def merged(mass: Tensor, by: int) -> Tensor:
    """Masses of cells (m, m), by × by of them taken together: (m / by, m / by)."""
    m = len(mass) // by
    return mass.view(m, by, m, by).sum((1, 3))
