"""Training a recipe and keeping what comes of it, also when it is interrupted."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import nn

from helpers import budgets, building, devices, recipes, runs
from helpers.loop import Snapshot
from helpers.recorder import Recorder, stream
from helpers.storage import BadRun
from helpers.targets import Draws
from helpers.training import train_gans, train_vaes


def train(
    recipe: recipes.Recipe,
    target: runs.Target,
    seeds: Sequence[int] = (runs.DATA_SEED,),
    *,
    stems: Sequence[Path | None] | None = None,
    resume: bool = False,
    watch: Callable[[Recorder], None] = lambda recorder: None,
    device: str = "auto",
    fast: bool = True,
) -> list[runs.Run]:
    """Train a recipe from several seeds in one pass and save each; returns the runs.

    `watch` is called after each epoch with the first recorder. With `resume` the training goes
    on from its last save, if there is one. Interrupting leaves what was reached, loadable.
    `fast` compiles the steps; on a CPU the seeds then share the threads that PyTorch may use.
    Raises BadRun where a save cannot be gone on from.
    """
    options = {"device": device, "fast": fast}
    if getattr(recipe, "frozen", 0) and len(seeds) > 1:  # one pass has one set of constants
        alone = partial(train, recipe, target, resume=resume, watch=watch, **options)
        pairs = zip(seeds, stems or [None] * len(seeds), strict=True)
        return [run for seed, stem in pairs for run in alone([seed], stems=[stem])]
    data, streams = runs.data(target), [stream(seed) for seed in seeds]
    each = zip(seeds, streams, strict=True)
    built = [networks(recipe, target, data, s, g, **options) for s, g in each]
    many = zip(seeds, built, stems or [None] * len(seeds), strict=True)
    recorders = [Recorder(recipe, target, data, s, n, stem, len(seeds)) for s, n, stem in many]
    state = _common_state(recorders) if resume else None
    settings = building.settings(recipe, fast, torch.get_num_threads())
    course = _course(recipe, built, data, streams, recorders[0].probe, state, settings)
    with devices.one_thread(), contextlib.ExitStack() as stack:
        for recorder in recorders:
            stack.enter_context(recorder)
        for snapshots in course:
            for recorder, snapshot in zip(recorders, snapshots, strict=True):
                recorder.keep(snapshot)
            watch(recorders[0])
    return [runs.read(recorder.stem) for recorder in recorders]


def networks(
    recipe: recipes.Recipe,
    target: runs.Target,
    data: Draws,
    seed: int,
    generator: torch.Generator,
    **options,
) -> tuple[nn.Module, nn.Module | None]:
    """Fresh networks, or a generator that starts from a VAE's decoder where the recipe says so.

    Raises BadRecipe where it says so of a recipe that has no decoder of the same form.
    `options` (device, fast) are for training that VAE, where it is not saved yet.
    """
    built = runs.fresh(recipe, target, data.train.points, generator)
    if recipe.family == "gan" and recipe.start:
        first = budgets.recipe_named(recipe.start)
        if first.family != "vae":
            raise recipes.BadRecipe(f"start = {first.name}: has no decoder; name a VAE's recipe")
        (source,) = load_or_train(first, target, (seed,), **options)
        building.start_from_decoder(built[0], source.model.decoder)
    for network in (network for network in built if network is not None):
        network.to(devices.choose_device(options.get("device", "cpu")))
    return built


def _common_state(recorders: Sequence[Recorder]) -> dict | None:
    """The earliest state that the recorders saved, all of them taken back to its epoch.

    None, and all at the start, where one of them, killed before it could save, left nothing.
    """
    states = [recorder.take_up() for recorder in recorders]
    if None in states:
        for recorder in recorders:
            recorder.rewind(0)
        return None
    state = min(states, key=lambda state: state["epoch"])
    if len(state["streams"]) != len(recorders):
        raise BadRun(
            f"{recorders[0].stem}.checkpoint.pt: saved by {len(state['streams'])} trainings at "
            f"once, not {len(recorders)}; resume with the same seeds, or train without --resume"
        )
    for recorder in recorders:
        recorder.rewind(state["epoch"])
    return state


def _course(recipe, built, data, streams, probe, state, settings) -> Iterator[tuple[Snapshot, ...]]:
    points = [part.points.to(probe.device) for part in (data.train, data.validation)]
    common = (building.objective(recipe), *points, settings)
    extras = {"generators": streams, "probe": probe, "resume": state}
    if recipe.family == "vae":
        return train_vaes([vae for vae, _ in built], *common, **extras)
    return train_gans(built, *common, **extras)


def load_or_train(
    recipe: recipes.Recipe, target: runs.Target, seeds: Sequence[int], **options
) -> list[runs.Run]:
    """The saved runs of these seeds; those missing or unfinished are trained first, together."""
    missing = [seed for seed in seeds if not runs.finished(recipe, target, seed)]
    if missing:
        train(recipe, target, missing, **options)
    return [runs.load(recipe, target, seed) for seed in seeds]
