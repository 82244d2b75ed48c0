"""Who runs in the benchmark: endless trainings that yield the seconds of each epoch."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from statistics import median

from helpers import building, peers, recipes, runs, usual
from helpers.devices import one_thread, using_threads
from helpers.recorder import stream
from helpers.rewriting import LARGE
from helpers.targets import GaussianMixture
from helpers.training import train_gans, train_vaes

TOGETHER = 8  # seeds in one pass, at a batch of LARGE
ENDLESS = 1_000_000  # epochs


def contenders(recipe: recipes.Recipe, target: GaussianMixture) -> dict[str, Iterator[float]]:
    """By name, endless trainings that yield the seconds of each epoch, for one model."""
    large = recipes.changed(recipe, batch=LARGE)
    cores = os.cpu_count() or 1
    found = {
        "usual": usual_loop(recipe, target),
        "usual_cores": on_threads(cores, usual_loop(recipe, target)),
        "ours": ours(recipe, target, 1),
        "together": ours(large, target, TOGETHER),
        "together_cores": ours(large, target, TOGETHER, cores),
    }
    if recipe.family == "vae" and peers.has_pythae():
        found["pythae"] = off_the_shelf(recipe, target)
    return found


def usual_loop(recipe: recipes.Recipe, target: GaussianMixture) -> Iterator[float]:
    """The textbook's loop on the recipe's networks."""
    points, generator = runs.data(target).train.points, stream(0)
    networks = runs.fresh(recipe, target, points, generator)
    rest = (points, recipe.batch, recipe.learning_rate, generator)
    if recipe.family == "vae":
        return usual.train_vae(networks[0], *rest)
    return usual.train_gan(*networks, *rest)


def off_the_shelf(recipe: recipes.VAERecipe, target: GaussianMixture) -> Iterator[float]:
    """pythae's trainer on the recipe's networks."""
    points = runs.data(target).train.points
    vae, _ = runs.fresh(recipe, target, points, stream(0))
    with tempfile.TemporaryDirectory() as folder:
        rest = (recipe.batch, recipe.learning_rate, folder)
        yield from peers.pythae(vae, vae.encoder.standardise(points), *rest)


def on_threads(number: int, training: Iterator[float]) -> Iterator[float]:
    """The same training, each of its operations shared out among so many threads."""
    while True:
        with using_threads(number):
            seconds = next(training)
        yield seconds


def ours(
    recipe: recipes.Recipe, target: GaussianMixture, members: int, threads: int = 1
) -> Iterator[float]:
    """Our training of so many seeds in one pass; the first epoch includes compiling."""
    points, streams = runs.data(target).train.points, [stream(seed) for seed in range(members)]
    built = [runs.fresh(recipe, target, points, generator) for generator in streams]
    settings = replace(building.settings(recipe, threads=threads), epochs=ENDLESS)
    common = (building.objective(recipe), points, points[:1], settings)
    if recipe.family == "vae":
        training = train_vaes([vae for vae, _ in built], *common, generators=streams)
    else:
        training = train_gans(built, *common, generators=streams)
    before = 0.0
    for snapshot, *_ in training:
        yield (snapshot.seconds - before) / members
        before = snapshot.seconds


def paces(
    chosen: Mapping[str, recipes.Recipe],
    target: GaussianMixture,
    say: Callable[[str], None] = print,
    rounds: int = 11,
) -> dict[str, float]:
    """Seconds of an epoch by name: median of rounds in which the recipes take turns.

    One process and one thread, so that they can be compared; compiling is left out.
    """
    with one_thread():
        running = {name: ours(recipe, target, 1) for name, recipe in chosen.items()}
        for name, training in running.items():
            next(training)  # compiles
            say(f"{name} is ready")
        turns = [
            {name: next(training) for name, training in running.items()} for _ in range(rounds)
        ]
    return {name: median(turn[name] for turn in turns) for name in chosen}
