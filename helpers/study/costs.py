"""What a recipe costs: parameters, and the arithmetic of its training."""

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from helpers import objectives, recipes, training
from helpers.engine.members import FAST
from helpers.models import count_parameters
from helpers.runs import Run
from helpers.targets import SIZES, Target
from helpers.training import stream


def parameters(run: Run) -> dict[str, int]:
    """Parameters by what for: `trained`, and kept to sample from (`sampler`), frozen or not."""
    networks = [run.model] + ([run.discriminator] if run.discriminator else [])
    kept = run.model.decoder if run.recipe.family == "vae" else run.model
    frozen = sum(values.numel() for values in kept.net.buffers())
    trained = sum(map(count_parameters, networks))
    return {"trained": trained, "sampler": count_parameters(kept) + frozen}


class Counter(TorchDispatchMode):
    """Adds up PyTorch's own operation counts of every matrix product within the block.

    Its FlopCounterMode also follows modules, and fails on gradients within gradients.
    """

    total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def training_flops(recipe: recipes.Recipe, target: Target) -> float:
    """Floating-point operations of all matrix products of a training, forward and backward.

    Counted by PyTorch on one epoch over a few batches, uncompiled, and multiplied up. Element-wise
    arithmetic, the optimiser's included, is left out: a few per cent in these networks.
    """
    batches, generator = getattr(recipe, "discriminator_steps", 1), stream(0)
    points = target.sample(recipe.batch * batches, generator)
    networks = target.networks(recipe, points, generator)
    settings = training.settings(recipes.changed(recipe, epochs=1))
    parts = *networks, objectives.build(recipe), settings
    step = FAST.steps[recipe.family](*parts, reduce=lambda gradient: gradient)  # is not compiled
    with Counter() as counter:
        list(training.train(step, points, points[:0], generator=generator))
    return counter.total / batches * (SIZES[0] // recipe.batch) * recipe.epochs
