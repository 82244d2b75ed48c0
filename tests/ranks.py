"""What a process of a test does, started by torchrun: `ranks.py FOLDER`, each with its number.

It trains and writes its own weights, and takes gradients of halves of a batch.
"""

import sys
from pathlib import Path

import torch

from helpers import building, experiments, parallel, recipes, recording, runs
from helpers.recorder import stream
from helpers.targets import gmm5

HALF = 8
# An epoch is one step on all points, and no noise: so a step does not depend on who sees what.
SMALL = {"encoder": (16,), "decoder": (16,)}
WHOLE = recipes.changed(experiments.named("autoencoder"), epochs=20, batch=100_000, **SMALL)
GAME = recipes.changed(experiments.named("gan-wgan-gp"), epochs=1, batch=1_000)
NAMES = ("vae-beta-1", "vae-iwae", "gan", "gan-lsgan", "gan-wgan-gp", "gan-relativistic")


def inputs(n: int) -> dict[str, torch.Tensor]:
    """Points and noise for every objective, the same in all processes."""
    some = stream(3)
    x, z = gmm5().sample(n, some), torch.randn(n, 2, generator=some)
    codes = torch.randn(8, n, 2, generator=some)
    return {"x": x, "z": z, "codes": codes, "mix": torch.rand(n, 1, generator=some)}


def loss(recipe, networks, given, rows=slice(None)):
    """A recipe's loss on rows of a batch; for a GAN that of its critic plus its generator's."""
    objective = building.objective(recipe)
    x, z, mix = (given[name][rows] for name in ("x", "z", "mix"))
    if recipe.family == "vae":
        noise = given["codes"][: objective.samples, rows]
        return objective(*networks, x, noise, torch.tensor(0.7)).loss.mean()
    network, critic = networks
    on_critic = objective.critic(critic, x, network(z).detach(), mix, torch.tensor(0.5))
    return on_critic + objective.generator(critic, x, network(z))


def networks_of(recipe):
    """Fresh networks from seed 5."""
    target = gmm5()
    built = recording.networks(recipe, target, runs.data(target), 5, stream(5), device="cpu")
    return (built[0].encoder, built[0].decoder) if recipe.family == "vae" else built


def slopes(value, networks) -> torch.Tensor:
    """The gradient of a value with respect to all weights, as one row."""
    weights = [p for network in networks for p in network.parameters()]
    return torch.cat([slope.flatten() for slope in torch.autograd.grad(value, weights)])


def main(folder: Path) -> None:
    """Take gradients of this process's half, then train; write both."""
    with parallel.joined(torch.device("cpu")) as (rank, size):
        take_slopes(folder, rank, size)
        for recipe in (WHOLE, GAME):
            train(recipe, folder, rank)


def take_slopes(folder: Path, rank: int, size: int) -> None:
    """The averaged gradient of every objective, each process having seen its rows."""
    found, rows = {}, slice(rank * HALF, (rank + 1) * HALF)
    for name in NAMES:
        recipe = experiments.named(name)
        built = networks_of(recipe)
        replicas = [parallel.Replica(network) for network in built]
        found[name] = slopes(loss(recipe, replicas, inputs(size * HALF), rows), built)
    torch.save(found, folder / f"slopes{rank}.pt")


def train(recipe, folder: Path, rank: int) -> None:
    """Train as the command does; every process writes the weights that it ends with."""
    trained, networks = [], recording.networks

    def remembered(chosen, target, data, seed, *given, **more):
        # Other weights than the first has: what it broadcasts must mend that.
        trained[:] = networks(chosen, target, data, seed, stream(seed + rank), **more)
        return trained

    recording.networks = remembered
    parallel.train(recipe, gmm5(), 5, stem=folder / recipe.name, device="cpu")
    recording.networks = networks
    torch.save([net.state_dict() for net in trained if net], folder / f"{recipe.name}{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
