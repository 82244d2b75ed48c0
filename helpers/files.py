"""Where things are read and written, and the one way to write them: whole or not at all.

What is committed lives in the repository. When `FIVE_GAUSSIANS_OUT` names a folder, all that a
notebook or command writes goes there instead, and is found there first: so the tests train for
real without touching what is committed. Compiled code alone stays where `engine.cache` says.
"""

import contextlib
import json
import math
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
HIDDEN = ".~"  # what the names of files that are being written begin with
OURS = re.compile(r"\.~(\w+)-(\d+)-(\d+)-\w{8}(?:\.\w+)?")
HOST = re.sub(r"\W", "_", platform.node())  # several machines may share a folder
DAY = 86_400  # seconds, after which another machine's temporary file is nobody's
TRIES = 20
ROOM = 1_000_000  # bytes that must be free where a file is to be written


def written(*parts: str) -> Path:
    """Where something is written, or was."""
    return Path(os.environ.get("FIVE_GAUSSIANS_OUT") or REPOSITORY).joinpath(*parts)


def output(*parts: str) -> Path:
    """The path to write to; its folder is created. Raises NotWritten where it cannot be."""
    path = written(*parts)
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def existing(*parts: str) -> Path:
    """The path to read from: what was written last, else what is committed."""
    path = written(*parts)
    return path if path.exists() else REPOSITORY.joinpath(*parts)


class NotWritten(OSError):
    """A file that cannot be written; the message says which, why, and what to do."""


class Unreadable(ValueError):
    """A file that is missing or damaged; the message says which and why."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden temporary path beside `path`, which takes its place when the block succeeds.

    Whoever reads finds the old file or the new, never half of one. Each call has a path of its
    own, so threads and processes cannot meet in it. Raises NotWritten where the place or the disk
    does not allow it; what was there before stays.
    """
    with _told(path), _temporary(path.resolve()) as temporary:  # a link keeps its place
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only their owner may read
        _take_place(temporary, path.resolve())


def _take_place(temporary: Path, path: Path) -> None:
    for _ in range(TRIES if os.name == "nt" else 0):  # Windows replaces no file that is being read
        with contextlib.suppress(PermissionError):
            return os.replace(temporary, path)
        time.sleep(0.05)
    os.replace(temporary, path)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what a system says of a file that cannot be written into a line for people."""
    try:
        yield
    except NotWritten:
        raise
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())[:120]
        raise NotWritten(
            f"{path}: cannot be written ({reason}); free space or choose another place; what was "
            "saved before is kept"
        ) from error


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    if path.is_dir():
        raise NotWritten(f"{path}: a folder is in the way; move it or choose another place")
    for folder in path.parents:
        if folder.is_file():
            raise NotWritten(f"{path}: {folder} is a file, no folder; choose another place")
    prefix = f"{HIDDEN}{HOST}-{os.getpid()}-{_born(os.getpid())}-"
    for attempt in range(1, TRIES + 1):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
            break
        except (FileNotFoundError, FileExistsError):  # another has just left it as it was
            if attempt == TRIES:
                raise
    os.close(handle)
    sweep(path.parent)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Raise NotWritten now where `replacing` would later: before hours of work, not after."""
    new = [folder for folder in path.parents if not folder.exists()]
    with contextlib.suppress(_Enough), replacing(path) as temporary:
        temporary.write_bytes(bytes(ROOM))
        raise _Enough
    with contextlib.suppress(OSError):  # somebody else has begun to use one
        for folder in new:
            folder.rmdir()


class _Enough(Exception):
    """Leaves a block without what it was for."""


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes have left in a folder."""
    for path in folder.glob(f"{HIDDEN}*"):
        if not (found := OURS.fullmatch(path.name)):
            continue
        host, number, born = found.groups()
        gone = host == HOST and _born(int(number)) != int(born)  # its number may be another's
        with contextlib.suppress(OSError):
            if gone or time.time() - path.stat().st_mtime > DAY:
                path.unlink()


def _born(process: int) -> int:
    """When a process started, in seconds; 0 for one that is not there."""
    try:
        return int(psutil.Process(process).create_time())
    except psutil.Error:
        return 0


def tidy() -> None:
    """`sweep` wherever the project writes."""
    for top in ("data", "media", "build"):
        for folder, within, _ in os.walk(written(top)):
            sweep(Path(folder))
            within[:] = [name for name in within if name not in ("images", "compiled")]


@contextlib.contextmanager
def optional() -> Iterator[None]:
    """For what only saves time later: where it cannot be written, say so and go on."""
    try:
        yield
    except NotWritten as error:
        print(f"not kept: {error}", flush=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with newlines as they are."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, values: object) -> None:
    """Write `values` as JSON; what is not finite becomes null, as JSON has no name for it."""
    write_text(path, as_json(values) + "\n")


def read_json(path: Path):
    """What a JSON file holds. Raises Unreadable where it is missing or damaged."""
    try:
        return parse_json(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise Unreadable(f"{path}: no such file") from None
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror})") from None


def parse_json(text: bytes, source: str):
    """What JSON text holds. Raises Unreadable for anything else, brackets without end included."""
    try:
        return json.loads(text.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise Unreadable(f"{source}: not JSON ({error.msg} at line {error.lineno})") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{source}: not JSON (no UTF-8 text)") from None
    except (ValueError, RecursionError):  # integers of thousands of digits, brackets without end
        raise Unreadable(f"{source}: not JSON of sensible size") from None


def as_json(values: object) -> str:
    """Readable JSON, NaN and infinities as null."""
    return json.dumps(_finite(values), indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
