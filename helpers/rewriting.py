"""Operations in other words: the same numbers, written so that a compiler makes fast code of them.

When a step is traced, each of its operations is looked up here. Small batches keep their few
rules, because every further one rounds differently and so would train differently.
"""

import functools

import torch
from torch import Tensor

LARGE = 1_024  # points in a batch from which memory sets the pace, and the further rules pay
THIN = 2  # a product over so few terms is quicker as a sum of outer products
FEW = 4  # and one with so few columns when it is taken the other way round
GROUP = 32  # rows that are summed while they are in the nearest cache
aten = torch.ops.aten


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
