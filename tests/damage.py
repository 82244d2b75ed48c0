"""Damaged files: every kind that is read, spoilt in every way, must be read rightly or refused.

Rightly means that what comes back is what lay there before; where a text still means something,
as a mixture one digit of which has changed, that it passes its own checks. Refused means an error
that the command line tells in one line. Nothing else may happen, and nothing in a file is run.
"""

import contextlib
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from commands import SOUND, saved
from images.formats import idx_bytes, python2_pickle
from PIL import Image
from small import recipe

from helpers import files, recorder, runs, samples, targets
from helpers.app import jobs
from helpers.cli import FAILURES
from helpers.images import drawn, readers
from helpers.metrics import scorecard

FREE = object()  # what a reader gives back need not be what lay there, but must pass its checks


@dataclass(frozen=True)
class Kind:
    """A kind of file: how it is read, and what comes of the sound one."""

    name: str
    path: Path
    read: Callable[[], object]
    exact: bool = True  # whether any other result than that of the sound file is wrong


def flipped(raw: bytes, chance: random.Random) -> bytes:
    """One to eight bits turned over."""
    out = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def cut(raw: bytes, chance: random.Random) -> bytes:
    """The end missing, perhaps all of it."""
    return raw[: chance.randrange(len(raw))]


def blanked(raw: bytes, chance: random.Random) -> bytes:
    """A stretch of zeros, as a disk leaves it."""
    start = chance.randrange(len(raw))
    length = min(chance.randint(1, 512), len(raw) - start)
    return raw[:start] + bytes(length) + raw[start + length :]


def grown(raw: bytes, chance: random.Random) -> bytes:
    """Bytes that do not belong there, in the middle or behind."""
    at = chance.choice((len(raw), chance.randrange(len(raw))))
    return raw[:at] + chance.randbytes(chance.randint(1, 64)) + raw[at:]


def swapped(raw: bytes, chance: random.Random) -> bytes:
    """Two stretches in each other's place."""
    if len(raw) < 8:
        return raw[::-1]
    a, b = sorted(chance.sample(range(len(raw)), 2))
    return raw[b:] + raw[a:b] + raw[:a]


WAYS = (flipped, cut, blanked, grown, swapped)


def trained(folder: Path, whole: bool) -> Path:
    """Train a small run in a folder, to its end or to an interruption; returns its stem."""

    def stop(one):
        raise KeyboardInterrupt

    watch = {} if whole else {"watch": stop}
    with contextlib.suppress(KeyboardInterrupt):
        recorder.train(recipe(epochs=2), targets.gmm5(), stems=[folder / "seed5"], **watch)
    return folder / "seed5"


def kinds(folder: Path) -> list[Kind]:
    """Every kind of file, made in a folder."""
    stem, broken = trained(folder / "whole", True), trained(folder / "broken", False)
    run = runs.read(stem)
    return [
        Kind("run", runs.file_of(stem), lambda: _run(stem)),
        Kind("film's snapshots", runs.file_of(stem, ".frames.zip"), lambda: _frames(run)),
        Kind("checkpoint", runs.file_of(broken, ".checkpoint.zip"), lambda: _checkpoint(broken)),
        *_texts(folder),
        *_arrays(folder),
        *_pictures(folder),
        *_job(folder),
    ]


def _run(stem: Path):
    run = runs.read(stem)
    return run.record, _flat(run.model.state_dict())


def _frames(run: runs.Run):
    fresh = runs.Run(run.stem, run.record, run.recipe, run.target)
    return [_flat(frame.probe) for frame in fresh.frames]


def _checkpoint(stem: Path):
    run = runs.read(stem)
    draws = run.target.draws()
    networks = run.target.networks(run.recipe, draws.train.points, torch.Generator())
    one = recorder.Recorder(run.recipe, run.target, draws, run.seed, networks, stem)
    state = one.take_up(recorder.interrupted(stem, one.identity))
    return None if state is None else (state["epoch"], _flat(state["state"]), one.rows)


def _flat(values) -> list:
    """All numbers of nested dictionaries of tensors."""
    if isinstance(values, dict):
        return [part for value in values.values() for part in _flat(value)]
    return values.flatten().tolist() if isinstance(values, torch.Tensor) else [values]


def _texts(folder: Path) -> Iterator[Kind]:
    mixture = folder / "mixture.json"
    files.write_json(mixture, SOUND)
    yield Kind("mixture", mixture, lambda: _mixture(mixture), exact=False)
    ranges = files.output("data", "truth", "kept.json")
    scores = {metric.name: [1.0, 2.0] for metric in scorecard.METRICS}
    stamp = {"key": "a", "measured": {"n": 2}}
    files.write_json(ranges, {**stamp, "scores": scores})
    parts = ("data", "truth", "kept.json")
    yield Kind("truth's scores", ranges, lambda: scorecard._kept(parts, stamp), exact=False)


