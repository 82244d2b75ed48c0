"""What tests share: a folder of their own to write to, and seeded randomness."""

import os

# Before any test imports them: pictures without a display, arithmetic on one core.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


@pytest.fixture(autouse=True)
def written(tmp_path_factory, monkeypatch):
    """Whatever a test writes through `files.output` lands here, never among what is committed."""
    folder = tmp_path_factory.mktemp("written")
    monkeypatch.setenv("FIVE_GAUSSIANS_OUT", str(folder))
    return folder


@pytest.fixture
def generator():
    """A generator in a known state."""
    return torch.Generator().manual_seed(0)
