"""The same mathematics in other words, of which a compiler makes faster code.

When a step is traced, each of its operations is looked up in `rules`. Small batches keep their few
rules, because every further one rounds differently and so would train differently. From LARGE
points on, ActNorms are also folded into the layer before: s (W x + b) + t = (s W) x + (s b + t)
costs one pass over a large batch instead of two, and on the way back one sum instead of three.
"""

import copy
import functools
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call

from helpers.models import ActNorm

LARGE = 1_024  # points in a batch from which memory sets the pace, and the further rules pay
THIN = 2  # a product over so few terms is quicker as a sum of outer products
FEW = 4  # and one with so few columns when it is taken the other way round
GROUP = 32  # rows that are summed while they are in the nearest cache
aten = torch.ops.aten
Weights = dict[str, Tensor]


def rules(large: bool = False) -> dict:
    """How to write each operation, by its name; `large` for batches of LARGE points or more."""
    always = {aten.addmm.default: affine}
    if not large:
        return always
    more = {aten.mm.default: product, aten.pow.Scalar: power}
    return always | more | {aten.sum.dim_IntList: column_sums}


def affine(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """x (n, inputs) by weight (inputs, outputs), and the bias in the pass that comes next.

    A bias added within the matrix product costs a pass over memory of its own. Written as a
    subtraction, which no rule puts back into the product, it joins the activation that follows.
    """
    if x.shape[-1] > THIN:
        return aten.mm(x, weight) - (-bias)
    terms = (x[:, i : i + 1] * weight[i : i + 1] for i in range(x.shape[-1]))
    return functools.reduce(torch.add, terms) - (-bias)


def product(a: Tensor, b: Tensor) -> Tensor:
    """a (n, k) by b (k, m), by the routes that matrix libraries are good at.

    Weights of few columns, as products over all points, go the other way round; a weight that
    is read across its rows is laid out anew first. Anything else stays as it is.
    """
    if a.shape[1] >= LARGE and b.shape[1] <= FEW < a.shape[0]:
        return aten.mm(b.t(), a.t()).t()
    if a.shape[0] >= LARGE and b.shape[1] > FEW and not b.is_contiguous():
        return aten.mm(a, b.contiguous())
    return NotImplemented


def column_sums(
    x: Tensor, dim: list[int], keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Σ over the rows of x (n, columns), group by group, so that a group is still in the cache."""
    rows = x.shape[0]
    if x.dim() != 2 or list(dim) != [0] or rows < LARGE or rows % GROUP or x.shape[1] == 1:
        return NotImplemented
    groups = x.reshape(rows // GROUP, GROUP, x.shape[1]).sum(1)  # (rows / GROUP, columns)
    return aten.sum.dim_IntList(groups, dim, keepdim, dtype=dtype)


def power(base: float, exponent: Tensor) -> Tensor:
    """base ** exponent for a positive base; the compiled exponential is the quicker of the two."""
    return (exponent * torch.log(torch.tensor(base, dtype=torch.float64)).item()).exp()


# ------------------------------------------------------------------------- folded ActNorms


def bound(network: nn.Module) -> Callable[[Weights], Callable]:
    """From weights by name to the network under these weights, as it stands.

    A copy of it computes, so that the network itself may be used by another thread meanwhile.
    """
    own = copy.deepcopy(network)
    return lambda weights: partial(functional_call, own, weights)


def bound_folded(network: nn.Module) -> Callable[[Weights], Callable]:
    """The same function with every ActNorm folded into the linear layer before it."""
    lean, pairs = copy.deepcopy(network), normed(network)
    for _, norm in pairs:
        lean.set_submodule(norm, nn.Identity())
    return lambda weights: partial(functional_call, lean, merged(weights, pairs))


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
