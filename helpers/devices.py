"""Where arithmetic happens: the device, how many threads, and what is too small to count."""

import contextlib
from collections.abc import Iterator

import torch


def one_thread() -> contextlib.AbstractContextManager[None]:
    """One CPU thread within the block: a small network is slower on two."""
    return using_threads(1)


@contextlib.contextmanager
def using_threads(number: int) -> Iterator[None]:
    """Let PyTorch share an operation out among so many CPU threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is CUDA, else MPS, else the CPU; raises ValueError for one that is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    present["cpu"] = True
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present.get(name.split(":")[0], False):
        there = [kind for kind, is_there in present.items() if is_there]
        raise ValueError(f"device {name!r}: not present; choose auto or one of {', '.join(there)}")
    return torch.device(name)


@contextlib.contextmanager
def nothing_tiny() -> Iterator[None]:
    """Round numbers below 1e-38 to zero within the block.

    The gradient of a unit that never fires is zero, and Adam's mean of it fades into numbers on
    which a processor takes a hundred times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
