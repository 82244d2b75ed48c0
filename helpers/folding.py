"""Networks as functions of their weights, and with their ActNorms taken into the layers before.

s (W x + b) + t = (s W) x + (s b + t): an ActNorm after a linear layer is a linear layer. Taken
together before the points come, they cost one pass over a large batch instead of two, and on the
way back one sum over it instead of three.
"""

import copy
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torch.func import functional_call

from helpers.models import ActNorm

Weights = dict[str, Tensor]


def plain(network: nn.Module) -> Callable[[Weights], Callable]:
    """From weights by name to the network under these weights, as it stands."""
    return partial(partial, functional_call, network)


def folded(network: nn.Module) -> Callable[[Weights], Callable]:
    """The same function with every ActNorm folded into the linear layer before it."""
    lean, pairs = copy.deepcopy(network), normed(network)
    for _, norm in pairs:
        lean.set_submodule(norm, nn.Identity())

    def bind(weights: Weights) -> Callable:
        return partial(functional_call, lean, merged(weights, pairs))

    return bind


def normed(network: nn.Module) -> list[tuple[str, str]]:
    """The linear layers that an ActNorm follows, by name, each with its ActNorm's."""
    rows = [(name, row) for name, row in network.named_modules() if isinstance(row, nn.Sequential)]
    return [
        (f"{name}.{first}".lstrip("."), f"{name}.{second}".lstrip("."))
        for name, row in rows
        for (first, layer), (second, norm) in pairwise(row.named_children())
        if isinstance(layer, nn.Linear) and isinstance(norm, ActNorm)
    ]


def merged(weights: Weights, pairs: list[tuple[str, str]]) -> Weights:
    """The weights of a network without its ActNorms: those of `pairs` are taken together."""
    left = dict(weights)
    for layer, norm in pairs:
        scale, shift = left.pop(f"{norm}.scale"), left.pop(f"{norm}.shift")  # (outputs,) each
        left[f"{layer}.weight"] = left[f"{layer}.weight"] * scale[:, None]  # (outputs, inputs)
        left[f"{layer}.bias"] = left[f"{layer}.bias"] * scale + shift
    return left
