"""Quality against seconds of the assignment's pair, and what a sample costs.

Histories were made on busy machines; so an epoch counts as long as it takes alone, measured for
both in one process (the record `pace`).
"""

import time
from statistics import median

import numpy as np
import torch

from helpers import experiments, runs
from helpers.metrics.modes import true_fraction
from helpers.study import records
from helpers.study.records import Say
from helpers.study.summaries import TEN
from helpers.targets import gmm5
from helpers.training import stream, threads

PAIR = {"VAE": "vae", "GAN": "gan"}
MILLION = 1_000_000
ROUNDS = 7


def measured(say: Say) -> dict:
    """The record: seconds for a million samples of each, one thread, and the truth's own."""
    models = {family: runs.find(f"{name}/seed5").sample for family, name in PAIR.items()}
    samplers = models | {"truth": gmm5().sample}
    with threads(1), torch.no_grad():
        rounds = [{name: _seconds(draw) for name, draw in samplers.items()} for _ in range(ROUNDS)]
    found = {name: median(one[name] for one in rounds) for name in samplers}
    say(", ".join(f"{name} {value:.2f} s" for name, value in found.items()))
    return {"seconds a million samples": found}


def _seconds(draw) -> float:
    start = time.perf_counter()
    draw(MILLION, stream(0))
    return time.perf_counter() - start


def courses(family: str) -> dict[str, np.ndarray]:
    """Seconds (epochs + 1,) and, from each seed, quality by then: (seeds, epochs + 1).

    "within 3σ" is the distance from the truth's own share, "weights" the KL of the modes' weights.
    """
    recipe, target = experiments.named(PAIR[family]), gmm5()
    truth = true_fraction(target)
    histories = [runs.read_record(runs.stem_of(recipe, target, s))["history"] for s in TEN]
    column = {name: np.array([h[name] for h in histories]) for name in ("share", "weight_kl")}
    return {
        "seconds": np.array(histories[0]["epoch"]) * records.load("pace")[recipe.name],
        "within 3σ": np.abs(column["share"] - truth),
        "weights": column["weight_kl"],
    }
