"""Every mistake on the command line is answered by one line, before anything is trained."""

import os
import shlex
from types import SimpleNamespace

import pytest
from commands import MISTAKES, prepare

from helpers import cli, memory, runs, training


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    prepare(folder)
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch):
    """Nor does it matter what this machine has: eight GB are free, and no snapshots are kept."""
    free = SimpleNamespace(available=8e9, total=24e9)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(runs.Run, "has_frames", False)

    def epoch(*given):
        raise AssertionError("an epoch was trained")

    monkeypatch.setattr(training, "_epoch", epoch)


def contents(folder) -> set:
    return {path for path in folder.rglob("*") if not path.is_dir()}


def test_there_are_enough():
    assert len(MISTAKES) >= 300


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_answered_by_one_line_and_leaves_nothing(
    line, place, written, monkeypatch, capsys
):
    monkeypatch.chdir(place)
    before = contents(place), contents(written)
    assert cli.main(shlex.split(line) if line != "''" else []) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert MISTAKES[line] in said.err
    assert len(said.err) < 600
    assert (contents(place), contents(written)) == before
    assert os.getcwd() == str(place)
