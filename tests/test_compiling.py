"""Compiling: the same function, whatever becomes of it; and what the next start finds."""

import os
import subprocess
import sys

import pytest
import torch

from helpers import compiling
from helpers.places import REPOSITORY

PROGRAM = """
import torch
from helpers.compiling import compiled
from torch._dynamo.utils import counters
double = compiled(lambda x: x.copy_(2 * x).sum())
x = torch.ones(3)
print(double(x).item(), x.tolist(), dict(counters["inductor"]).get("fxgraph_cache_hit", 0))
"""


@pytest.fixture
def no_notice_yet():
    compiling.notice.cache_clear()
    yield
    compiling.notice.cache_clear()


def layer(x, weight, bias):
    """One linear layer, kept in place in x, with a number to report."""
    out = torch.nn.functional.linear(x, weight, bias).relu()
    x.copy_(out @ weight)
    return out.sum()


@pytest.mark.parametrize("inputs", [1, 2, 3, 7])
def test_a_compiled_function_is_the_function_thin_layers_included(generator, inputs, capsys):
    shapes = (5, inputs), (4, inputs), (4,)
    values = [torch.randn(shape, generator=generator) for shape in shapes]
    fast, slow = [v.clone() for v in values], [v.clone() for v in values]
    function = compiling.compiled(layer)
    for _ in range(3):
        torch.testing.assert_close(function(*fast), layer(*slow))
        torch.testing.assert_close(fast[0], slow[0])
    assert torch.equal(fast[1], values[1])


def test_the_next_start_finds_what_this_one_compiled(tmp_path):
    def start() -> list[str]:
        environment = {**os.environ, compiling.CACHE: str(tmp_path)}
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True)
        return done.stdout.decode().split()

    first, second = start(), start()
    if "uncompiled" in first:
        pytest.skip("no C++ compiler here: there is nothing to find")
    assert first == ["6.0", "[2.0,", "2.0,", "2.0]", "0"]
    assert second == ["6.0", "[2.0,", "2.0,", "2.0]", "1"]


def test_without_a_compiler_one_notice_and_the_same_result(capsys, monkeypatch, no_notice_yet):
    def broken(graph, shapes):
        def call(*inputs):
            raise FileNotFoundError("no compiler")

        return call

    monkeypatch.setattr(compiling, "machine_code", broken)
    x = torch.ones(3)
    for turn in (1, 2):
        double = compiling.compiled(lambda x: x.copy_(2 * x).sum())
        assert double(x).item() == 3 * 2**turn  # once in place, not twice
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "FileNotFoundError" in out
    assert "install a C++ compiler" in out


def test_really_without_a_compiler_on_the_path(tmp_path):
    """No mock: PATH names an empty folder, and nothing compiled before can be found."""
    environment = {**os.environ, "PATH": str(tmp_path), compiling.CACHE: str(tmp_path)}
    environment.pop("CXX", None)
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True)
    said, result = done.stdout.decode().splitlines()
    assert said.startswith("Steps run uncompiled (")
    assert said.endswith("install a C++ compiler (the README says which) for 3–5 times the speed.")
    assert result == "6.0 [2.0, 2.0, 2.0] 0"
    assert done.returncode == 0


def test_an_error_after_the_first_call_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(compiling, "machine_code", lambda graph, inputs: graph)
    looked_up = compiling.compiled(lambda x: torch.ones(3)[x])
    assert looked_up(torch.tensor(2)) == 1
    with pytest.raises(IndexError):
        looked_up(torch.tensor(3))
