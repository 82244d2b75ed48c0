"""Golden values: the losses of 20 plain steps of the recipes, and points of the saved runs.

They change when a rate, a beta, an initial weight, a line of an objective or the order of random
numbers does. Computed in double precision, so that rounding does not grow within 20 steps and
any processor gives the same. The points are the first, the last and the moments of a thousand
samples of each run whose weights are committed. After a change on purpose raise
`training.TRAINING_VERSION`, train the runs again, and run `python tests/trajectories.py`, which
writes the new ones.
"""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import torch

from helpers import experiments, runs, training
from helpers.files import REPOSITORY
from helpers.targets import named
from helpers.training import PLAIN, stream

FILE = Path(__file__).parent / "golden" / "trajectories.json"
SAMPLES = FILE.with_name("samples.json")
STEPS = 20
# Those with codes of 128 numbers or more take the same steps as their smaller sisters, slowly.
COVERED = [name for name, recipe in experiments.RECIPES.items() if recipe.latent < 128]
DATASETS = {"digits": "digits", "colour": "avatars", "faces": "faces"}


def trajectory(recipe, engine=PLAIN) -> dict[str, list[float | None]]:
    """Each loss, training and validation, of 20 epochs of one step each."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _trajectory(recipe, engine)
    finally:
        torch.set_default_dtype(before)


def _trajectory(recipe, engine) -> dict[str, list[float | None]]:
    points, rng = _points(recipe).double(), stream(5)
    short = replace(recipe, epochs=STEPS, batch=len(points))
    (step,) = engine.build(short, [_target(recipe).networks(short, points, rng)])
    rows: dict[str, list[float | None]] = {}
    for snapshot in training.train(step, points, points[:64], generator=rng):
        held_out = {f"validation_{name}": v for name, v in snapshot.validation.items()}
        for name, value in (snapshot.losses | held_out).items():
            rows.setdefault(name, []).append(None if value is None else float(f"{value:.8g}"))
    return rows


def _target(recipe):
    return named(next((v for k, v in DATASETS.items() if k in recipe.name), "gmm5"))


def _points(recipe) -> torch.Tensor:
    """A batch to learn: points of the target, or for images noise, which needs no drawing."""
    target = _target(recipe)
    if recipe.domain == "plane":
        return target.sample(min(recipe.batch, 128), stream(7))
    return 2 * torch.rand(8, target.dimensions, generator=stream(7)) - 1


def sampled(run) -> dict[str, list[float]]:
    """Numbers of a thousand samples of a run, from one seed."""
    x = run.sample(1_000, stream(123))
    moments = torch.stack([x.double().mean(), x.double().std()])
    found = {"first": x[0, :4], "last": x[-1, -4:], "moments": moments}
    return {name: [float(f"{v:.6g}") for v in values.tolist()] for name, values in found.items()}


def committed() -> list[Path]:
    """The stems of all committed runs."""
    return sorted(path.with_suffix("") for path in (REPOSITORY / "data/runs").glob("*/seed?.zip"))


def write(path: Path, values: dict) -> None:
    path.write_text(json.dumps(values, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(FILE, {name: trajectory(experiments.named(name)) for name in COVERED})
    listed = subprocess.run(
        ["git", "ls-files", "data/runs"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()  # what was trained here alone is not for others to compare with
    stems = [(REPOSITORY / name).with_suffix("") for name in sorted(listed)]
    kept = [stem for stem in stems if runs.has_weights(stem)]
    names = [f"{stem.parent.name}/{stem.name}" for stem in kept]
    write(SAMPLES, {n: sampled(runs.read(s)) for n, s in zip(names, kept, strict=True)})
