"""What tests share: a folder of their own to write to, seeded randomness, a tiny repository."""

import os

# Before any test imports them: pictures without a screen, arithmetic on one core.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import nbformat
import pytest
import torch
from nbformat import v4


@pytest.fixture(autouse=True)
def written(tmp_path_factory, monkeypatch):
    """Whatever a test writes through `places` lands here, never among what is committed."""
    folder = tmp_path_factory.mktemp("written")
    monkeypatch.setenv("FIVE_GAUSSIANS_OUT", str(folder))
    return folder


@pytest.fixture
def generator():
    """A generator in a known state."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def tiny(tmp_path):
    """A made-up repository: one helper that imports another, a target, no notebook yet."""
    files = {
        "data/gmm5.json": '{"weights": [0.5, 0.5]}',
        "helpers/__init__.py": '"""A package."""\n',
        "helpers/top.py": "from helpers import low\n\ndef size():\n    return low.SIZE\n",
        "helpers/low.py": '"""A room."""\n\nSIZE = 3  # metres\n',
        "helpers/aside.py": "OTHER = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def notebook(tiny):
    """A function that writes a notebook of the given code cells into the tiny repository."""

    def write(*sources, name="Tiny.ipynb"):
        cells = [v4.new_markdown_cell("# A tiny story"), *map(v4.new_code_cell, sources)]
        nbformat.write(v4.new_notebook(cells=cells), tiny / name)
        return tiny / name

    return write
