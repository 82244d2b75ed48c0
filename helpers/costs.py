"""What a recipe costs: parameters, arithmetic of its training, time to a given quality."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from helpers import building, models, recipes, runs
from helpers.targets import SIZES, GaussianMixture
from helpers.training import train_gan, train_vae


class Counter(TorchDispatchMode):
    """Adds up PyTorch's own operation counts of every matrix product within the block."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def sizes(run: runs.Run) -> dict[str, int]:
    """Trainable parameters: what is trained, and what is kept to sample from, frozen or not."""
    kept = run.model.decoder if run.recipe.family == "vae" else run.model
    frozen = sum(values.numel() for values in kept.net.buffers())
    trained = models.parameters(run.model) + (models.parameters(run.critic) if run.critic else 0)
    return {"trained": trained, "sampler": models.parameters(kept) + frozen}


def training_flops(recipe: recipes.Recipe, target: GaussianMixture) -> float:
    """Floating-point operations of all matrix products of a training, forward and backward.

    Counted by PyTorch on one plain epoch over a few batches and multiplied up. Element-wise
    arithmetic, the optimiser's included, is left out: a few per cent in these networks.
    """
    batches = recipe.critic_steps if recipe.family == "gan" else 1
    generator = torch.Generator().manual_seed(0)
    points = target.sample(recipe.batch * batches, generator)
    short = recipes.changed(recipe, epochs=1)
    arguments = (
        building.objective(recipe),
        points,
        points[:0],
        building.settings(short, fast=False),
    )
    networks = runs.fresh(recipe, target, points, generator)
    with Counter() as counter:
        if recipe.family == "vae":
            list(train_vae(networks[0], *arguments, generator=generator))
        else:
            list(train_gan(*networks, *arguments, generator=generator))
    steps = SIZES[0] // recipe.batch * recipe.epochs
    return counter.total / batches * steps


def seconds_to(run: runs.Run, column: str, threshold: float, better: str = "higher") -> float:
    """Training seconds until a column of the history first reaches a threshold; ∞ if never."""
    sign = 1 if better == "higher" else -1
    pairs = zip(run.history["seconds"], run.history[column], strict=True)
    return next((s for s, value in pairs if sign * value >= sign * threshold), float("inf"))
