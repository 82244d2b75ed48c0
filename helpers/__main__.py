"""The command line, `python -m helpers`; `helpers.cli` says what it does."""

import _thread
import sys
import threading


def interrupt_again(unraisable) -> None:
    """Python drops an interrupt that meets a callback of its imports; let it come once more."""
    if unraisable.exc_type is not KeyboardInterrupt:
        return sys.__unraisablehook__(unraisable)
    threading.Timer(0.01, _thread.interrupt_main).start()  # once this function is left


if __name__ == "__main__":  # not in a sweep's processes, which import it
    sys.unraisablehook = interrupt_again
    try:
        from helpers.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # during that import; later ones end in `main`
        print("interrupted", file=sys.stderr)
        sys.exit(130)
