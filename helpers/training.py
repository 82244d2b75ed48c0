"""Training a VAE or a GAN, as a textbook does it: forward, loss, backward, Adam, snapshot.

    for snapshot in train(VAEStep(vae, objective, settings), points, held_out, generator=rng):
        print(snapshot.epoch, snapshot.losses)

`train` is the loop; what happens in one step is `VAEStep` or `GANStep`, or another class with
their methods that takes the same steps faster. All tensors are in memory; each epoch is one
permutation of the training points, its last incomplete batch dropped.
"""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers import objectives

TRAINING_VERSION = 1  # raise it when training changes on purpose, and train the runs again

Schedule = Callable[[float], float]  # of the progress of a training, from 0 to 1
Losses = dict[str, float | None]
Probe = Callable[[nn.Module], dict[str, Tensor]]
Between = Callable[["Step", int], object]  # is shown a step that was taken, and its number


class BadCheckpoint(ValueError):
    """A state that a training cannot go on from."""


class Diverged(ArithmeticError):
    """A loss stopped being a finite number; what was saved before stays valid."""


# ------------------------------------------------------------------------------- schedules


def linear(start: float, end: float) -> Schedule:
    """From start to end in a straight line."""
    return lambda progress: start + (end - start) * progress


def geometric(start: float, end: float) -> Schedule:
    """From start to end by a constant factor a step."""
    return lambda progress: start * (end / start) ** progress


def cosine(start: float) -> Schedule:
    """From start down to zero along half a cosine (Loshchilov & Hutter 2017, eq. 5)."""
    return lambda progress: start * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Settings:
    """How to train: everything but the networks, the objective and the points."""

    epochs: int
    batch: int
    rate: Schedule
    weight: Schedule  # beta, or the strength of the penalty
    betas: tuple[float, float] = (0.9, 0.999)
    average: float = 0.0  # share of itself that the generator's running average keeps a step
    discriminator_steps: int = 1  # to one of the generator
    precision: str = "float32"  # that layers multiply in; weights, sums and Adam stay as they are


def settings(recipe) -> Settings:
    """How to train a recipe."""
    common = {"epochs": recipe.epochs, "batch": recipe.batch, "rate": cosine(recipe.learning_rate)}
    if recipe.family == "vae":
        return Settings(weight=linear(recipe.beta_start, recipe.beta), **common)
    decays = recipe.penalty != recipe.penalty_end
    return Settings(
        weight=(geometric if decays else linear)(recipe.penalty, recipe.penalty_end),
        betas=(recipe.beta1, 0.99),  # a memory of 100 steps: the opponent moves
        average=recipe.average,
        discriminator_steps=recipe.discriminator_steps,
        precision=recipe.precision,
        **common,
    )


# ---------------------------------------------------------------------------- one step of each


class StepState(NamedTuple):
    """The scheduled numbers of one step, as tensors, so that a compiled step never recompiles."""

    number: int  # of the step, from one
    step: Tensor  # the same number
    rate: Tensor
    weight: Tensor