def _mixture(path: Path):
    found = targets.from_file(path)
    found.sample(100, torch.Generator().manual_seed(0))  # it passed: so it must serve
    return found.name


def _arrays(folder: Path) -> Iterator[Kind]:
    points = folder / "points.npy"
    points.write_bytes(saved(np.random.default_rng(0).normal(size=(50, 2))))
    yield Kind("samples", points, lambda: samples.read(points).shape[1], exact=False)
    faces = folder / "faces.npz"
    np.savez_compressed(faces, pictures=np.arange(192, dtype=np.uint8).reshape(4, 3, 4, 4))
    yield Kind("faces", faces, lambda: _listed(drawn.kept(faces, (4, 3, 4, 4))))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 5), dtype=np.uint8)
    plain = folder / "idx"
    plain.write_bytes(idx_bytes(pixels))
    yield Kind("idx", plain, lambda: readers.idx(plain, 3).shape[0], exact=False)
    batch = folder / "batch"
    rows = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    batch.write_bytes(python2_pickle({b"data": rows, b"labels": [0, 1, 2, 3]}))
    yield Kind("CIFAR-10", batch, lambda: readers.cifar_batch(batch)[0].shape[1], exact=False)


def _listed(array: np.ndarray | None):
    return None if array is None else array.tolist()


def _pictures(folder: Path) -> Iterator[Kind]:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    for kind in readers.FORMATS:
        path = folder / f"picture.{kind.lower()}"
        Image.fromarray(pixels).save(path, kind)
        yield Kind(kind, path, lambda path=path: tuple(readers.read_image(path, 8).shape), False)
        if kind in readers.UPLOADS:
            yield Kind(f"{kind} sent", path, lambda path=path: _upload(path), exact=False)


def _upload(path: Path):
    return readers.read_upload(path.read_bytes(), (1, 8, 8)).shape[1]


def _job(folder: Path) -> Iterator[Kind]:
    name = "gan-0123abcd"
    place = jobs.folder(name)
    job = {"base": "gan", "values": {}, "target": "gmm5", "seed": 5, "images": None}
    files.write_json(place / "job.json", {**job, "compiled": True, "pid": 1, "born": 0.0})
    files.write_json(place / "status.json", {"state": "complete", "epoch": 3})
    yield Kind("job", place / "job.json", lambda: bool(jobs.job_of(name)), exact=False)
    yield Kind("job's state", place / "status.json", lambda: _told(name), exact=False)


def _told(name: str):
    """A job's state; None where it is said that its file is damaged."""
    status = jobs.read(name)
    return None if "damaged" in status.line else status.state


def outcome(kind: Kind, raw: bytes, expected) -> str:
    """What comes of a damaged file: "read", "refused", or what went wrong."""
    kind.path.write_bytes(raw)
    try:
        found = kind.read()
    except FAILURES as error:
        text = " ".join(str(error).split())
        told = (
            isinstance(error, ValueError | OSError) and "\n" not in str(error) and len(text) < 600
        )
        return "refused" if told else f"{type(error).__name__}: {text[:200]}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if found is None or found == expected or not kind.exact:
        return "refused" if found is None else "read"
    return "read, but not what lay there"


def campaign(every: list[Kind], count: int, seed: int = 0) -> tuple[dict[str, Counter], list[str]]:
    """Damage `count` files, all kinds in turn: outcomes by kind, and what went wrong."""
    chance, table, wrong = random.Random(seed), {}, []
    sound = {kind.name: (kind.path.read_bytes(), kind.read()) for kind in every}
    for number in range(count):
        kind = every[number % len(every)]
        raw, expected = sound[kind.name]
        way = WAYS[number // len(every) % len(WAYS)]
        damaged = way(raw, chance)
        found = outcome(kind, damaged, expected)
        kind.path.write_bytes(raw)
        table.setdefault(kind.name, Counter())[
            found if found in ("read", "refused") else "WRONG"
        ] += 1
        if found not in ("read", "refused"):
            wrong.append(f"{kind.name}, {way.__name__}, number {number}: {found}")
    return table, wrong


def hostile(stem: Path, pickled: bytes) -> None:
    """Put other bytes in the place of a run's weights, with the hash that its record names."""
    record = runs.read_record(stem)
    record["weights"] = runs.hashlib.sha256(pickled).hexdigest()
    parts = {"record.json": json.dumps(record).encode(), "weights.pt": pickled}
    runs.pack(runs.file_of(stem), parts)


def weights_in_bytes(values) -> bytes:
    """What `torch.save` writes of anything."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()
