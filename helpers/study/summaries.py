"""The committed records that answers rest on, in `data/evidence/`: what was measured of which runs.

`summaries` holds everything known of each run, by `recipe/seedN`, with the hash of the weights it
is of. A run is measured again when its weights are others; where only its record is kept, its
summary stays as it is. Notebooks and README read the records, `python -m helpers evidence` makes
them.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from statistics import median

import torch
from torch import nn

from helpers import experiments, files, processes, recipes, runs, targets
from helpers.metrics import latent
from helpers.metrics.density import log_density
from helpers.metrics.divergences import COMPARED, divergences
from helpers.metrics.power import power_table
from helpers.metrics.scorecard import METRICS, evaluate
from helpers.study import baselines, benchmark, costs
from helpers.study.sweep import SEEDS, Training
from helpers.targets import GaussianMixture, gmm5
from helpers.training import stream, threads

Say = Callable[[str], None]
TEN = tuple(range(10))
MANY = ("vae", "vae-fast", "vae-best", "gan", "gan-fast", "gan-best")  # ten seeds
FEW = ("vae-full", "vae-scale", "gan-cold", "gan-latent-4", "gan-latent-8")  # five
FRONTS = ("vae-front", "vae-front-iwae", "gan-front")
WIDTHS = (8, 16, 32, 64, 128)
DRAWN = 100_000  # samples for the scorecard
SEEN = 20_000  # latents for the geometry
BENT = 5_000  # of them for the Jacobian
STREAMS = {"samples": 31, "reference": 32, "points": 33, "latents": 51}  # seeds


class BadRecord(ValueError):
    """A record that is missing, damaged or unknown; the message says how to make it."""


# ----------------------------------------------------------------------------- one run's summary


def summary(run: runs.Run, scored: bool = True, mapped: bool = True) -> dict:
    """Final scores, cost and divergences; if `scored` the scorecard, if `mapped` the geometry.

    Raises BadRun where the run's weights are not kept.
    """
    found = {
        "weights": run.record["weights"],
        "tflop": costs.training_flops(run.recipe, run.target) / 1e12,
        "recipe": run.recipe.name,
        "seed": run.seed,
        "seconds": run.history["seconds"][-1],
        **costs.parameters(run),
        **{k: run.metrics[k] for k in ("share", "weight_kl", "modes", "radius_ratio")},
        "kl": run.metrics.get("kl"),
        "divergences": divergences_of(run) if run.recipe.latent <= 2 else None,
    }
    if scored:
        found["scores"] = scores_of(run)
    if mapped:
        found["latent"] = geometry_of(run.model, run.target)
    return found


def divergences_of(run: runs.Run) -> dict[str, list[float]]:
    """Divergences between target and model: name to value and standard error."""
    points = run.target.sample(COMPARED, stream(STREAMS["points"]))
    samples = run.sample(COMPARED, stream(STREAMS["samples"]))
    found = divergences(run.target, log_density(run.model, coarser=1.5), points, samples)
    return {name: list(estimate) for name, estimate in found._asdict().items()}


def scores_of(run: runs.Run) -> dict[str, float]:
    """Every metric at 100,000 samples; all runs meet the same reference points."""
    x = run.sample(DRAWN, stream(STREAMS["samples"]))
    train = run.target.draws().train.points
    return evaluate(run.target, x, train, stream(STREAMS["reference"]), METRICS)


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


# ------------------------------------------------------------------------------------ the records


def load(name: str) -> dict:
    """A record's content; raises BadRecord when it is missing or damaged."""
    path = files.existing("data", "evidence", f"{name}.json")
    try:
        content = files.read_json(path)
    except files.Unreadable:
        content = None
    if not isinstance(content, dict):
        again = f"make it with: python -m helpers evidence {name}"
        raise BadRecord(f"data/evidence/{name}.json: missing or damaged; {again}")
    return content


def save(name: str, content: dict) -> Path:
    """Write a record, whole or not at all."""
    path = files.output("data", "evidence", f"{name}.json")
    files.write_json(path, content)
    return path


def make(names: Sequence[str] = (), workers: int = 2, say: Say = print) -> None:
    """Make records anew, all of them if none is named.

    Of the summaries only those of other weights than the runs have now.
    """
    for name in names or RECORDS:
        content = RECORDS[name](workers, say)
        say(f"wrote {save(name, content)}")


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
    pairs = [*product(MANY, TEN), *product(FEW, SEEDS)]
    return [*((experiments.named(name), seed) for name, seed in pairs), *product(_fronts(), SEEDS)]


def _fronts() -> list[recipes.Recipe]:
    return [recipes.widened(experiments.named(n), width) for n, width in product(FRONTS, WIDTHS)]


def _summaries(workers: int, say: Say) -> dict:
    kept = _kept("summaries")
    there = [(r, s) for r, s in studied() if runs.finished(r, gmm5(), s, weights=True)]
    stems = {key_of(r, s): runs.stem_of(r, gmm5(), s) for r, s in there}
    weights = {key: runs.read_record(stem)["weights"] for key, stem in stems.items()}
    due = [key for key in stems if kept.get(key, {}).get("weights") != weights[key]]
    say(f"{len(due)} of {len(there)} runs with weights to be measured")
    found = processes.each(_summary, ((stems[key],) for key in due), workers)
    for key, one in zip(due, found, strict=True):
        kept[key] = one
        save("summaries", kept)  # a killed making goes on from here
        say(key)
    return {key: kept[key] for key in (key_of(r, s) for r, s in studied()) if key in kept}


def key_of(recipe: recipes.Recipe, seed: int) -> str:
    """What a run is called in the summaries."""
    return f"{recipe.name}/seed{seed}"


def _summary(stem: Path) -> dict:
    name = (run := runs.read(stem)).recipe.name
    with threads(1):
        return summary(run, scored=name in MANY, mapped=name in (*MANY, *FEW))


def _kept(name: str) -> dict:
    try:
        return load(name)
    except BadRecord:
        return {}


def _timed() -> list[recipes.Recipe]:
    return [*map(experiments.named, (*MANY, "vae-full")), *_fronts()]


def paces(
    timed: Sequence[recipes.Recipe], target: GaussianMixture, say: Say = print, rounds: int = 11
) -> dict[str, float]:
    """Seconds of an epoch by recipe: median of rounds in which they take turns; no compiling.

    One process and one thread, so that they can be compared; never beside other work.
    """
    with threads(1):
        running = {recipe.name: benchmark.our_loop(recipe, target) for recipe in timed}
        for name, loop in running.items():
            next(loop)  # compiles
            say(f"{name} is ready")
        turns = [{name: next(loop) for name, loop in running.items()} for _ in range(rounds)]
    return {name: median(turn[name] for turn in turns) for name in running}


RECORDS: dict[str, Callable[[int, Say], dict]] = {
    "power": lambda workers, say: power_table(gmm5(), workers=workers, say=say),
    "summaries": _summaries,
    "baselines": lambda *_: baselines.estimators(gmm5(), gmm5().draws().train.points),
    "benchmark": lambda *_: baselines.benchmark(TEN, _kept("benchmark")),
    "pace": lambda _, say: paces(_timed(), gmm5(), say),
}
