"""Amortisation or approximation: what the ELBO's gap is made of, of VAEs whose weights are kept."""

from pathlib import Path

from helpers import experiments, processes, runs, training
from helpers.metrics import amortisation
from helpers.study import records
from helpers.study.records import Say
from helpers.study.sweep import SEEDS
from helpers.targets import gmm5

RECIPES = ("vae", "vae-full")
POINTS = 200  # of the test points


def measured(workers: int, say: Say) -> dict:
    """The record: by `recipe/seedN` the weights, and means over 200 points in nats with errors."""
    kept, target = records.kept("gap"), gmm5()
    stems = {
        f"{name}/seed{seed}": runs.stem_of(experiments.named(name), target, seed)
        for name in RECIPES
        for seed in SEEDS
    }
    weights = {key: runs.read_record(stem)["weights"] for key, stem in stems.items()}
    due = [key for key in stems if kept.get(key, {}).get("weights") != weights[key]]
    say(f"gap: {len(due)} of {len(stems)} runs to be looked at")
    found = processes.each(_of_run, ((stems[key],) for key in due), workers)
    for key, one in zip(due, found, strict=True):
        kept[key] = {"weights": weights[key], **one}
        records.save("gap", kept)
        say(f"gap: {key}")
    return {key: kept[key] for key in stems}


def _of_run(stem: Path) -> dict:
    run = runs.read(stem)
    with training.threads(1):
        gaps = amortisation.gaps(run.model, run.target.draws().test.points[:POINTS])
    parts = {"gap": gaps.log_p - gaps.encoder}
    parts |= {name: getattr(gaps, name) for name in ("approximation", "amortisation")}
    return {
        name: [part.mean().item(), (part.std() / len(part) ** 0.5).item()]
        for name, part in parts.items()
    }
