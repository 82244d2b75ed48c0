"""Compiling: the same function whatever becomes of it, and a notice that gives the real reason."""

import os
import shutil
import subprocess
import sys

import pytest
import torch

from helpers.engine import cache
from helpers.engine import compile as compiling
from helpers.engine.compile import accelerated, compiled, known, replayed
from helpers.files import REPOSITORY

PROGRAM = """
import torch
from helpers.engine.compile import compiled
from torch._dynamo.utils import counters
double = compiled(lambda x: x.copy_(2 * x).sum())
x = torch.ones(3)
print(double(x).item(), x.tolist(), dict(counters["inductor"]).get("fxgraph_cache_hit", 0))
"""


@pytest.fixture(autouse=True)
def _no_notice_yet():
    compiling._say.cache_clear()
    yield
    compiling._say.cache_clear()


def start(**environment):
    """What a fresh process prints that compiles one small function."""
    own = {name: value for name, value in os.environ.items() if name != "CXX"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=own | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def layer(x, weight, bias):
    """One linear layer, kept in place in x, with a number to report."""
    out = torch.nn.functional.linear(x, weight, bias).relu()
    x.copy_(out @ weight)
    return out.sum()


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")
def test_a_compiled_function_is_the_function_in_place_too(generator, capsys):
    values = [torch.randn(shape, generator=generator) for shape in ((5, 2), (4, 2), (4,))]
    fast, slow = [v.clone() for v in values], [v.clone() for v in values]
    function = compiled(layer)
    for _ in range(3):
        torch.testing.assert_close(function(*fast), layer(*slow))
        torch.testing.assert_close(fast[0], slow[0])
    assert torch.equal(fast[1], values[1])
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")
def test_the_next_start_finds_what_this_one_compiled(monkeypatch):
    monkeypatch.delenv(cache.NAME, raising=False)
    compiled(lambda x: x.copy_(2 * x).sum())(torch.ones(3))
    assert os.environ[cache.NAME].startswith(str(REPOSITORY))
    assert start() == ["6.0 [2.0, 2.0, 2.0] 1"]


def test_really_without_a_compiler(tmp_path):
    """No stand-in: PATH names an empty folder, and nothing compiled before can be found."""
    said, result = start(PATH=str(tmp_path), **{cache.NAME: str(tmp_path)})
    assert said.startswith("Steps run uncompiled (no C++ compiler): the same training")
    assert said.endswith("install one (the README says which) for 3–5 times the speed.")
    assert result == "6.0 [2.0, 2.0, 2.0] 0"


def broken(graph, inputs):
    """A compiler whose result fails when it is called."""

    def call(*inputs):
        raise FileNotFoundError("no such header\nand more")

    return call


REASONS = {
    "there": ("/usr/bin/", "FileNotFoundError: no such header", "the compiler is there, this is"),
    "missing": (None, "no C++ compiler", "install one"),
}


@pytest.mark.parametrize(("found", "reason", "remedy"), REASONS.values(), ids=REASONS)
def test_a_failure_is_told_once_with_its_real_reason(found, reason, remedy, capsys, monkeypatch):
    """A compiler is called missing only where it is; the function runs once in place, not twice."""
    monkeypatch.setattr(compiling.shutil, "which", lambda name: found and found + name)
    monkeypatch.setattr(compiling, "machine_code", broken)
    x = torch.ones(3)
    for turn in (1, 2):
        assert compiled(lambda x: x.copy_(2 * x).sum())(x).item() == 3 * 2**turn
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert f"Steps run uncompiled ({reason})" in out
    assert remedy in out


def test_an_error_after_the_first_call_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(compiling, "machine_code", lambda graph, inputs: graph)
    looked_up = compiled(lambda x: torch.ones(3)[x])
    assert looked_up(torch.tensor(2)) == 1
    with pytest.raises(IndexError):
        looked_up(torch.tensor(3))


def test_options_that_a_version_does_not_know_are_left_out(monkeypatch):
    """Asked of the function itself, with no list of versions."""

    def older(graph, *, fullgraph=False, dynamic=None):
        return fullgraph, dynamic

    assert known(older, {"fullgraph": True, "isolate_recompiles": True}) == {"fullgraph": True}
    monkeypatch.setattr(torch, "compile", older)
    inputs = [torch.ones(1, device="meta")]  # any device but the CPU
    assert compiling.machine_code(None, inputs) == (True, False)


def test_only_a_cuda_device_replays():
    quick = accelerated(layer, torch.device("cuda"), large=True)
    assert isinstance(quick, replayed)
    assert (quick.record, quick.function.plain) == (compiling.cuda_graph, layer)
    assert quick.function.large
    assert isinstance(accelerated(layer, torch.device("cpu"), large=False), compiled)


def test_a_recorded_step_is_the_step(generator):
    """On a CPU a recording is the step itself: that the right places are filled is what counts."""

    def step(weights, first, second, average, rate, x):
        slope = x.t() @ (x @ weights)
        for value, change in ((weights, -rate * slope), (first, slope), (second, slope**2)):
            value.add_(change)
        average.lerp_(weights, 0.1)
        return (x @ weights).square().sum()

    recorded = []

    def record(step, state):
        report = torch.empty(())
        recorded.append(state)
        return report, lambda: report.copy_(step())

    one = [torch.randn(2, generator=generator) for _ in range(4)]
    other, replay = [values.clone() for values in one], replayed(step, record)
    reports = []
    for t in range(1, 6):
        fresh = torch.tensor(0.02 / t), torch.randn(7, 2, generator=generator)
        reports.append((replay(*one, *fresh), step(*other, *fresh)))
    for found, expected in [*reports, *zip(one, other, strict=True)]:
        assert torch.equal(found, expected)  # an earlier report is not overwritten
    assert [tuple(map(id, state)) for state in recorded] == [tuple(map(id, one))]
