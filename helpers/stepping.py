"""How a step is made fast.

A player's parameters lie in one flat row, so that Adam and the running average are a few
operations on one matrix, whatever the network; several independent members (other seeds) are
further rows of it. Forward pass, loss, gradient and update are then one function of tensors,
which `torch.compile` turns into one piece of machine code. Where that cannot be done, the same
function runs as it stands: slower, same mathematics.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

EPSILON = 1e-8  # Adam's guard against division by zero (Kingma & Ba 2015)


class State(NamedTuple):
    """One row a member: weights, Adam's two moments, and the running average of the weights."""

    weights: Tensor  # (members, parameters)
    first: Tensor
    second: Tensor
    average: Tensor


class Player:
    """One side of a training: the same networks once for each member, seen as flat rows.

    `members` holds, for each member, the tuple of networks that are trained together: (encoder,
    decoder) for a VAE, (generator,) or (critic,) for a GAN.
    """

    def __init__(self, members: Sequence[tuple[nn.Module, ...]]):
        self.members = members
        self.shapes = [
            {name: p.shape for name, p in network.named_parameters()} for network in members[0]
        ]
        weights = torch.stack([self._pack(networks) for networks in members])
        zeros = torch.zeros_like(weights)
        self.state = State(weights, zeros, zeros.clone(), weights.clone())

    def _pack(self, networks: tuple[nn.Module, ...]) -> Tensor:
        flat = [p.detach().flatten() for network in networks for p in network.parameters()]
        return torch.cat(flat)  # (parameters,)

    def _views(self, row: Tensor) -> list[dict[str, Tensor]]:
        pieces = iter(row.split([math.prod(s) for shapes in self.shapes for s in shapes.values()]))
        return [
            {name: next(pieces).view(s) for name, s in shapes.items()} for shapes in self.shapes
        ]

    def bind(self, row: Tensor) -> list[Callable]:
        """The networks as plain functions under the weights of one row, (parameters,)."""
        return [
            functools.partial(functional_call, network, views)
            for network, views in zip(self.members[0], self._views(row), strict=True)
        ]

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
    loss: Callable, shared: int, betas: tuple[float, float], keep: float, fast: bool
) -> Callable:
    """The whole step as one function `update(state, step, rate, *inputs)` that changes `state`.

    `loss(row, *inputs)` returns the number to minimise and the tensor to report; of its inputs,
    all have a leading member axis but the last `shared`. Returns the reports, (members, ...).
    """

    def update(state: State, step: Tensor, rate: Tensor, *inputs: Tensor) -> Tensor:
        axes = (0,) * (1 + len(inputs) - shared) + (None,) * shared
        gradient, (_, report) = vmap(grad_and_value(loss, has_aux=True), axes)(state[0], *inputs)
        for old, new in zip(state, adam(state, gradient, step, rate, betas, keep), strict=True):
            old.copy_(new)
        return report

    return compiled(update) if fast else update


class compiled:
    """A function compiled as a whole; if that fails at its first call, itself, with one notice."""

    def __init__(self, function: Callable):
        torch.compiler.reset()  # recompilations are counted by code line, not by training
        self.plain = function
        self.chosen = torch.compile(function, fullgraph=True, dynamic=False)
        self.proven = False

    def __call__(self, *inputs):
        if self.proven:
            return self.chosen(*inputs)
        self.proven = True
        try:
            return self.chosen(*inputs)
        except Exception as error:  # whatever the compiler raises: the plain function decides
            notice(type(error).__name__)
            self.chosen = self.plain
            return self.plain(*inputs)


@functools.cache
def notice(reason: str) -> None:
    """Say once that training goes on without compilation, and what would make it faster."""
    remedy = "install a C++ compiler (the README says which) for 3–5 times the speed"
    print(f"Steps run uncompiled ({reason}): the same training, only slower; {remedy}.")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Use one CPU thread within the block: a small network is slower on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is CUDA, else MPS, else the CPU; raises ValueError for one that is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    present["cpu"] = True
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present.get(name.split(":")[0], False):
        there = [kind for kind, is_there in present.items() if is_there]
        raise ValueError(f"device {name!r}: not present; choose auto or one of {', '.join(there)}")
    return torch.device(name)
