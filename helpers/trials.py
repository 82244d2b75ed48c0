"""Trainings that were started from the app: what was asked for, how far each is, how to stop it.

A trial is a folder, `build/app/<id>`: `order.json` says what to train, `process.json` which
process does, `status.json` and `preview.npz` how far it is, and `run` is the run itself. The
process outlives the page and the server. Reading needs no PyTorch, which takes seconds to load.
"""

import dataclasses
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from helpers import orders, places, recipes
from helpers.orders import Order

ID = re.compile(r"\w[\w.-]*-[0-9a-f]{8}")
AT_ONCE = 2  # trainings; each takes a core
ACTIVE = frozenset({"starting", "training", "stopping"})


class BadTrial(ValueError):
    """A training that cannot be started or found; the message says why and what to do."""


@dataclass(frozen=True)
class Status:
    """How far a trial is."""

    state: str  # starting, training, stopping, complete, stopped or failed
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0  # spent training
    line: str = ""  # the scores of the last epoch, or what went wrong
    losses: dict[str, list[float]] = field(default_factory=dict)  # the epochs among them

    @property
    def active(self) -> bool:
        """Whether a process is at it."""
        return self.state in ACTIVE

    @property
    def left(self) -> float | None:
        """Seconds to go, once an epoch was timed."""
        return self.seconds / self.epoch * (self.epochs - self.epoch) if self.epoch else None


def start(order: Order) -> str:
    """Start a process that trains an order; returns the trial's id. Raises BadTrial, BadOrder."""
    busy = sum(map(_busy, listed()))
    if busy >= AT_ONCE:
        raise BadTrial(f"{busy} trainings are under way, as many as share this machine; stop one")
    trial = prepare(order)
    options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {}
    with (folder(trial) / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "helpers.worker", trial],
            cwd=places.REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": "1", "FIVE_GAUSSIANS_OUT": str(_root().resolve())},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=os.name != "nt",  # Ctrl-C on the server does not end it
            **options,
        )
    write(trial, "process", {"pid": process.pid, "born": _born(process.pid)})
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie
    return trial


def prepare(order: Order) -> str:
    """Give an order a folder, where a process finds it; returns the trial's id. Raises BadOrder."""
    orders.check(order)
    trial = f"{order.recipe.name}-{secrets.token_hex(4)}"
    write(trial, "order", {**vars(order), "recipe": recipes.to_dict(order.recipe)})
    return trial


def stop(trial: str) -> None:
    """Ask a training to end after the epoch it is in; what it learned is kept."""
    (folder(trial) / "stop").touch()


def asked_to_stop(trial: str) -> bool:
    """Whether someone asked."""
    return (folder(trial) / "stop").exists()


def listed() -> list[str]:
    """The ids of all trials, the newest first."""
    found = (_root() / "build" / "app").glob("*/order.json")
    orders = [path for path in found if ID.fullmatch(path.parent.name)]
    newest = sorted(orders, key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.name for path in newest]


def read(trial: str) -> Status:
    """How far a trial is; failed where its process is gone without a word. Raises BadTrial."""
    alive = _alive(trial)  # before the status: what ends in between says so there
    status = _status(trial)
    if not status.active:
        return status
    if alive:
        return dataclasses.replace(status, state="stopping") if asked_to_stop(trial) else status
    what = f"the training process ended after epoch {status.epoch} without finishing; train again"
    return dataclasses.replace(status, state="failed", line=what)


def order_of(trial: str) -> Order:
    """What a trial was asked to train. Raises BadTrial."""
    values = _read(trial, "order")
    try:
        return Order(**{**values, "recipe": recipes.from_dict(values["recipe"])})
    except (TypeError, KeyError, ValueError):
        raise BadTrial(f"{trial}: no such training, or a damaged one; train it again") from None


def preview(trial: str) -> dict[str, np.ndarray] | None:
    """What the probe saw last, or None before the first epoch."""
    try:
        with (folder(trial) / "preview.npz").open("rb") as file, np.load(file) as arrays:
            return {name: arrays[name].astype(np.float32) for name in arrays}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def folder(trial: str) -> Path:
    """Where a trial lies. Raises BadTrial for anything but an id."""
    _check_id(trial)
    return places.output("build", "app", trial, "order.json").parent


def write(trial: str, name: str, values: dict) -> None:
    """Write one of a trial's records, whole or not at all."""
    from helpers.storage import replace_file  # brings PyTorch: not for the first page to wait for

    text = json.dumps(values, ensure_ascii=False)
    replace_file(folder(trial) / f"{name}.json", lambda path: path.write_text(text, "utf-8"))


def _busy(trial: str) -> bool:
    try:
        return read(trial).active
    except BadTrial:  # a damaged one does not keep others from starting
        return False


def _check_id(trial: str) -> None:
    if not ID.fullmatch(trial):
        raise BadTrial(f"{trial[:80]!r}: not the name of a training; choose one from the list")


def _root() -> Path:
    return places.output("build").parent


def _read(trial: str, name: str) -> dict | None:
    _check_id(trial)
    path = _root() / "build" / "app" / trial / f"{name}.json"
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise BadTrial(f"{trial}: its {name} is damaged; train it again") from None
    if not isinstance(values, dict):
        raise BadTrial(f"{trial}: its {name} is damaged; train it again")
    return values


def _status(trial: str) -> Status:
    values = _read(trial, "status")
    if values is None:
        order_of(trial)  # raises where there is no such trial
        return Status("starting")
    try:
        return Status(**values)
    except TypeError:
        raise BadTrial(f"{trial}: its status is damaged; train it again") from None


def _alive(trial: str) -> bool:
    known = _read(trial, "process")
    return known is None or known["born"] == _born(known["pid"])  # pids are used again


def _born(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return -1.0
