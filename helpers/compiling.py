"""How a step becomes one piece of machine code, or, on a CUDA device, one recorded launch.

A function of tensors is traced into a plain list of operations, a few of them are written so
that the compiler can fuse them, and `torch.compile` does the rest. Where it cannot, the same
function runs as it stands: slower, same mathematics.
"""

import functools
import os
from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from helpers.places import REPOSITORY

CACHE = "TORCHINDUCTOR_CACHE_DIR"  # where PyTorch keeps what it compiled, for the next start
THIN = 2  # a product over so few terms is quicker as a sum of outer products
aten = torch.ops.aten


class compiled:
    """A function of tensors, compiled at its first call; if that fails, itself, with a notice."""

    def __init__(self, function: Callable):
        self.plain = function
        self.chosen: Callable | None = None

    def __call__(self, *inputs: Tensor):
        if self.chosen is None:
            return self._first(*inputs)
        return self.chosen(*inputs)

    def _first(self, *inputs: Tensor):
        try:
            self.chosen = self._compile(*inputs)
            return self.chosen(*inputs)
        except Exception as error:  # whatever a compiler raises: the plain function decides
            notice(type(error).__name__)
            self.chosen = self.plain
            return self.plain(*inputs)

    def _compile(self, *inputs: Tensor) -> Callable:
        os.environ.setdefault(CACHE, str(REPOSITORY / "data" / "cache" / "compiled"))
        copies = [t.clone() for t in inputs]  # tracing runs the function, which may change them
        graph = make_fx(self.plain, decomposition_table=fusable())(*copies)
        # A wrapper in C++ calls the kernels with less ado than one in Python.
        options = {"cpp_wrapper": True} if inputs[0].device.type == "cpu" else None
        common = {"fullgraph": True, "dynamic": False, "isolate_recompiles": True}
        return torch.compile(graph, options=options, **common)


def fusable() -> dict:
    """Linear layers in operations that the compiler merges with their neighbours.

    A bias added within the matrix product costs a pass over memory of its own. Written as a
    subtraction, which no rule puts back into the product, it joins the activation that follows.
    """

    def addmm(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        if x.shape[-1] > THIN:
            return aten.mm(x, weight) - (-bias)
        terms = (x[:, i : i + 1] * weight[i : i + 1] for i in range(x.shape[-1]))
        return functools.reduce(torch.add, terms) - (-bias)

    return {aten.addmm.default: addmm}


class replayed:
    """A step recorded once and then replayed: inputs are copied to fixed places, one launch runs.

    `function(*kept, *inputs)` changes the first `kept` tensors in place; they must be the same
    objects at every call. `record` turns a step without arguments into its report and a replay.
    """

    def __init__(self, function: Callable, kept: int, record: Callable):
        self.function, self.kept, self.record = function, kept, record
        self.places: list[Tensor] = []

    def __call__(self, *inputs: Tensor) -> Tensor:
        state, fresh = inputs[: self.kept], inputs[self.kept :]
        if not self.places:
            self.places = [t.clone() for t in fresh]
            step = functools.partial(self.function, *state, *self.places)
            self.report, self.replay = self.record(step, state)
        for place, value in zip(self.places, fresh, strict=True):
            place.copy_(value)
        self.replay()
        return self.report.clone()


def cuda_graph(step: Callable[[], Tensor], state: tuple[Tensor, ...]) -> tuple[Tensor, Callable]:
    """Record a step on the current CUDA device, leaving `state` as it is found.

    Warm-up on a side stream, then capture, as PyTorch's notes on CUDA graphs ask for.
    """
    before = [t.clone() for t in state]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        report = step()
    for mine, saved in zip(state, before, strict=True):
        mine.copy_(saved)
    return report, graph.replay


@functools.cache
def notice(reason: str) -> None:
    """Say once that training goes on without compilation, and what would make it faster."""
    remedy = "install a C++ compiler (the README says which) for 3–5 times the speed"
    print(f"Steps run uncompiled ({reason}): the same training, only slower; {remedy}.")
