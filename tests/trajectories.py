"""Golden trajectories: the losses of 20 plain steps of the recipes, as they are to stay.

They change when a rate, a beta, an initial weight, a line of an objective or the order of random
numbers does. Computed in double precision, so that rounding does not grow within 20 steps and
any processor gives the same. After a change on purpose raise `training.TRAINING_VERSION`, train
the runs again, and run `python tests/trajectories.py`, which writes the new ones.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch

from helpers import experiments, training
from helpers.targets import named
from helpers.training import PLAIN, stream

FILE = Path(__file__).parent / "golden" / "trajectories.json"
STEPS = 20
# Those with codes of 128 numbers or more take the same steps as their smaller sisters, slowly.
COVERED = [name for name, recipe in experiments.RECIPES.items() if recipe.latent < 128]
DATASETS = {"digits": "digits", "colour": "coloured-mnist", "faces": "faces"}


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


if __name__ == "__main__":
    found = {name: trajectory(experiments.named(name)) for name in COVERED}
    FILE.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
