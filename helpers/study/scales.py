"""Blur or texture? At which size of a cell is a VAE nearer to the truth, and at which a GAN?

Total variation between cell masses, for cells from .05 to 2 a side: merging cells hides texture
that is finer than they are, and leaves blur that is coarser. Twenty million samples of each model
are counted; as many of the truth itself tell what their number alone puts in.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from helpers import experiments, processes, runs
from helpers.metrics.density import grid_mass, sampled_grid_mass, total_variation
from helpers.study import records
from helpers.study.records import Say
from helpers.targets import gmm5
from helpers.training import stream

REACH, FINEST = 8.0, 0.05  # half the side of the square that is counted, and of the least cell
MERGED = (1, 2, 4, 5, 10, 20, 40)  # cells a side to one
SIZES = tuple(round(FINEST * by, 2) for by in MERGED)
SAMPLES = 20_000_000
SEEDS = {"vae": 6, "gan": 6, "vae-best": 10, "gan-best": 10}  # those whose weights are kept


def measured(workers: int, say: Say) -> dict:
    """The record: {"sizes", "truth", recipe: {seed: {"weights", "variation"}}}."""
    kept, target = records.kept("scales"), gmm5()
    found = {"sizes": list(SIZES), "truth": variations(target.sample, seed=0)}
    for name, seeds in SEEDS.items():
        old, recipe = kept.get(name, {}), experiments.named(name)
        stems = {str(seed): runs.stem_of(recipe, target, seed) for seed in range(seeds)}
        weights = {seed: runs.read_record(stem)["weights"] for seed, stem in stems.items()}
        due = [s for s in stems if old.get(s, {}).get("weights") != weights[s]]
        new = processes.each(_of_run, ((stems[seed],) for seed in due), workers)
        rows = {s: {"weights": weights[s], "variation": v} for s, v in zip(due, new, strict=True)}
        found[name] = {seed: (old | rows)[seed] for seed in stems}
        records.save("scales", kept | found)
        say(f"scales: {name}, seeds {', '.join(due) or 'none'} counted")
    return found


def _of_run(stem) -> list[float]:
    run = runs.read(stem)
    return variations(run.sample, seed=run.seed)


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


def crossing(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The least size from which on the first is the nearer; None where it never is for good."""
    nearer = torch.tensor(first) < torch.tensor(second)
    last = [i for i, yes in enumerate(nearer.tolist()) if not yes]
    after = (last[-1] + 1) if last else 0
    return SIZES[after] if after < len(SIZES) else None