class Step:
    """One step of a family, as the loop asks for it.

    `noise(steps, batch, generator)` gives the random inputs of so many steps, each
    (steps, ..., batch, ...). Called with the scheduled numbers, a batch (batch, d) and its noise,
    it takes a step and returns the losses by name. `validate` gives the losses on held-out points.
    With `like`, another step of the same kind and sizes, it may share what that one compiled.
    """

    names: tuple[str, ...]  # of the losses
    model: nn.Module  # what a user samples from
    settings: Settings
    latest: nn.Module | None = None  # what learns, where `model` is its average

    def parts(self) -> dict:
        """All that changes in training, each with a state_dict."""
        raise NotImplementedError

    def publish(self) -> None:
        """Write what was learned into the networks, where it is kept elsewhere."""

    def state(self) -> dict:
        """What `load_state` goes on from."""
        return {name: part.state_dict() for name, part in self.parts().items()}

    def load_state(self, state: dict) -> None:
        """Go on from a state."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])


def optimiser(weights: Iterable[nn.Parameter], settings: Settings) -> torch.optim.Adam:
    """Adam in one pass over each weight, four times as fast where layers are large."""
    return torch.optim.Adam(weights, betas=settings.betas, fused=True)


def descend(adam: torch.optim.Adam, loss: Tensor, rate: Tensor) -> None:
    """One step of Adam down the gradient of a loss."""
    adam.param_groups[0]["lr"] = rate.item()
    adam.zero_grad()
    loss.backward()
    adam.step()


class VAEStep(Step):
    """One step of a VAE: encode, sample, decode, and descend the objective."""

    names = ("loss", "reconstruction", "kl")

    def __init__(self, vae: nn.Module, objective: Callable, settings: Settings, like=None):
        self.model, self.objective, self.settings = vae, objective, settings
        self.adam = optimiser(vae.parameters(), settings)

    def noise(self, steps: int, batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        shape = (steps, self.objective.samples, batch, self.model.latent)
        return (torch.randn(shape, generator=generator),)

    def terms(self, x: Tensor, noise: Tensor, weight: Tensor | float) -> dict[str, Tensor]:
        """The objective's terms, each averaged over the points x (n, d)."""
        vae = self.model
        terms = self.objective(vae.encoder, vae.decoder, x, noise, weight)
        return {name: term.mean() for name, term in terms._asdict().items()}

    def __call__(self, now: StepState, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        terms = self.terms(x, noise, now.weight)
        descend(self.adam, terms["loss"], now.rate)
        return {name: term.detach() for name, term in terms.items()}

    def validate(self, x: Tensor, noise: Tensor, *, weight: float) -> Losses:
        return {name: term.item() for name, term in self.terms(x, noise, weight).items()}

    def parts(self) -> dict:
        return {"model": self.model, "adam": self.adam}


class GANStep(Step):
    """One step of a GAN: the discriminator's, and the generator's when it is its turn.

    The generator that learns is a copy; the one given holds the running average of its weights,
    which is what samples are drawn from.
    """

    names = ("discriminator", "generator")

    def __init__(self, generator, discriminator, objective, settings: Settings, like=None):
        self.model, self.discriminator = generator, discriminator
        self.generator = self.latest = copy.deepcopy(generator)
        self.objective, self.settings = objective, settings
        of = [network.parameters() for network in (discriminator, self.generator)]
        self.adams = [optimiser(weights, settings) for weights in of]

    def noise(self, steps: int, batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        z = torch.randn(steps, batch, self.model.inputs, generator=generator)
        return z, torch.rand(steps, batch, 1, generator=generator)  # where penalties look

    def __call__(self, now: StepState, x: Tensor, z: Tensor, mix: Tensor) -> dict[str, Tensor]:
        with self._precision(x):
            fake = self.generator(z).detach()  # no path back to the generator
            loss = self.objective.discriminator(self.discriminator, x, fake, mix, now.weight)
        descend(self.adams[0], loss, now.rate)
        losses = {"discriminator": loss.detach()}
        if now.number % self.settings.discriminator_steps == 0:
            with self._precision(x):
                loss = self.objective.generator(self.discriminator, x, self.generator(z))
            descend(self.adams[1], loss, now.rate)
            self.update_average(now.number // self.settings.discriminator_steps)
            losses["generator"] = loss.detach()
        return losses

    def _precision(self, x: Tensor):
        """Where layers multiply in fewer digits, if they are to (Micikevicius et al. 2018)."""
        half = self.settings.precision == "bfloat16"
        return torch.autocast(x.device.type, torch.bfloat16, enabled=half)

    @torch.no_grad()
    def update_average(self, turn: int) -> None:
        """Move the average towards the weights; less slowly at first, to forget the start."""
        keep = min((1 + turn) / (10 + turn), self.settings.average)
        pairs = zip(self.model.parameters(), self.generator.parameters(), strict=True)
        for average, weights in pairs:
            average.lerp_(weights, 1 - keep)

    def validate(self, x: Tensor, z: Tensor, mix: Tensor, *, weight: float) -> Losses:
        """Without the penalty: the losses compare the two networks alone."""
        fake = self.model(z)
        on_both = self.objective.discriminator(self.discriminator, x, fake, 0.5, 0.0)
        on_fake = self.objective.generator(self.discriminator, x, fake)
        return {"discriminator": on_both.item(), "generator": on_fake.item()}

    def parts(self) -> dict:
        networks = {"model": self.model, "generator": self.generator}
        adams = {"adam_discriminator": self.adams[0], "adam_generator": self.adams[1]}
        return networks | {"discriminator": self.discriminator} | adams


# -------------------------------------------------------------------------------- the loop


@dataclass(frozen=True)
class Snapshot:
    """What is known after an epoch. Losses are means over its steps, in the objective's unit."""

    epoch: int
    losses: Losses  # None where no step of the epoch had that loss
    validation: Losses
    probe: dict[str, Tensor]
    seconds: float  # spent training so far, without what the caller does between snapshots
    checkpoint: Callable[[], dict]  # the whole state to resume from; ask before the next epoch
    latest: nn.Module | None = None  # the model as its last step left it, beside its average


def nothing(model: nn.Module) -> dict[str, Tensor]:
    """A probe that looks at nothing."""
    return {}


def train(
    step: Step,
    train: Tensor,
    validation: Tensor,
    *,
    generator: torch.Generator,
    probe: Probe = nothing,
    resume: dict | None = None,
    between: Between | None = None,
) -> Iterator[Snapshot]:
    """Train on points (n, d); yields a Snapshot after each epoch, the networks as they then are.

    `probe` looks at the model after each epoch, `between` at the step after each of its steps, in
    time that does not count. `resume` is an earlier snapshot's checkpoint.
    Raises Diverged when a loss is no longer finite, ValueError when no batch can be filled.
    """
    check_batch(step.settings, train)
    still = validation_noise(step, validation, generator)
    done, seconds = load_checkpoint(step, generator, resume) if resume else (0, 0.0)
    for epoch in range(done + 1, step.settings.epochs + 1):
        start = read_clock(train.device)
        with flush_denormals():
            losses, aside = _epoch(step, train, generator, epoch, between)
        seconds += read_clock(train.device) - start - aside
        check_finite(losses, epoch)
        step.publish()
        yield look(step, validation, still, generator, probe, epoch, losses, seconds)


def train_all(
    steps: Sequence[Step],
    train_points: Tensor,
    validation: Tensor,
    *,
    generators: Sequence[torch.Generator],
    probe: Probe = nothing,
    resumes: Sequence[dict | None] | None = None,
    threads: int = 1,
    between: Between | None = None,
) -> Iterator[dict[int, Snapshot]]:
    """Train several members, an epoch each in turn, or as many at once as threads.

    They share the points and nothing else: no number of one depends on its company. Yields the
    snapshots of each round by member.
    """
    resumes = resumes or [None] * len(steps)
    running = {
        member: train(
            step, train_points, validation, generator=g, probe=probe, resume=resume, between=between
        )
        for member, (step, g, resume) in enumerate(zip(steps, generators, resumes, strict=True))
    }
    with ThreadPoolExecutor(threads) as pool:
        each = pool.map if threads > 1 else map
        while running:
            epochs = each(lambda training: next(training, None), running.values())
            found = dict(zip(running, epochs, strict=True))
            snapshots = {member: s for member, s in found.items() if s is not None}
            running = {member: running[member] for member in snapshots}
            if snapshots:
                yield snapshots


class Engine(NamedTuple):
    """Who takes the steps: a step for each family, and how several members train together."""

    steps: dict[str, type]
    train_all: Callable[..., Iterator[dict[int, Snapshot]]]

    def build(self, recipe, networks: Sequence[tuple[nn.Module, ...]]) -> list[Step]:
        """The steps of a recipe's members, given the networks of each.

        On a CPU, networks for images take plain steps: compiling convolutions gains nothing there.
        """
        convolutions = recipe.domain == "images" and next(networks[0][0].parameters()).is_cpu
        kind = (PLAIN if convolutions else self).steps[recipe.family]
        parts = objectives.build(recipe), settings(recipe)
        first = kind(*networks[0], *parts)
        alike = {} if getattr(recipe, "frozen", 0) else {"like": first}  # constants differ
        return [first, *(kind(*other, *parts, **alike) for other in networks[1:])]


PLAIN = Engine({"vae": VAEStep, "gan": GANStep}, train_all)


def _epoch(step, train, generator, epoch, between) -> tuple[Losses, float]:
    """The mean of each loss, and the seconds that looking in between took."""
    aside = 0.0
    batches, *noise = epoch_inputs(step, train, generator)
    losses: dict[str, list[Tensor]] = {name: [] for name in step.names}
    states = step_states(step.settings, epoch, len(batches), train.device)
    for now, *inputs in zip(states, batches, *noise, strict=True):
        for name, loss in step(now, *inputs).items():
            losses[name].append(loss)
        if between:
            start = read_clock(train.device)
            between(step, now.number)
            aside += read_clock(train.device) - start
    means = {name: torch.stack(v).mean().item() if v else None for name, v in losses.items()}
    return means, aside


def epoch_inputs(step: Step, train: Tensor, generator: torch.Generator) -> list[Tensor]:
    """The points of an epoch in a new order, and its noise: (steps, batch, d), then as `noise`."""
    batch, device = step.settings.batch, train.device
    steps = len(train) // batch
    order = torch.randperm(len(train), generator=generator)[: steps * batch].to(device)
    points = train.index_select(0, order).view(steps, batch, *train.shape[1:])
    return [points, *(values.to(device) for values in step.noise(steps, batch, generator))]


def step_states(
    settings: Settings, epoch: int, steps: int, device: torch.device
) -> list[StepState]:
    """The scheduled numbers of each step of an epoch, counted from one."""
    numbers = range((epoch - 1) * steps + 1, epoch * steps + 1)
    progress = [(number - 1) / (steps * settings.epochs) for number in numbers]
    columns = numbers, map(settings.rate, progress), map(settings.weight, progress)
    tensors = [torch.tensor([*map(float, column)], device=device) for column in columns]
    return [StepState(*row) for row in zip(numbers, *tensors, strict=True)]


@torch.no_grad()
def look(step, validation, still, generator, probe, epoch, losses, seconds) -> Snapshot:
    """The snapshot after an epoch."""
    weight = step.settings.weight(epoch / step.settings.epochs)
    return Snapshot(
        epoch=epoch,
        losses=losses,
        validation=step.validate(validation, *still, weight=weight),
        probe=probe(step.model),
        seconds=seconds,
        checkpoint=partial(make_checkpoint, step, generator, epoch, seconds),
        latest=step.latest,
    )


def validation_noise(step: Step, points: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Noise for held-out points, the same at every epoch; the generator stays where it stands."""
    twin = torch.Generator().set_state(generator.get_state())
    return [values[0].to(points.device) for values in step.noise(1, len(points), twin)]


def make_checkpoint(step: Step, generator: torch.Generator, epoch: int, seconds: float) -> dict:
    """All that a training needs to go on after this epoch."""
    state, kind = copy.deepcopy(step.state()), type(step).__name__
    stream = generator.get_state()
    return {"kind": kind, "epoch": epoch, "seconds": seconds, "state": state, "stream": stream}


def load_checkpoint(step: Step, generator: torch.Generator, saved: dict) -> tuple[int, float]:
    """Take up a checkpoint; returns the epochs done and the seconds. Raises BadCheckpoint."""
    if saved.get("kind") != type(step).__name__:
        raise BadCheckpoint(
            f"interrupted with the steps of {saved.get('kind')}, not of {type(step).__name__}; "
            "resume with the same choice: with or without --plain"
        )
    try:
        step.load_state(saved["state"])
        step.publish()
        generator.set_state(saved["stream"])
        return saved["epoch"], saved["seconds"]
    except Exception as error:  # tensors of any form may be in a file
        reason = " ".join(str(error).split())[:120]
        raise BadCheckpoint(f"damaged checkpoint ({reason}); train without --resume") from None


def check_batch(settings: Settings, train: Tensor) -> None:
    """Raise ValueError unless one batch can be filled."""
    if len(train) < settings.batch:
        raise ValueError(
            f"batch {settings.batch} exceeds the {len(train)} training points; lower it"
        )


def check_finite(losses: Losses, epoch: int) -> None:
    """Raise Diverged where a loss is no longer a finite number."""
    for name, value in losses.items():
        if value is not None and not math.isfinite(value):
            raise Diverged(
                f"epoch {epoch}: the {name} loss is {value}, not finite; lower the learning rate "
                "or the penalty, or enlarge the batch (what was saved is kept)"
            )


# ------------------------------------------------------- where arithmetic happens, and randomness


def stream(seed: int) -> torch.Generator:
    """A stream of random numbers of its own."""
    return torch.Generator().manual_seed(seed)


def read_clock(device: torch.device) -> float:
    """Seconds, once the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Let PyTorch share an operation among so many CPU threads; a small network wants one."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def flush_denormals() -> Iterator[None]:
    """Round numbers below 1e-38 to zero, in this thread.

    The gradient of a unit that never fires is zero, and Adam's mean of it fades into numbers on
    which a processor takes a hundred times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is CUDA, else MPS, else the CPU; raises ValueError for one that is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    present["cpu"] = True
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    kind, colon, number = name.partition(":")
    many = torch.cuda.device_count() if kind == "cuda" else 0
    numbered = not colon or (number.isdecimal() and int(number) < many)
    if not (present.get(kind, False) and numbered):
        there = [kind for kind, is_there in present.items() if is_there]
        raise ValueError(f"device {name!r}: not present; choose auto or one of {', '.join(there)}")
    return torch.device(name)
