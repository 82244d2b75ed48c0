"""Samples in files, from any model, and scores as plain data and as text."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from helpers import files, runs, targets
from helpers.metrics import FEWEST
from helpers.targets import GaussianMixture
from helpers.training import stream

DRAWN = 100_000  # of a run, unless it is said how many


class BadSamples(ValueError):
    """Samples that cannot be read or scored; the message says which and what was expected."""


def find(source: str, n: int | None, target: str | None) -> tuple[Tensor, GaussianMixture]:
    """Samples (n, 2) and the target to score them against: of a .npy file, or drawn from a run.

    `n` is for a run, by default DRAWN. `target` names another than the run's, or a file's gmm5.
    Raises BadSamples, BadRun, BadTarget.
    """
    truth = None if target is None else targets.named(target)
    if source.endswith(".npy"):
        if n is not None:
            raise BadSamples(f"-n {n}: all points of {source} are scored; leave it out")
        truth = truth or targets.gmm5()
        _check_plane(truth)
        return read(Path(source)), truth
    if n is not None and n < FEWEST:
        raise BadSamples(f"-n {n}: too few to score; give {FEWEST} or more")
    run = runs.find(source)
    for one in (run.target, truth or run.target):
        _check_plane(one)  # before 100,000 images are decoded
    return run.sample(n or DRAWN, stream(0)), truth or run.target


def _check_plane(target: targets.Target) -> None:
    if target.domain != "plane":
        raise BadSamples(
            f"{target.name}: these metrics are for the plane; images are scored as they are "
            "trained, and their run's record keeps the scores"
        )


def read(path: Path) -> Tensor:
    """Samples (n, 2) from a .npy file, as float32; raises BadSamples for anything else."""
    array = _load(path)
    expected = f"expected numbers of shape (n, 2) with n of {FEWEST} at least"
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
        raise BadSamples(f"{path}: {array.dtype} of shape {array.shape}, {expected}")
    if len(array) < FEWEST:
        raise BadSamples(f"{path}: {len(array)} points, {expected}")
    with np.errstate(over="ignore"):  # what is too large for float32 counts as infinite below
        points = torch.from_numpy(array.astype(np.float32))
    bad = int((~points.isfinite()).any(1).sum())
    if bad:
        raise BadSamples(f"{path}: {bad} of {len(points)} points are not finite; leave them out")
    return points


def _load(path: Path) -> np.ndarray:
    remedy = "not a .npy file of numbers; np.save writes one"
    if path.exists() and not path.is_file():  # a pipe would never end
        raise BadSamples(f"{path}: no regular file")
    try:
        with path.open("rb") as file:  # closed also when damaged
            array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise BadSamples(f"{path}: cannot be read ({error.strerror or 'damaged'})") from None
    except Exception:  # a header that is none raises nearly anything
        raise BadSamples(f"{path}: {remedy}") from None
    if not isinstance(array, np.ndarray):
        raise BadSamples(f"{path}: an archive of several arrays; np.save writes one alone")
    return array


def write(path: Path, points: Tensor) -> None:
    """Samples (n, d) into a .npy file, whole or not at all."""
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, points.numpy())


def score(
    target: GaussianMixture, points: Tensor, generator: torch.Generator, watch=iter
) -> dict[str, dict]:
    """Each metric of the samples (n, 2) beside its range under the truth.

    By metric: unit, better, value, truth_mean, low, high, inside, and p, which is corrected for
    all metrics at once. A metric of which the truth itself has no range at this size says nothing:
    its `inside` is None. Raises ValueError for points that cannot be scored.
    """
    from helpers.metrics import scorecard  # takes a second to import

    train = target.draws().train.points
    card = scorecard.scorecard(target, {"samples": points}, train, generator, watch=watch)
    return {
        metric.name: {
            "unit": metric.unit,
            "better": metric.better,
            "value": float(row["samples", "value"]),
            "truth_mean": float(row["truth", "mean"]),
            "low": float(row["truth", "low"]),
            "high": float(row["truth", "high"]),
            "inside": None if row["truth", "low"] == -math.inf else bool(row["samples", "inside"]),
            "p": float(row["samples", "p"]),
        }
        for metric, (_, row) in zip(scorecard.DEFAULT, card.iterrows(), strict=True)
    }


def progress(metrics: Sequence) -> Iterable:
    """A bar over the metrics, or without a terminal one line."""
    bar = tqdm(metrics, unit="metric", disable=None, leave=False)
    if bar.disable:
        print(f"taking {len(metrics)} metrics", flush=True)
    return bar


def as_text(scores: dict[str, dict], n: int, target: str) -> str:
    """A table for people, one line a metric."""
    form = "{:26}{:>11}  {:>11}  {:>24}  {:10} {:>8}  {}".format
    lines = [
        form(
            f"{name} ({row['unit']})" if row["unit"] in ("nats", "share") else name,
            shown(row["value"]),
            shown(row["truth_mean"]),
            *_beside(row),
            f"{row['p']:.2g}",
            row["better"],
        )
        for name, row in scores.items()
    ]
    head = form("metric", "value", "truth", "truth's range", "", "p", "better")
    told = [row["inside"] for row in scores.values() if row["inside"] is not None]
    last = f"{sum(told)} of {len(told)} metrics are where fresh samples of {target} would be"
    return "\n".join([f"{n:,} samples against {target}", head, *lines, last])


def _beside(row: dict) -> tuple[str, str]:
    """The truth's range of a metric, and whether the value is inside."""
    if row["inside"] is None:
        return "says nothing at this n", ""
    reach = f"{shown(row['low'])} to {shown(row['high'])}"
    return reach, "✓ inside" if row["inside"] else "✗ outside"


def described(run: runs.Run) -> Iterator[str]:
    """Where a run is and what it scored, line by line; beside image scores those of real images."""
    yield f"saved {runs.file_of(run.stem)}"
    scores, real = run.metrics.get("fake", run.metrics), run.metrics.get("reference", {})
    width = max(map(len, scores), default=0)
    for name, value in scores.items():
        beside = f" (real {shown(real[name])})" if name in real else ""
        yield f"  {name:{width}} {shown(value)}{beside}"


def shown(value) -> str:
    """A number to four digits, a list of them, or a word; None is what a record has for NaN."""
    if isinstance(value, list):
        return " ".join(map(shown, value))
    return value if isinstance(value, str) else "nan" if value is None else f"{value:.4g}"
