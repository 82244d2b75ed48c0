"""Amortisation or approximation: what the ELBO's gap is made of, of VAEs whose weights are kept."""

from pathlib import Path

from helpers import experiments, runs
from helpers.metrics import amortisation
from helpers.study.records import Say, of_runs
from helpers.study.summaries import TEN
from helpers.targets import gmm5

RECIPES = ("vae", "vae-full")
POINTS = 200  # of the test points


def measured(workers: int, say: Say) -> dict:
    """The record: by `recipe/seedN` the weights, and means over 200 points in nats with errors."""
    stems = {
        f"{name}/seed{seed}": runs.stem_of(experiments.named(name), gmm5(), seed)
        for name in RECIPES
        for seed in TEN
    }
    return of_runs("gap", stems, look, workers, say)


def look(stem: Path) -> dict:
    """The gap of a run and its two parts, each a mean and its standard error."""
    run = runs.read(stem)
    gaps = amortisation.gaps(run.model, run.target.draws().test.points[:POINTS])
    parts = {"gap": gaps.log_p - gaps.encoder}
    parts |= {name: getattr(gaps, name) for name in ("approximation", "amortisation")}
    return {
        name: [part.mean().item(), (part.std() / len(part) ** 0.5).item()]
        for name, part in parts.items()
    }
