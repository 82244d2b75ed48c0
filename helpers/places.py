"""Where things are read and written: the one place that knows folders.

What is committed lives in the repository. When `FIVE_GAUSSIANS_OUT` names a folder, all that
a notebook or command writes goes there instead, and is found there first: so the tests train
for real without touching what is committed.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def output(*parts: str) -> Path:
    """The path to write to; its folder is created."""
    path = Path(os.environ.get("FIVE_GAUSSIANS_OUT") or REPOSITORY).joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def existing(*parts: str) -> Path:
    """The path to read from: what was written last, else what is committed."""
    written = Path(os.environ.get("FIVE_GAUSSIANS_OUT") or REPOSITORY).joinpath(*parts)
    return written if written.exists() else REPOSITORY.joinpath(*parts)
