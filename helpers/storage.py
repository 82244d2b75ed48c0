"""The files of a run: written whole or not at all, read back, refused when damaged.

Beside one stem lie `.pt` (weights), `.json` (the record, which names the weights' hash, so that
what loads belongs together), `.probes.npz` (what films are drawn from) and, until the training
is complete, `.checkpoint.pt` (what it goes on from).
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

PARTS = frozenset({"recipe", "target", "seed", "complete", "code", "metrics", "history", "weights"})
AGAIN = "train the run again"


class BadRun(ValueError):
    """A run that is missing or damaged; the message says which file and what to do."""


def replace_file(path: Path, save: Callable[[Path], object]) -> None:
    """Write beside `path`, then rename: whoever reads finds the old file or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write(stem: Path, record: dict, weights: dict) -> None:
    """Save a run: weights first, then the record that vouches for them."""
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    text = json.dumps({**record, "weights": digest}, indent=1, ensure_ascii=False)
    replace_file(stem.with_suffix(".pt"), lambda path: path.write_bytes(buffer.getvalue()))
    replace_file(stem.with_suffix(".json"), lambda path: path.write_text(text, encoding="utf-8"))


def read_record(stem: Path) -> dict:
    """A run's record; raises BadRun where it is missing, not JSON, or lacks a part."""
    path = stem.with_suffix(".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        missing = PARTS - set(record)
    except FileNotFoundError:
        raise BadRun(f"{path}: no such run; `python -m helpers train RECIPE` makes one") from None
    except (OSError, ValueError, TypeError) as error:
        raise BadRun(f"{path}: not a run's record ({error}); {AGAIN}") from None
    if missing or not isinstance(record, dict):
        lacking = ", ".join(sorted(missing)) or "names"
        raise BadRun(f"{path}: not a run's record (it has no {lacking}); {AGAIN}")
    return record


def read_weights(stem: Path, digest: str) -> dict:
    """State dictionaries by network; raises BadRun unless the file is the one with that hash."""
    path = stem.with_suffix(".pt")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadRun(f"{path}: the weights cannot be read ({error.strerror}); {AGAIN}") from None
    if hashlib.sha256(raw).hexdigest() != digest:
        raise BadRun(f"{path}: not the weights that the record beside it names; {AGAIN}")
    return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)


def write_frames(stem: Path, frames: list[dict[str, np.ndarray]]) -> None:
    """Keep the probes of every epoch in half precision: {name: (epochs, points, dimensions)}."""
    columns = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}

    def save(path: Path) -> None:
        with path.open("wb") as file:  # given a path, numpy would change its ending
            np.savez(file, **columns)

    replace_file(stem.with_suffix(".probes.npz"), save)


def read_frames(stem: Path) -> list[dict[str, np.ndarray]]:
    """What `write_frames` kept, epoch by epoch; raises BadRun where it is missing or damaged."""
    path = stem.with_suffix(".probes.npz")
    try:
        with path.open("rb") as file, np.load(file) as arrays:  # closed also when damaged
            columns = {name: arrays[name] for name in arrays}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    except FileNotFoundError:
        raise BadRun(f"{path}: films need it and the repository leaves it out; {AGAIN}") from None
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise BadRun(f"{path}: not the snapshots of a training ({error}); {AGAIN}") from None


def write_checkpoint(stem: Path, state: dict | None) -> None:
    """Keep the state to resume from, or clear it away once the training is complete."""
    path = stem.with_suffix(".checkpoint.pt")
    if state is None:
        path.unlink(missing_ok=True)
    else:
        replace_file(path, lambda temporary: torch.save(state, temporary))


def read_checkpoint(stem: Path) -> dict | None:
    """The state to resume from, or None; raises BadRun where the file is damaged."""
    path = stem.with_suffix(".checkpoint.pt")
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        missing = {"epoch", "seconds", "players", "streams", "kept"} - set(state)
    except Exception:  # an unpickler that reads garbage raises nearly anything
        missing = {"state"}
    if missing:
        raise BadRun(f"{path}: cannot go on from it, it is damaged; train without --resume")
    return state
