"""Where things are read and written, and the one way to write them: whole or not at all.

What is committed lives in the repository. When `FIVE_GAUSSIANS_OUT` names a folder, all that a
notebook or command writes goes there instead, and is found there first: so the tests train for
real without touching what is committed.
"""

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def _written(*parts: str) -> Path:
    return Path(os.environ.get("FIVE_GAUSSIANS_OUT") or REPOSITORY).joinpath(*parts)


def output(*parts: str) -> Path:
    """The path to write to; its folder is created."""
    path = _written(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def existing(*parts: str) -> Path:
    """The path to read from: what was written last, else what is committed."""
    path = _written(*parts)
    return path if path.exists() else REPOSITORY.joinpath(*parts)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden temporary path beside `path`, which takes its place when the block succeeds.

    Whoever reads finds the old file or the new, never half of one. Each call has a path of its
    own, so threads and processes cannot meet in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with newlines as they are."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, values: object) -> None:
    """Write `values` as JSON; what is not finite becomes null, as JSON has no name for it."""
    write_text(path, as_json(values) + "\n")


def as_json(values: object) -> str:
    """Readable JSON, NaN and infinities as null."""
    return json.dumps(_finite(values), indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
