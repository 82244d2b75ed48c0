"""One training step as one function of tensors: forward, loss, gradient, Adam and average.

The parameters of the networks that learn together lie in one flat row, so that Adam and the
running average are a few operations on one vector, whatever the network. The whole function is
then compiled (`helpers.engine.compile`).
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad_and_value

from helpers.engine.compile import accelerated
from helpers.engine.rewrites import LARGE, bound, bound_folded
from helpers.training import GANStep, Settings, StepState, VAEStep

EPSILON = 1e-8  # Adam's guard against division by zero (Kingma & Ba 2015)


class AdamState(NamedTuple):
    """Weights, Adam's two moments, and the running average of the weights: flat rows."""

    weights: Tensor  # (parameters,), or (members, parameters)
    first: Tensor
    second: Tensor
    average: Tensor


def adam(
    state: AdamState,
    gradient: Tensor,
    step: Tensor,
    rate: Tensor,
    betas: tuple[float, float],
    keep: float,
) -> AdamState:
    """One Adam update and one step of the average (Kingma & Ba 2015, algorithm 1).

    `step` counts from one. The average keeps `keep` of itself (less at first, so that it forgets
    the initial weights); with `keep` = 0 it is the weights themselves.
    """
    first = state.first + (gradient - state.first) * (1 - betas[0])
    second = state.second + (gradient.square() - state.second) * (1 - betas[1])
    scale = (second / (1 - betas[1] ** step)).sqrt() + EPSILON
    weights = state.weights - rate * (first / (1 - betas[0] ** step)) / scale
    kept = torch.clamp((1 + step) / (10 + step), max=keep)
    return AdamState(weights, first, second, weights + kept * (state.average - weights))


class FlatParameters:
    """The parameters of some networks as one flat row, and the networks as functions of it."""

    def __init__(self, networks: Sequence[nn.Module], large: bool = False):
        self.networks = networks
        self.functions = [(bound_folded if large else bound)(network) for network in networks]
        self.shapes = [{n: p.shape for n, p in net.named_parameters()} for net in networks]
        self.sizes = [math.prod(s) for shapes in self.shapes for s in shapes.values()]

    def state(self) -> AdamState:
        """The networks' parameters at the start of a training."""
        flat = [_packed(p.detach()) for net in self.networks for p in net.parameters()]
        row = torch.cat(flat)  # (parameters,)
        return AdamState(row, torch.zeros_like(row), torch.zeros_like(row), row.clone())

    def bind(self, row: Tensor) -> list[Callable]:
        """The networks as plain functions under the weights of a row (parameters,)."""
        pairs = zip(self.functions, self._by_name(row), strict=True)
        return [function(weights) for function, weights in pairs]

    @torch.no_grad()
    def publish(self, row: Tensor) -> None:
        """Write a row into the networks, where evaluation finds it."""
        for network, weights in zip(self.networks, self._by_name(row), strict=True):
            for name, parameter in network.named_parameters():
                parameter.copy_(weights[name])

    def _by_name(self, row: Tensor) -> list[dict[str, Tensor]]:
        pieces = iter(row.split(self.sizes))
        return [
            {name: _unpacked(next(pieces), shape) for name, shape in shapes.items()}
            for shapes in self.shapes
        ]


def _packed(weights: Tensor) -> Tensor:
    """Weights as they lie in a row; a layer's matrix transposed, which is how it is read."""
    return (weights.t() if weights.dim() == 2 else weights).flatten()


def _unpacked(piece: Tensor, shape: torch.Size) -> Tensor:
    """A view of a piece of a row as weights of the given shape; undoes `_packed`."""
    return piece.view(shape[::-1]).t() if len(shape) == 2 else piece.view(shape)


