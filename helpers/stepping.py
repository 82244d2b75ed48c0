"""One training step as one function of tensors, for one member or for many.

A player's parameters lie in one flat row, so that Adam and the running average are a few
operations on one vector, whatever the network; several independent members (other seeds) are
further rows. Forward pass, loss, gradient and update are then a single function, which
`helpers.compiling` turns into machine code.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad_and_value, vmap

from helpers.compiling import compiled, cuda_graph, replayed
from helpers.folding import folded, plain

CPU = torch.device("cpu")
EPSILON = 1e-8  # Adam's guard against division by zero (Kingma & Ba 2015)


class State(NamedTuple):
    """One row a member: weights, Adam's two moments, and the running average of the weights."""

    weights: Tensor  # (members, parameters)
    first: Tensor
    second: Tensor
    average: Tensor


class Engine(NamedTuple):
    """How steps are run. What they compute stays the same, but for rounding where `large`."""

    device: torch.device = CPU
    fast: bool = True  # compile the whole step
    large: bool = False  # batches of `rewriting.LARGE` points or more
    threads: int = 1  # of a CPU; members are shared out among them


class Player:
    """One side of a training: the same networks once for each member, seen as flat rows.

    `members` holds, for each member, the tuple of networks that are trained together: (encoder,
    decoder) for a VAE, (generator,) or (critic,) for a GAN.
    """

    def __init__(self, members: Sequence[tuple[nn.Module, ...]], large: bool = False):
        self.members = members
        self.functions = [folded(n) if large else plain(n) for n in members[0]]
        self.shapes = [
            {name: p.shape for name, p in network.named_parameters()} for network in members[0]
        ]
        weights = torch.stack([self._pack(networks) for networks in members])
        zeros = torch.zeros_like(weights)
        self.state = State(weights, zeros, zeros.clone(), weights.clone())

    def _pack(self, networks: tuple[nn.Module, ...]) -> Tensor:
        flat = [packed(p.detach()) for net in networks for p in net.parameters()]
        return torch.cat(flat)  # (parameters,)

    def _views(self, row: Tensor) -> list[dict[str, Tensor]]:
        sizes = [math.prod(s) for shapes in self.shapes for s in shapes.values()]
        pieces = iter(row.split(sizes))
        return [
            {name: unpacked(next(pieces), shape) for name, shape in shapes.items()}
            for shapes in self.shapes
        ]

    def bind(self, row: Tensor) -> list[Callable]:
        """The networks as plain functions under the weights of one row, (parameters,)."""
        pairs = zip(self.functions, self._views(row), strict=True)
        return [function(views) for function, views in pairs]

    @torch.no_grad()
    def publish(self) -> None:
        """Write the averaged weights into the networks, where evaluation finds them."""
        for networks, row in zip(self.members, self.state.average, strict=True):
            for network, views in zip(networks, self._views(row), strict=True):
                for name, p in network.named_parameters():
                    p.copy_(views[name])

    def restore(self, state: Sequence[Tensor]) -> None:
        """Take up a saved state, in place."""
        for mine, saved in zip(self.state, state, strict=True):
            mine.copy_(saved)


def packed(weights: Tensor) -> Tensor:
    """Weights as they lie in a row; a layer's matrix transposed, which is how it is read."""
    return (weights.t() if weights.dim() == 2 else weights).flatten()


def unpacked(piece: Tensor, shape: torch.Size) -> Tensor:
    """A view of a piece of a row as weights of the given shape; undoes `packed`."""
    return piece.view(shape[::-1]).t() if len(shape) == 2 else piece.view(shape)


def adam(
    state: State,
    gradient: Tensor,
    step: Tensor,
    rate: Tensor,
    betas: tuple[float, float],
    keep: float,
) -> State:
    """One Adam update and one step of the average (Kingma & Ba 2015, algorithm 1).

    `step` counts from one. The average keeps `keep` of itself (less at first, so that it forgets
    the initial weights); with `keep` = 0 it is the weights themselves.
    """
    first = state.first + (gradient - state.first) * (1 - betas[0])
    second = state.second + (gradient.square() - state.second) * (1 - betas[1])
    scale = (second / (1 - betas[1] ** step)).sqrt() + EPSILON
    weights = state.weights - rate * (first / (1 - betas[0] ** step)) / scale
    kept = torch.clamp((1 + step) / (10 + step), max=keep)
    return State(weights, first, second, weights + kept * (state.average - weights))


def make_update(
    loss: Callable,
    shared: int,
    betas: tuple[float, float],
    keep: float,
    engine: Engine,
) -> Callable:
    """The whole step as one function `update(state, step, rate, *inputs)` that changes `state`.

    `loss(row, *inputs)` returns the number to minimise and the tensor to report; of its inputs,
    all have a leading member axis but the last `shared`. Returns the reports, (members, ...).
    On a CPU the members take turns, on another device they are batched.
    """
    slope, common = grad_and_value(loss, has_aux=True), (betas, keep, engine)
    if engine.device.type == "cpu":
        threads = engine.threads if engine.fast else 1  # a plain step disturbs other threads
        return in_turns(whole(slope, *common), shared, threads)
    step = whole(batched(slope, shared), *common)
    if engine.fast and engine.device.type == "cuda":
        step = replayed(step, len(State._fields), cuda_graph)
    return lambda state, *inputs: step(*state, *inputs)


def in_turns(step: Callable, shared: int, threads: int = 1) -> Callable:
    """One member's step, for each member after the other, or for as many at once as threads.

    On a CPU this beats a batched product, because one member's numbers stay in the cache; and
    all go through the code of a single one, so that no bit of a member depends on its company.
    """
    each = ThreadPoolExecutor(threads, initializer=like_its_caller).map if threads > 1 else map

    def update(state: State, now: Tensor, rate: Tensor, *inputs: Tensor) -> Tensor:
        own, common = inputs[: len(inputs) - shared], inputs[len(inputs) - shared :]
        members = zip(*(t.unbind() for t in (*state, *own)), strict=True)
        turns = ((*m[:4], now, rate, *m[4:], *common) for m in members)
        return torch.stack([*each(lambda turn: step(*turn), turns)])

    return update


def like_its_caller() -> None:
    """A thread of its own must be told itself to round tiny numbers to zero."""
    torch.set_flush_denormal(True)


def batched(slope: Callable, shared: int) -> Callable:
    """The gradients of all members as one product with a leading member axis."""

    def slopes(weights: Tensor, *inputs: Tensor):
        axes = (0,) * (1 + len(inputs) - shared) + (None,) * shared
        return vmap(slope, axes)(weights, *inputs)

    return slopes


def whole(slope: Callable, betas: tuple[float, float], keep: float, engine: Engine) -> Callable:
    """Gradient, Adam and average in place, as a function of tensors alone."""

    def step(weights, first, second, average, step, rate, *inputs):
        state = State(weights, first, second, average)
        gradient, (_, report) = slope(weights, *inputs)
        for old, new in zip(state, adam(state, gradient, step, rate, betas, keep), strict=True):
            old.copy_(new)
        return report

    return compiled(step, engine.large) if engine.fast else step
