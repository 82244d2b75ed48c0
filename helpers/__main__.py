"""The command line, `python -m helpers`; `helpers.cli` says what it does."""

import _thread
import functools
import os
import signal
import sys
import threading


def interrupt_again(unraisable) -> None:
    """Python drops an interrupt that meets a callback of its imports; let it come once more."""
    if unraisable.exc_type is not KeyboardInterrupt:
        return sys.__unraisablehook__(unraisable)
    _once()  # once this function is left


@functools.cache
def _once() -> None:
    threading.Timer(0.01, _thread.interrupt_main).start()


def program() -> int:
    """Run the command line; returns the exit status. Interrupts are one line at any moment."""
    try:
        from helpers.cli import main

        status = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is to end
        return status
    except KeyboardInterrupt:  # during that import; later ones end in `main`
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":  # not in a sweep's processes, which import it
    sys.unraisablehook = interrupt_again
    if (status := program()) == 130:  # Python may have kept in mind an interrupt that was answered
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
