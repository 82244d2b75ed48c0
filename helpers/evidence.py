"""The committed records that answers rest on, under `data/evidence/`: what was measured, of which
runs, by which code. Notebooks and README read them; `python -m helpers evidence` makes them.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

import joblib
import torch

from helpers import (
    contenders,
    costs,
    experiments,
    mixtures,
    places,
    portraits,
    recipes,
    references,
    runs,
    sweep,
    targets,
    trust,
)
from helpers.provenance import code_fingerprint
from helpers.storage import replace_file
from helpers.targets import gmm5

Say = Callable[[str], None]
TEN = tuple(range(10))
MANY = {"vae": TEN, "vae-fast": TEN, "vae-best": TEN, "gan": TEN, "gan-fast": TEN, "gan-best": TEN}
FEW = ("vae-full", "vae-scale", "gan-cold", "gan-latent-4", "gan-latent-8")  # five seeds
FRONTS = ("vae-front", "vae-front-iwae", "gan-front")
WIDTHS = (8, 16, 32, 64, 128)
# What decides a number: the metrics. Recipes do not: every entry names the weights it is of.
MEASURES = ("helpers.metrics.catalogue", "helpers.metrics.atlas", "helpers.metrics.latent")
CODE = {
    "portraits": (*MEASURES, "helpers.densities"),
    "references": (*MEASURES, "helpers.densities"),
    "faults": (*MEASURES, "helpers.metrics.faults"),
    "mixtures": ("helpers.metrics.modes",),
    "pace": ("helpers.training",),
}


class BadEvidence(ValueError):
    """A record that is missing or older than the code; the message says how to make it."""


def path_of(name: str) -> Path:
    """Where a record is read from."""
    return places.existing("data", "evidence", f"{name}.json")


def load(name: str) -> dict:
    """A record's content; raises BadEvidence when it is missing, damaged or out of date."""
    again = f"make it with: python -m helpers evidence {name}"
    try:
        record = json.loads(path_of(name).read_text(encoding="utf-8"))
        code, content = record["code"], record["content"]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadEvidence(f"data/evidence/{name}.json: missing or damaged; {again}") from None
    if code != code_fingerprint(CODE[name]):
        raise BadEvidence(f"data/evidence/{name}.json: the metrics have changed since; {again}")
    return content


def save(name: str, content: dict) -> Path:
    """Write a record, whole or not at all."""
    path = places.output("data", "evidence", f"{name}.json")
    text = json.dumps({"code": code_fingerprint(CODE[name]), "content": content}, indent=1)
    replace_file(path, lambda part: part.write_text(text + "\n", encoding="utf-8", newline="\n"))
    return path


def make(names: Sequence[str], workers: int = 2, say: Say = print) -> None:
    """Make records anew; of the portraits only what is missing or belongs to other weights."""
    unknown = [name for name in names if name not in RECORDS]
    if unknown:
        raise BadEvidence(f"{unknown[0]}: no such record; choose of {', '.join(RECORDS)}")
    for name in names:
        content = RECORDS[name](workers, say)
        say(f"wrote {save(name, content)}")


def jobs() -> list[sweep.Job]:
    """Every training that the records speak of."""
    seeds: dict[recipes.Recipe, list[int]] = {}
    for recipe, seed in _portrayed():
        seeds.setdefault(recipe, []).append(seed)
    found = [sweep.Job(recipe, gmm5(), tuple(group)) for recipe, group in seeds.items()]
    return found + [
        sweep.Job(experiments.named(name), targets.named(target), TEN)
        for target, names in mixtures.RECIPES.items()
        for name in names.values()
    ]


def portraits_of_runs(workers: int, say: Say) -> dict:
    """`portraits.portrait` of every saved run that the answers speak of, by `recipe/seed`."""
    kept = _kept("portraits")
    there = [(r, s) for r, s in _portrayed() if runs.finished(r, gmm5(), s)]
    stems = {f"{r.name}/seed{s}": runs.saved_stem(r, gmm5(), s) for r, s in there}
    hashes = {name: runs.read(stem).record["weights"] for name, stem in stems.items()}
    fresh = [name for name in stems if kept.get(name, {}).get("weights") != hashes[name]]
    say(f"{len(fresh)} of {len(stems)} runs to be portrayed")
    with joblib.parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        found = joblib.Parallel(return_as="generator")(
            joblib.delayed(_portrait)(stems[name]) for name in fresh
        )
        for name, one in zip(fresh, found, strict=True):
            kept[name] = one
            save("portraits", kept)  # a killed making goes on from here
            say(name)
    return {name: kept[name] for name in stems}


def _portrayed() -> Iterable[tuple[recipes.Recipe, int]]:
    many = [(experiments.named(name), seed) for name, seeds in MANY.items() for seed in seeds]
    few = [(experiments.named(name), seed) for name, seed in product(FEW, sweep.SEEDS)]
    fronts = [
        (recipes.widened(experiments.named(name), width), seed)
        for name, width, seed in product(FRONTS, WIDTHS, sweep.SEEDS)
    ]
    return [*many, *few, *fronts]


def _portrait(stem: Path) -> dict:
    torch.set_num_threads(1)
    run = runs.read(stem)
    name = run.recipe.name
    found = portraits.portrait(run, scored=name in MANY, mapped=name in (*MANY, *FEW))
    flops = costs.training_flops(run.recipe, run.target)
    return {"weights": run.record["weights"], "tflop": flops / 1e12, **found}


def _kept(name: str) -> dict:
    try:
        return load(name)
    except BadEvidence:
        return {}


def _references(workers: int, say: Say) -> dict:
    return references.all_of(gmm5(), runs.data(gmm5()).train.points)


def _faults(workers: int, say: Say) -> dict:
    return trust.power_table(gmm5(), workers=workers, say=say)


def _mixtures(workers: int, say: Say) -> dict:
    return mixtures.benchmark(TEN)


def _pace(workers: int, say: Say) -> dict:
    """Seconds of one epoch by recipe; all in turn in one process, so never beside other work."""
    narrow = [recipes.widened(experiments.named(n), w) for n, w in product(FRONTS, WIDTHS)]
    timed = {
        recipe.name: recipe for recipe in [*map(experiments.named, (*MANY, "vae-full")), *narrow]
    }
    return contenders.paces(timed, gmm5(), say)


RECORDS: dict[str, Callable[[int, Say], dict]] = {
    "faults": _faults,
    "portraits": portraits_of_runs,
    "references": _references,
    "mixtures": _mixtures,
    "pace": _pace,
}
