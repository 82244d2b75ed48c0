"""The loop that both families share: epochs of steps in, a snapshot an epoch out.

One permutation of the training points an epoch, all tensors in memory, the last incomplete
batch dropped. All randomness of a member comes from its own generator.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from helpers.devices import nothing_tiny
from helpers.rewriting import LARGE
from helpers.schedules import Constant, Cosine
from helpers.stepping import Engine, Player

Losses = dict[str, float]
Probe = Callable[[nn.Module], dict[str, Tensor]]


class Diverged(ArithmeticError):
    """A loss stopped being a finite number; what was saved before stays valid."""


@dataclass(frozen=True)
class Settings:
    """How to train: everything but the networks, the objective and the data."""

    epochs: int = 250
    batch: int = 256
    rate: Callable[[float], float] = field(default_factory=lambda: Cosine(1e-3))
    weight: Callable[[float], float] = field(default_factory=Constant)  # beta, or the penalty's
    betas: tuple[float, float] = (0.9, 0.999)
    average: float = 0.0  # share of itself that the running average keeps a step
    critic_steps: int = 1
    fast: bool = True  # compile the whole step
    threads: int = 1  # of a CPU, among which members are shared out

    @property
    def large(self) -> bool:
        """Whether the batch is one on which memory sets the pace."""
        return self.batch >= LARGE

    def engine(self, device: torch.device) -> Engine:
        """What runs the steps on a device."""
        return Engine(device, self.fast, self.large, self.threads)


@dataclass(frozen=True)
class Snapshot:
    """What is known after an epoch. Losses are means over the epoch, in nats."""

    epoch: int
    losses: Losses
    validation: Losses
    probe: dict[str, Tensor]
    seconds: float  # spent training so far, without what the caller does between snapshots
    checkpoint: Callable[[], dict]  # the whole state to resume from; ask before the next epoch


@dataclass(frozen=True)
class Clock:
    """The scheduled numbers of one step, as tensors, so that a compiled step never recompiles."""

    number: int  # of the step, from one
    step: Tensor  # the same number
    rate: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Course:
    """What the loop needs to know of a family: its players, its step and how to look at it."""

    players: Sequence[Player]
    models: Sequence[nn.Module]  # what a user samples from, one a member
    names: tuple[str, ...]  # of the numbers that a step reports
    noise: Callable[[int, torch.Generator], Sequence[Tensor]]  # an epoch's, (steps, batch, ...)
    step: Callable[..., Tensor]  # (clock, x, *noise) to reports (members, names)
    validate: Callable[[int, float], Losses]  # (member, scheduled weight)
    kept: Sequence[Tensor] = ()  # what else changes in place from step to step


def no_probe(model: nn.Module) -> dict[str, Tensor]:
    """Look at nothing."""
    return {}


def epochs(
    course: Course,
    train: Tensor,
    settings: Settings,
    generators: Sequence[torch.Generator],
    probe: Probe,
    resume: dict | None,
) -> Iterator[tuple[Snapshot, ...]]:
    """Run the course; yields one Snapshot a member after each epoch.

    Raises Diverged when a loss is no longer finite, ValueError when no batch can be filled.
    """
    if len(train) < settings.batch:
        raise ValueError(
            f"batch {settings.batch} exceeds the {len(train)} training points; lower it"
        )
    done, seconds = _take_up(course, generators, resume) if resume else (0, 0.0)
    for epoch in range(done + 1, settings.epochs + 1):
        start = time.perf_counter()
        with nothing_tiny():
            losses = _epoch(course, train, settings, generators, epoch - 1)  # (members, names)
        seconds += time.perf_counter() - start
        _check_finite(course.names, losses, epoch)
        for player in course.players:
            player.publish()
        state = partial(_checkpoint, course, generators, epoch, seconds)
        weight = settings.weight(epoch / settings.epochs)
        yield tuple(
            _look(course, member, epoch, row, weight, probe, seconds, state)
            for member, row in enumerate(losses.tolist())
        )


@torch.no_grad()
def _look(course, member, epoch, row, weight, probe, seconds, state) -> Snapshot:
    return Snapshot(
        epoch=epoch,
        losses=dict(zip(course.names, row, strict=True)),
        validation=course.validate(member, weight),
        probe=probe(course.models[member]),
        seconds=seconds,
        checkpoint=state,
    )


def _epoch(course, train, settings, generators, epoch) -> Tensor:
    steps = len(train) // settings.batch
    times = clocks(settings, epoch * steps, steps, train.device)
    batches, *noise = _epoch_inputs(course, train, settings.batch, steps, generators)
    reports = torch.zeros(len(generators), len(course.names), device=train.device)
    for i, now in enumerate(times):
        reports += course.step(now, batches[i], *(values[i] for values in noise))
    return reports / steps


def clocks(settings: Settings, done: int, steps: int, device: torch.device) -> list[Clock]:
    """What the clock shows in an epoch of `steps` steps, after `done` steps before it."""
    numbers = range(done + 1, done + steps + 1)
    progress = [(number - 1) / (steps * settings.epochs) for number in numbers]
    columns = numbers, map(settings.rate, progress), map(settings.weight, progress)
    tensors = [torch.tensor([*map(float, column)], device=device) for column in columns]
    return [Clock(*row) for row in zip(numbers, *tensors, strict=True)]


def _epoch_inputs(course, train, batch, steps, generators) -> list[Tensor]:
    """Each member's own order and noise, stacked: (steps, members, batch, ...) each."""
    columns = []
    for generator in generators:
        order = torch.randperm(len(train), generator=generator)[: steps * batch].to(train.device)
        points = train.index_select(0, order).view(steps, batch, *train.shape[1:])
        columns.append((points, *course.noise(steps, generator)))
    return [
        torch.stack([c.to(train.device) for c in column], 1)
        for column in zip(*columns, strict=True)
    ]


def _check_finite(names, losses, epoch) -> None:
    for name, column in zip(names, losses.T, strict=True):
        if not torch.isfinite(column).all():
            raise Diverged(
                f"epoch {epoch}: the {name} loss is {column.tolist()}, not finite; lower the "
                "learning rate or the penalty, or enlarge the batch (what was saved is kept)"
            )


def repeated(generator: torch.Generator, *shape: int) -> Tensor:
    """Normal noise of the given shape that leaves the generator where it stands."""
    copy = torch.Generator().set_state(generator.get_state())
    return torch.randn(shape, generator=copy)


def _checkpoint(course, generators, epoch, seconds) -> dict:
    return {
        "epoch": epoch,
        "seconds": seconds,
        "players": [[tensor.clone() for tensor in player.state] for player in course.players],
        "streams": [generator.get_state() for generator in generators],
        "kept": [tensor.clone() for tensor in course.kept],
    }


def _take_up(course, generators, resume) -> tuple[int, float]:
    for player, state in zip(course.players, resume["players"], strict=True):
        player.restore(state)
        player.publish()
    for generator, stream in zip(generators, resume["streams"], strict=True):
        generator.set_state(stream)
    for mine, saved in zip(course.kept, resume["kept"], strict=True):
        mine.copy_(saved)
    return resume["epoch"], resume["seconds"]
