"""Summaries: everything known of each run, by `recipe/seedN`, with the hash of its weights.

A run is measured again when its weights are others; where only its record is kept, its summary
stays as it is.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from statistics import median

import torch
from torch import nn

from helpers import experiments, recipes, runs, targets
from helpers.metrics import latent
from helpers.metrics.divergences import Divergences, compare
from helpers.metrics.scorecard import METRICS, evaluate
from helpers.study import baselines, benchmark, costs, records
from helpers.study.sweep import SEEDS, Training
from helpers.targets import GaussianMixture, gmm5
from helpers.training import stream, threads

TEN = tuple(range(10))
SCORED = ("vae", "vae-fast", "vae-best", "gan", "gan-fast", "gan-best")
MAPPED = (*SCORED, "vae-full")
FRONTS = ("vae-front", "vae-front-iwae", "gan-front")
WIDTHS = (8, 16, 32, 64, 128)
DRAWN = 100_000  # samples for the scorecard
SEEN = 20_000  # latents for the geometry
BENT = 5_000  # of them for the Jacobian
SCORED_BEFORE = {"within 3σ": "share", "mode weight KL": "weight_kl"}
SCORED_BEFORE |= {"cross-entropy": "cross_entropy", "modes covered": "modes"}
STREAMS = {"samples": 31, "reference": 32, "latents": 51}  # seeds


# ----------------------------------------------------------------------------- one run's summary


def summary(run: runs.Run, scored: bool = True, mapped: bool = True) -> dict:
    """Final scores, cost and divergences; if `scored` the scorecard, if `mapped` the geometry.

    Raises BadRun where the run's weights are not kept.
    """
    apart = as_lists(compare(run.model, run.target)) if run.recipe.latent <= 2 else None
    found = {
        "tflop": costs.training_flops(run.recipe, run.target) / 1e12,
        "recipe": run.recipe.name,
        "seed": run.seed,
        "seconds": run.history["seconds"][-1],
        **costs.parameters(run),
        **{k: run.metrics[k] for k in ("share", "weight_kl", "modes", "radius_ratio")},
        "divergences": apart,
    }
    if scored:
        found["scores"] = scores_of(run)
    if mapped:
        found["latent"] = geometry_of(run.model, run.target)
    return found


def as_lists(found: Divergences) -> dict[str, list[float]]:
    """Divergences as a record holds them: name to value and standard error."""
    return {name: list(estimate) for name, estimate in found._asdict().items()}


def scores_of(run: runs.Run) -> dict[str, float]:
    """Every metric at 100,000 samples; all runs meet the same reference points.

    What was scored when the training ended, on as many samples, is taken from there: a quantity has
    one value.
    """
    x = run.sample(DRAWN, stream(STREAMS["samples"]))
    train = run.target.draws().train.points
    found = evaluate(run.target, x, train, stream(STREAMS["reference"]), METRICS)
    return found | {name: run.metrics[key] for name, key in SCORED_BEFORE.items()}


def geometry_of(model: nn.Module, target: GaussianMixture) -> dict:
    """How the latent space is divided, and at what price; borders are drawn on planes only."""
    z = torch.randn(SEEN, model.latent, generator=stream(STREAMS["latents"]))
    noise = stream(STREAMS["latents"])
    parts = torch.tensor([0.01, 0.5, 0.99], dtype=torch.float64)  # quantiles of the Jacobian
    draws = 8 if hasattr(model, "encoder") else 1  # a generator adds no noise to average over
    bent = latent.distortion(model.decode, z[:BENT])
    mass = latent.region_mass(target, model.decode, z)
    information = latent.mutual_information(target, lambda at: model.draw(at, noise), z, draws)
    found = {
        "region mass": mass.tolist(),
        "largest gap to the weights": (mass - target.weights).abs().max().item(),
        "decoded between modes": latent.between_mass(target, model.decode, z),
        "information": list(information),
        **{name: values.quantile(parts).tolist() for name, values in bent._asdict().items()},
    }
    if model.latent == 2:
        found["connected regions"] = int(latent.connected_regions(target, model.decode).sum())
        found["border measure"] = latent.border_measure(target, model.decode)
    return found


# ----------------------------------------------------------------------------------- the record


def trainings() -> list[Training]:
    """Every training that the records speak of."""
    seeds: dict[recipes.Recipe, list[int]] = {}
    for recipe, seed in studied():
        seeds.setdefault(recipe, []).append(seed)
    found = [Training(recipe, gmm5(), tuple(group)) for recipe, group in seeds.items()]
    return found + [
        Training(experiments.named(name), targets.named(target), TEN)
        for target, names in baselines.RECIPES.items()
        for name in names.values()
    ]


def studied() -> Iterable[tuple[recipes.Recipe, int]]:
    """The recipes and seeds that have a summary."""
    return [*product(map(experiments.named, MAPPED), TEN), *product(_fronts(), SEEDS)]


def _fronts() -> list[recipes.Recipe]:
    return [recipes.widened(experiments.named(n), width) for n, width in product(FRONTS, WIDTHS)]


def measured(workers: int, say: records.Say) -> dict:
    """The record: the summary of every run, `recipe/seedN`."""
    stems = {key_of(recipe, seed): runs.stem_of(recipe, gmm5(), seed) for recipe, seed in studied()}
    return records.of_runs("summaries", stems, _summary, workers, say)


def key_of(recipe: recipes.Recipe, seed: int) -> str:
    """What a run is called in the summaries."""
    return f"{recipe.name}/seed{seed}"


def _summary(stem: Path) -> dict:
    name = (run := runs.read(stem)).recipe.name
    return summary(run, scored=name in SCORED, mapped=name in MAPPED)


def timed() -> list[recipes.Recipe]:
    """The recipes whose pace is taken."""
    return [*map(experiments.named, MAPPED), *_fronts()]


def paces(
    chosen: Sequence[recipes.Recipe],
    target: GaussianMixture,
    say: records.Say = print,
    rounds: int = 11,
) -> dict[str, float]:
    """Seconds of an epoch by recipe: median of rounds in which they take turns; no compiling.

    One process and one thread, so that they can be compared; never beside other work.
    """
    with threads(1):
        running = {recipe.name: benchmark.our_loop(recipe, target) for recipe in chosen}
        for name, loop in running.items():
            next(loop)  # compiles
            say(f"{name} is ready")
        turns = [{name: next(loop) for name, loop in running.items()} for _ in range(rounds)]
    return {name: median(turn[name] for turn in turns) for name in running}
