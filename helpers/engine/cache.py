"""Where PyTorch keeps what it compiled, for the next start: a folder of ours that can be trusted.

What lies there is loaded as code. PyTorch's own choice is a folder in the system's temporary one,
with a name that anybody can guess and make first. And what a killed process left half written
would be taken for whole at every later start: the library by which PyTorch asks for a processor's
vectors makes every step slow when it is cut, and its rounding another, without a word.
"""

import contextlib
import functools
import os
import re
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch
from filelock import FileLock

from helpers.files import REPOSITORY

NAME = "TORCHINDUCTOR_CACHE_DIR"
LOCK = ".lock"
PRIVATE = 0o700
ELF = struct.Struct("<4s36xQ10x2H2x")  # magic, place of the table of sections, its sizes


class NotTrusted(PermissionError):
    """A folder that belongs to another user, who could put code into it."""


@contextlib.contextmanager
def ours() -> Iterator[Path]:
    """Compile within this block: the cache is this process's alone, and nothing in it is cut short.

    Raises NotTrusted where the folder belongs to another user.
    """
    folder = choose()
    with FileLock(folder / LOCK):
        _mended(folder)
        yield folder


def choose() -> Path:
    """The project's folder for compiled code, or else the user's own, unless one is named.

    Apart for what a processor can do, and for its owner alone. Raises NotTrusted.
    """
    given = os.environ.get(NAME, "")
    if given and not Path(given).name.startswith("torchinductor_"):  # else it is PyTorch's choice
        return _private(Path(given))
    able = torch.backends.cpu.get_cpu_capability()  # AVX2, for instance
    own = Path.home() / ".cache" / "two-ways-to-five-gaussians"
    folder = REPOSITORY / "data" / "cache" / "compiled" / able
    try:
        folder = _private(folder if compilable(folder) else own / able)
    except OSError:  # the installation is somebody else's
        folder = _private(own / able)
    os.environ[NAME] = str(folder)
    return folder


def compilable(path: Path) -> bool:
    """Whether PyTorch can name this path to a compiler: it quotes nothing."""
    return re.fullmatch(r"[\w./\\:+@~-]+", str(path), re.ASCII) is not None


def _private(folder: Path) -> Path:
    """A folder that its owner alone can enter; raises NotTrusted for another's."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.name != "nt":  # a user's folders are his own there
        if folder.stat().st_uid != os.getuid():
            raise NotTrusted(f"{folder}: belongs to another user; remove it, or set {NAME}")
        folder.chmod(PRIVATE)
    return folder


@functools.cache  # once a process: what this one writes is whole
def _mended(folder: Path) -> None:
    """Remove what killed processes have left, all of the cache where a library was cut short."""
    for path in folder.rglob(".*.tmp"):  # `.<process>.<thread>.tmp`, as PyTorch names them
        with contextlib.suppress(OSError, ValueError):
            if not psutil.pid_exists(int(path.name.split(".")[1])):
                path.unlink()
    if not all(map(_whole, folder.rglob("*.so"))):
        renew(folder)


def renew(folder: Path) -> None:
    """Throw the cache away; others who loaded from it keep what they have."""
    from torch._inductor.utils import clear_caches

    print("Compiled code was damaged, as by a process killed while writing; it is made anew.")
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    clear_caches()


def cannot_load(error: BaseException | None, folder: Path) -> bool:
    """Whether an error is, or came of, a library in the cache that cannot be loaded."""
    while error is not None:
        if isinstance(error, OSError | ImportError) and str(folder) in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _whole(library: Path) -> bool:
    """Whether a library reaches as far as its header says; not on Linux, whether it has one.

    ELF's table of sections is written last: its place, and number and size of its entries.
    """
    with library.open("rb") as file:
        head = file.read(ELF.size)
    if sys.platform != "linux" or len(head) < ELF.size:
        return len(head) == ELF.size
    magic, table, size, number = ELF.unpack(head)
    return magic == b"\x7fELF" and library.stat().st_size >= table + size * number
