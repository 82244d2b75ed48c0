"""What a process of a test does, started by torchrun: `ranks.py FOLDER`.

It takes a step of every objective on its part of a batch, trains twice, and writes down the
gradients and weights that it ends with.
"""

import sys
from pathlib import Path

import pytest
import torch
from small import SIZES, shrink
from steps import AVERAGED, OBJECTIVES, points, step

from helpers import experiments, recipes, training
from helpers.engine import distributed
from helpers.engine.members import FAST
from helpers.targets import gmm5
from helpers.training import stream

HALF = 8  # points of each of two processes
# An epoch is one step on all points, and no noise: so a step does not depend on who sees what.
SMALL = {"encoder": (16,), "decoder": (16,)}
WHOLE = recipes.changed(experiments.named("autoencoder"), epochs=20, batch=SIZES[0], **SMALL)
ADVERSARIAL = recipes.changed(experiments.named("gan-wgan-gp"), epochs=1, batch=100)


def inputs(name, rows):
    """Points and noise of some rows of a batch, the same in all processes, as a step wants them."""
    n, some = 2 * HALF, stream(3)
    x = points(n)
    if hasattr(OBJECTIVES[name], "samples"):
        return x[rows], torch.randn(OBJECTIVES[name].samples, n, 2, generator=some)[:, rows]
    z, mix = torch.randn(n, 2, generator=some), torch.rand(n, 1, generator=some)
    return x[rows], z[rows], mix[rows]


def slopes(name, reduce, rows):
    """The gradients of a step on some rows as one row; a GAN's two, the second after an update."""
    found = []

    def noted(gradient):
        found.append(reduce(gradient).clone())
        return found[-1]

    (now,) = training.step_states(AVERAGED, 3, 1, torch.device("cpu"))  # the generator's turn
    step(name, 2, AVERAGED, FAST, reduce=noted)(now, *inputs(name, rows))
    return torch.cat(found)


def main(folder: Path) -> None:
    """Take gradients of this process's half, then train; write both."""
    with distributed.joined(torch.device("cpu")) as (rank, _):
        rows = slice(rank * HALF, (rank + 1) * HALF)
        mean = distributed.mean_over_processes
        found = {name: slopes(name, mean, rows) for name in OBJECTIVES}
        torch.save(found, folder / f"slopes{rank}.pt")
        for recipe in (WHOLE, ADVERSARIAL):
            train(recipe, folder, rank)


def train(recipe, folder: Path, rank: int) -> None:
    """Train as the command does; every process writes the weights that it ends with."""
    trained, networks = [], distributed.starting_networks

    def remembered(chosen, target, draws, seed, generator, **more):
        # Other weights than the first process has: what it broadcasts must mend that.
        networks(chosen, target, draws, seed, generator, **more)  # the stream moves on alike
        trained[:] = networks(chosen, target, draws, seed, stream(seed + rank), **more)
        return tuple(trained)

    distributed.starting_networks = remembered
    distributed.train(recipe, gmm5(), 5, stem=folder / recipe.name, device="cpu")
    distributed.starting_networks = networks
    torch.save([net.state_dict() for net in trained], folder / f"{recipe.name}{rank}.pt")


if __name__ == "__main__":
    shrink(pytest.MonkeyPatch())
    main(Path(sys.argv[1]))
