"""The process that trains one trial and says how far it is: `python -m helpers.worker ID`."""

import contextlib
import dataclasses
import io
import sys
import time

import numpy as np

from helpers import orders, recording, runs, trials
from helpers.loop import Diverged
from helpers.recorder import Recorder
from helpers.storage import replace_file

FAILURES = (ValueError, OSError, RuntimeError, MemoryError, Diverged)
POINTS = 300  # of a loss curve
TRIES = 20  # on Windows a file that is being read cannot be replaced


class Stopped(Exception):
    """Someone asked the training to end."""


def train(trial: str) -> None:
    """Train a trial's order to its end, or until someone asks to stop; its status tells which."""
    order = trials.order_of(trial)
    say(trial, "starting", epochs=order.recipe.epochs)
    watch = Watch(trial)
    options = {"stems": [trials.folder(trial) / "run"], "watch": watch, "fast": order.fast}
    try:
        recording.train(order.recipe, target_of(order), (order.seed,), **options)
        watch.say("complete")
    except Stopped:
        watch.say("stopped")
    except FAILURES as error:
        watch.say("failed", " ".join(str(error).split())[:300] or type(error).__name__)


def target_of(order: orders.Order) -> runs.Target:
    """The target of an order."""
    target = runs.target_named(order.target)
    few = order.target in orders.IMAGES and order.images
    return dataclasses.replace(target, most=order.images) if few else target


class Watch:
    """Tells after each epoch how far a trial is; raises Stopped where someone asked to stop."""

    def __init__(self, trial: str):
        self.trial = trial
        self.last: dict = {"epochs": trials.order_of(trial).recipe.epochs}

    def __call__(self, recorder: Recorder) -> None:
        row = recorder.rows[-1]
        self.last = {
            "epoch": row["epoch"],
            "epochs": recorder.recipe.epochs,
            "seconds": row["seconds"],
            "line": recorder.judge.line(row),
            "losses": curves(recorder.rows[1:]),
        }
        show(self.trial, recorder.frames[-1])
        self.say("training")
        if trials.asked_to_stop(self.trial) and not recorder.complete:
            raise Stopped

    def say(self, state: str, line: str | None = None) -> None:
        """Write the status with the numbers of the last epoch."""
        say(self.trial, state, **self.last | ({} if line is None else {"line": line}))


def curves(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Each training loss of a history, and its epochs; few points, the last among them."""
    names = [name for name in rows[-1] if f"validation_{name}" in rows[-1]]
    step = 1 + len(rows) // POINTS
    chosen = rows[::-1][::step][::-1]
    return {name: [row[name] for row in chosen] for name in ("epoch", *names)}


def show(trial: str, frame: dict[str, np.ndarray]) -> None:
    """Write what the probe saw, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **frame)
    path = trials.folder(trial) / "preview.npz"
    _patiently(lambda: replace_file(path, lambda part: part.write_bytes(buffer.getvalue())))


def say(trial: str, state: str, **values) -> None:
    """Write the status, whole or not at all."""
    _patiently(lambda: trials.write(trial, "status", {"state": state, **values}))


def _patiently(write) -> None:
    for _ in range(TRIES):
        with contextlib.suppress(PermissionError):
            return write()
        time.sleep(0.05)
    return write()


if __name__ == "__main__":
    train(sys.argv[1])
