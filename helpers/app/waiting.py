"""A process that has PyTorch loaded and waits for a training: `python -m helpers.app.waiting`.

It reads one line, the words of a command as JSON with a file for what it prints, and runs it.
Without a line, when whoever started it has ended, it ends too.
"""

import json
import os
import runpy
import sys


def main() -> int:
    """Wait for a command, run it, return its exit status."""
    from helpers import recorder, targets  # seconds, before anyone waits for them
    from helpers.app import views
    from helpers.engine import members
    from helpers.images import classifier, evaluator

    assert all((recorder, views, members, classifier, evaluator))
    targets.gmm5()
    if not (line := sys.stdin.readline()):
        return 0
    command = json.loads(line)
    printed = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(printed, stream.fileno())
    os.environ.update(command["environment"])
    sys.argv[1:] = command["words"]
    runpy.run_module("helpers", run_name="__main__")  # which exits
    return 0


if __name__ == "__main__":
    sys.exit(main())
