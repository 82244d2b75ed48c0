"""Many members at once: other seeds of one recipe, trained side by side.

On a CPU they share the threads that PyTorch may use, each member's numbers staying in a cache of
its own, which beats a batched product; no bit of a member depends on its company. On another
device their flat rows are stacked and every step is one batched product for all.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from helpers import training
from helpers.engine.compile import accelerated
from helpers.engine.step import AdamState, Fused, FusedGANStep, FusedVAEStep, Optimised, whole
from helpers.training import Probe, Snapshot, nothing

SHARED = {"_loss": 1, "_discriminator_loss": 1, "_generator_loss": 0}  # last inputs all share


def train_members(
    steps: Sequence[Fused],
    train_points: Tensor,
    validation: Tensor,
    *,
    generators: Sequence[torch.Generator],
    probe: Probe = nothing,
    resumes: Sequence[dict | None] | None = None,
    threads: int = 1,
    between: training.Between | None = None,
) -> Iterator[dict[int, Snapshot]]:
    """As `training.train_all`: by turns on a CPU, in one batched pass on another device.

    By turns too where one is resumed or looked at between steps, or where constants differ, of
    which a pass has one set.
    """
    arguments = (steps, train_points, validation)
    options = {"generators": generators, "probe": probe}
    many = train_points.device.type != "cpu" and len(steps) > 1
    if many and not (between or any(resumes or ())) and _same_constants(steps):
        return train_stacked(*arguments, **options)
    options |= {"resumes": resumes, "threads": threads, "between": between}
    return training.train_all(*arguments, **options)


def _same_constants(steps: Sequence[Fused]) -> bool:
    first, *others = (dict(step.model.named_buffers()) for step in steps)
    return all(torch.equal(first[name], other[name]) for other in others for name in first)


FAST = training.Engine({"vae": FusedVAEStep, "gan": FusedGANStep}, train_members)


class Stacked:
    """One side of all members: their states as rows of one, and their updates as one function."""

    def __init__(self, sides: Sequence[Optimised], large: bool = False):
        self.sides = sides
        self.state = AdamState(*map(torch.stack, zip(*(side.state for side in sides), strict=True)))
        slope = batched(sides[0].loss, SHARED[sides[0].loss.__name__])
        device = self.state.weights.device
        self.update = accelerated(whole(slope, sides[0].rule), device, large)

    __call__ = Optimised.__call__

    def publish(self) -> None:
        """Hand each member its own row, and have it written into its networks."""
        for member, side in enumerate(self.sides):
            for mine, rows in zip(side.state, self.state, strict=True):
                mine.copy_(rows[member])
            side.publish()


def batched(loss, shared: int):
    """The gradients of all members at once; all inputs but the last `shared` have a member axis."""
    slope = grad_and_value(loss, has_aux=True)

    def slopes(weights: Tensor, *inputs: Tensor):
        axes = (0,) * (1 + len(inputs) - shared) + (None,) * shared
        return vmap(slope, axes)(weights, *inputs)

    return slopes


def train_stacked(
    steps: Sequence[Fused],
    train_points: Tensor,
    validation: Tensor,
    *,
    generators: Sequence[torch.Generator],
    probe: Probe = nothing,
) -> Iterator[dict[int, Snapshot]]:
    """Train all members in one batched pass; arguments and results as in `train_all`."""
    settings, device, seconds = steps[0].settings, train_points.device, 0.0
    training.check_batch(settings, train_points)
    pairs = list(zip(steps, generators, strict=True))
    still = [training.validation_noise(step, validation, g) for step, g in pairs]
    together = _stacked(steps)
    for epoch in range(1, settings.epochs + 1):
        start = training.read_clock(device)
        inputs = [training.epoch_inputs(step, train_points, g) for step, g in pairs]
        losses = _epoch(together, [torch.stack(t, 1) for t in zip(*inputs, strict=True)], epoch)
        seconds += (training.read_clock(device) - start) / len(steps)  # each has its share
        together.publish()
        for member in losses:
            training.check_finite(member, epoch)
        yield {
            member: training.look(
                step, validation, still[member], g, probe, epoch, losses[member], seconds
            )
            for member, (step, g) in enumerate(pairs)
        }


def _stacked(steps: Sequence[Fused]) -> Fused:
    """A step of the same kind whose sides are those of all members."""
    first = steps[0]
    together = object.__new__(type(first))
    together.__dict__ |= first.__dict__
    together.sides = tuple(map(Stacked, zip(*(step.sides for step in steps), strict=True)))
    return together


def _epoch(together: Fused, inputs: list[Tensor], epoch: int) -> list[training.Losses]:
    """The mean losses of each member over an epoch of inputs (steps, members, ...)."""
    losses: dict[str, list[Tensor]] = {name: [] for name in together.names}
    states = training.step_states(together.settings, epoch, len(inputs[0]), inputs[0].device)
    for now, *values in zip(states, *inputs, strict=True):
        for name, loss in together(now, *values).items():  # (members,)
            losses[name].append(loss)
    means = {name: torch.stack(v).mean(0).tolist() for name, v in losses.items() if v}
    return [
        {name: means[name][member] if name in means else None for name in losses}
        for member in range(inputs[0].shape[1])
    ]
