"""How a step becomes one piece of machine code, or, on a CUDA device, one recorded launch.

A function of tensors is traced into a plain list of operations, a few of them are put in other
words (`helpers.engine.rewrites`), and PyTorch's compiler does the rest. Where it cannot, the same
function runs as it stands: slower, same mathematics.
"""

import functools
import inspect
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from helpers.engine import cache
from helpers.engine.rewrites import rules

DYNAMO = {"fullgraph": True, "dynamic": False, "isolate_recompiles": True}
KEPT = 4  # tensors of an `AdamState`, which a step changes in place
COMPILERS = ("g++", "clang++", "c++", "cl")


def accelerated(function: Callable, device: torch.device, large: bool) -> Callable:
    """An update `function(*state, *inputs)` in the fastest form that a device has."""
    quick = compiled(function, large)
    return replayed(quick, cuda_graph) if device.type == "cuda" else quick


class compiled:
    """A function of tensors, compiled at its first call; if that fails, itself, with a notice.

    All later calls must have inputs of the same shapes. `large` says that they are batches of
    `rewrites.LARGE` points or more. Several threads may call at once.
    """

    lock = threading.Lock()  # one for all functions: those of a GAN put weights into one network

    def __init__(self, function: Callable, large: bool = False):
        self.plain, self.large = function, large
        self.chosen: Callable | None = None

    def __call__(self, *inputs: Tensor):
        if self.chosen is None:
            return self._first(*inputs)
        return self.chosen(*inputs)

    def _first(self, *inputs: Tensor):
        with self.lock:
            if self.chosen is None:
                return self._choose(*inputs)
        return self.chosen(*inputs)

    def _choose(self, *inputs: Tensor):
        before = [t.clone() for t in inputs]  # a call that fails may have changed some
        try:
            chosen, result = self._tried(*inputs)
        except Exception as error:  # whatever a compiler raises: the plain function decides
            for mine, saved in zip(inputs, before, strict=True):
                mine.copy_(saved)
            notice(error)
            chosen, result = self._alone, self.plain(*inputs)
        self.chosen = chosen
        return result

    def _tried(self, *inputs: Tensor):
        with cache.ours() as folder:
            try:
                chosen = self._compile(*inputs)
                return chosen, chosen(*inputs)
            except Exception as error:
                if not cache.cannot_load(error, folder):
                    raise
                cache.renew(folder)
                chosen = self._compile(*inputs)
                return chosen, chosen(*inputs)

    def _alone(self, *inputs: Tensor):
        with self.lock:  # else one thread would compute with another's weights
            return self.plain(*inputs)

    def _compile(self, *inputs: Tensor) -> Callable:
        copies = [t.clone() for t in inputs]  # tracing runs the function, which may change them
        graph = make_fx(lambda *t: (self.plain(*t),), decomposition_table=rules(self.large))
        code = machine_code(graph(*copies), copies)
        return lambda *t: code(*t)[0]  # the only one of its results


def machine_code(graph: GraphModule, inputs: list[Tensor]) -> Callable:
    """A traced function, compiled for inputs of these shapes.

    On a CPU the bare artefact, which is called without being asked anew whether it fits its
    inputs; its wrapper in C++ calls the kernels with less ado than one in Python would.
    """
    if inputs[0].device.type != "cpu":
        return torch.compile(graph, **known(torch.compile, DYNAMO))
    from torch._inductor import standalone_compile  # takes a second, which only compiling needs

    options = {"config_patches": {"cpp_wrapper": True}}
    fixed = {"dynamic_shapes": "from_example_inputs", "options": options}
    return standalone_compile(graph, inputs, **fixed)


def known(function: Callable, options: dict) -> dict:
    """Those options that this version of PyTorch's function has."""
    return {k: v for k, v in options.items() if k in inspect.signature(function).parameters}


class replayed:
    """A step recorded once and then replayed: inputs are copied to fixed places, one launch runs.

    `function(*state, *inputs)` changes the first KEPT tensors in place; they must be the same
    objects at every call. `record` turns a step without arguments into its report and a replay.
    """

    def __init__(self, function: Callable, record: Callable):
        self.function, self.record = function, record
        self.places: list[Tensor] = []

    def __call__(self, *inputs: Tensor) -> Tensor:
        state, fresh = inputs[:KEPT], inputs[KEPT:]
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


def notice(error: Exception) -> None:
    """Say once that training goes on without compilation, for which reason, and the remedy."""
    if isinstance(error, cache.NotTrusted):
        _say(" ".join(str(error).split()), "with another folder it is 3–5 times as fast")
    elif not has_compiler():
        _say("no C++ compiler", "install one (the README says which) for 3–5 times the speed")
    elif not cache.compilable(home := Path(torch.__file__).parent):
        _say(
            f"PyTorch cannot compile below {home}, as its name has spaces, quotes or umlauts",
            "install it elsewhere, as by `make VENV=/a/plain/path`, for 3–5 times the speed",
        )
    else:
        lines = str(error).strip().splitlines() or [""]
        _say(
            f"{type(error).__name__}: {lines[0][:120]}", "the compiler is there, this is its answer"
        )


def has_compiler() -> bool:
    """Whether this machine has a C++ compiler."""
    return any(map(shutil.which, (os.environ.get("CXX", "g++"), *COMPILERS)))


@functools.cache
def _say(reason: str, remedy: str) -> None:
    print(f"Steps run uncompiled ({reason}): the same training, only slower; {remedy}.")
