"""Samples in files, and a scorecard of one sample as rows, text and JSON."""

import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from helpers.metrics import scorecard
from helpers.metrics.catalogue import Metric
from helpers.metrics.scorecard import DEFAULT
from helpers.storage import replace_file
from helpers.targets import GaussianMixture


class BadSamples(ValueError):
    """A file that does not hold samples; the message says which and what was expected."""


class Row(NamedTuple):
    """One metric of a sample, beside what the truth scores."""

    metric: str
    unit: str
    better: str
    value: float
    truth_mean: float
    low: float
    high: float
    inside: bool
    p: float  # corrected for the number of metrics


def read_points(path: Path) -> Tensor:
    """Samples (n, 2) from a .npy file; raises BadSamples for anything else."""
    expected = f"expected numbers of shape (n, 2) with n of {scorecard.FEWEST} at least"
    try:
        with path.open("rb") as file:  # closed also when damaged
            array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise BadSamples(f"{path}: cannot be read ({error.strerror or 'damaged'})") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise BadSamples(f"{path}: not a .npy file of numbers; np.save writes one") from None
    if not isinstance(array, np.ndarray):
        raise BadSamples(f"{path}: an archive of several arrays; np.save writes one alone")
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
        raise BadSamples(f"{path}: {array.dtype} of shape {array.shape}, {expected}")
    if len(array) < scorecard.FEWEST:
        raise BadSamples(f"{path}: {len(array)} points, {expected}")
    with np.errstate(over="ignore"):  # what is too large for float32 counts as infinite below
        points = torch.from_numpy(array.astype(np.float32))
    bad = int((~points.isfinite()).any(1).sum())
    if bad:
        raise BadSamples(f"{path}: {bad} of {len(points)} points are not finite; leave them out")
    return points


def write_points(path: Path, points: Tensor) -> None:
    """Samples (n, 2) into a .npy file, whole or not at all."""

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, points.numpy())

    replace_file(path, save)


def score(
    target: GaussianMixture,
    points: Tensor,
    train: Tensor,
    generator: torch.Generator,
    metrics: Sequence[Metric] = DEFAULT,
    watch: scorecard.Watch = scorecard.unwatched,
) -> list[Row]:
    """Metrics of the samples (n, 2) beside their ranges under the truth; train is (m, 2)."""
    columns = {"samples": points}
    card = scorecard.scorecard(target, columns, train, generator, metrics, watch)
    return [
        Row(
            metric.name,
            metric.unit,
            metric.better,
            float(card.loc[metric.name, ("samples", "value")]),
            *(float(card.loc[metric.name, ("truth", part)]) for part in scorecard.SHOWN),
            bool(card.loc[metric.name, ("samples", "inside")]),
            float(card.loc[metric.name, ("samples", "p")]),
        )
        for metric in metrics
    ]


def as_text(rows: list[Row], n: int, target: GaussianMixture) -> str:
    """A table for people: one line a metric; p is corrected for their number (Holm)."""
    form = "{:26}{:>11}  {:>11}  {:>24}  {:10} {:>8}  {}".format
    head = form("metric", "value", "truth", "truth's range", "", "p", "better")
    lines = [
        form(
            f"{row.metric} ({row.unit})" if row.unit in ("nats", "share") else row.metric,
            shown(row.value),
            shown(row.truth_mean),
            f"{shown(row.low)} to {shown(row.high)}",
            "✓ inside" if row.inside else "✗ outside",
            f"{row.p:.2g}",
            row.better,
        )
        for row in rows
    ]
    inside = sum(row.inside for row in rows)
    last = f"{inside} of {len(rows)} metrics are where fresh samples of {target.name} would be"
    return "\n".join([f"{n:,} samples against {target.name}", head, *lines, last])


def as_json(rows: list[Row]) -> str:
    """{metric: {value, truth_mean, low, high, inside, ...}}; null where there is no number."""
    named = {row.metric: {k: _finite(v) for k, v in row._asdict().items()} for row in rows}
    for fields in named.values():
        del fields["metric"]
    return json.dumps(named, indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown(value) -> str:
    """A number to four digits, a list of them, or a word."""
    if isinstance(value, list):
        return " ".join(map(shown, value))
    return value if isinstance(value, str) else f"{value:.4g}"