class Optimised:
    """Networks that descend one loss together: their flat state, and its update as one function.

    `loss(row, *inputs)` returns the number to minimise and the tensor to report. `like` is another
    of the same form whose compiled update this one shares. `reduce` is applied to the gradient.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        loss: Callable,
        settings: Settings,
        keep: float = 0.0,
        like: "Optimised | None" = None,
        reduce: Callable[[Tensor], Tensor] | None = None,
    ):
        large = settings.batch >= LARGE
        self.flat, self.loss = FlatParameters(networks, large), loss
        self.state = self.flat.state()
        self.rule = partial(adam, betas=settings.betas, keep=keep)
        slope, device = grad_and_value(loss, has_aux=True), self.state.weights.device
        if reduce:  # communication is no part of a compiled function
            self.update = whole(slope, self.rule, reduce)
        elif like and device.type == "cpu":
            self.update = like.update
        else:
            self.update = accelerated(whole(slope, self.rule), device, large)

    def __call__(self, step: Tensor, rate: Tensor, *inputs: Tensor) -> Tensor:
        """Take one step, in place; returns the report."""
        return self.update(*self.state, step, rate, *inputs)

    def publish(self) -> None:
        """Write the averaged weights into the networks."""
        self.flat.publish(self.state.average)


def whole(slope: Callable, rule: Callable, reduce: Callable | None = None) -> Callable:
    """Gradient, Adam and average in place, as a function of tensors alone."""

    def update(weights, first, second, average, step, rate, *inputs):
        state = AdamState(weights, first, second, average)
        gradient, (_, report) = slope(weights, *inputs)
        gradient = reduce(gradient) if reduce else gradient
        for old, new in zip(state, rule(state, gradient, step, rate), strict=True):
            old.copy_(new)
        return report

    return update


class Fused:
    """What both families share: `Optimised` sides that are kept and published alike."""

    sides: tuple[Optimised, ...]

    def publish(self) -> None:
        for side in self.sides:
            side.publish()

    def state(self) -> dict:
        return {"sides": [list(side.state) for side in self.sides]}

    def load_state(self, state: dict) -> None:
        for side, rows in zip(self.sides, state["sides"], strict=True):
            for mine, saved in zip(side.state, rows, strict=True):
                mine.copy_(saved)


class FusedVAEStep(Fused, VAEStep):
    """The step of `VAEStep` as one compiled function."""

    def __init__(self, vae, objective, settings: Settings, like: Fused | None = None, reduce=None):
        self.model, self.objective, self.settings = vae, objective, settings
        pair, shared = (vae.encoder, vae.decoder), like and like.sides[0]
        self.sides = (Optimised(pair, self._loss, settings, 0.0, shared, reduce),)

    def _loss(self, row: Tensor, x: Tensor, noise: Tensor, weight: Tensor):
        terms = self.objective(*self.sides[0].flat.bind(row), x, noise, weight)
        report = torch.stack([term.mean() for term in terms])
        return report[0], report

    def __call__(self, now: StepState, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        report = self.sides[0](now.step, now.rate, x, noise, now.weight)  # (..., 3)
        return dict(zip(self.names, report.unbind(-1), strict=True))


class FusedGANStep(Fused, GANStep):
    """The step of `GANStep` as two compiled functions, the discriminator's and the generator's."""

    def __init__(
        self,
        generator,
        discriminator,
        objective,
        settings: Settings,
        like: Fused | None = None,
        reduce=None,
    ):
        self.model, self.discriminator = generator, discriminator
        self.objective, self.settings = objective, settings
        shared = like.sides if like else (None, None)
        self.sides = (
            Optimised((discriminator,), self._discriminator_loss, settings, 0.0, shared[0], reduce),
            Optimised(
                (generator,), self._generator_loss, settings, settings.average, shared[1], reduce
            ),
        )

    def _bind(self, row: Tensor, generator_row: Tensor) -> list[Callable]:
        on, of = (side.flat for side in self.sides)
        return [*on.bind(row), *of.bind(generator_row)]

    def _discriminator_loss(self, row, generator_row, x, z, mix, weight):
        discriminator, generator = self._bind(row, generator_row)
        value = self.objective.discriminator(discriminator, x, generator(z), mix, weight)
        return value, value

    def _generator_loss(self, row, discriminator_row, x, z):
        discriminator, generator = self._bind(discriminator_row, row)
        value = self.objective.generator(discriminator, x, generator(z))
        return value, value

    def __call__(self, now: StepState, x: Tensor, z: Tensor, mix: Tensor) -> dict[str, Tensor]:
        (on, of), every = self.sides, self.settings.discriminator_steps
        loss = on(now.step, now.rate, of.state.weights, x, z, mix, now.weight)
        losses = {"discriminator": loss}
        if now.number % every == 0:
            losses["generator"] = of(now.step / every, now.rate, on.state.weights, x, z)
        return losses
