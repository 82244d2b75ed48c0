"""Training a recipe and keeping what comes of it, also when it is interrupted."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from helpers import building, places, recipes, runs, stepping
from helpers.loop import Snapshot
from helpers.probes import FILMED, Probe, final_scores, quality
from helpers.targets import Draws, GaussianMixture
from helpers.training import train_gans, train_vaes

PROBE_SEED = 17  # the noise that every film and every curve of quality looks at
SAVE_EVERY = 25  # epochs; what a power cut can cost


class Recorder:
    """Watches one training and saves it.

        with Recorder(recipe, target, data, seed, (generator, critic)) as recorder:
            for snapshot in train_gan(..., probe=recorder.probe):
                recorder.keep(snapshot)

    Leaving the block saves the run, whole or as far as it came, under `stem` (a path without
    ending). `members` is how many runs shared the clock, so that no second counts twice.
    """

    def __init__(
        self,
        recipe: recipes.Recipe,
        target: GaussianMixture,
        data: Draws,
        seed: int,
        networks: Sequence[nn.Module | None],
        stem: Path | None = None,
        members: int = 1,
    ):
        self.recipe, self.target, self.data, self.seed = recipe, target, data, seed
        self.model, self.critic = (*networks, None)[:2]
        self.stem = stem or places.output(*runs.folder(recipe, target).parts, f"seed{seed}")
        self.members = members
        device = next(self.model.parameters()).device
        self.probe = probe_of(recipe, data, device)
        untrained = quality(target, self.probe(self.model)["samples"])
        self.rows: list[dict[str, float]] = [{"epoch": 0, "seconds": 0.0, **untrained}]
        self.frames: list[dict[str, np.ndarray]] = []
        self.state: dict | None = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self.frames:
            self.save()

    def keep(self, snapshot: Snapshot) -> None:
        """Take up one snapshot, and save the run as it stands every 25 epochs."""
        held_out = {f"validation_{name}": value for name, value in snapshot.validation.items()}
        row = {"epoch": snapshot.epoch, "seconds": snapshot.seconds / self.members}
        self.rows.append(
            row | snapshot.losses | held_out | quality(self.target, snapshot.probe["samples"])
        )
        points = {name: values[:FILMED] for name, values in snapshot.probe.items()}
        self.frames.append({name: v.numpy().astype(np.float16) for name, v in points.items()})
        self.state = snapshot.checkpoint()
        if snapshot.epoch % SAVE_EVERY == 0 and not self.complete:
            self.save()

    @property
    def complete(self) -> bool:
        """Whether all epochs of the recipe are done."""
        return self.rows[-1]["epoch"] == self.recipe.epochs

    def line(self) -> str:
        """Where the training stands, in one line."""
        last = self.rows[-1]
        return (
            f"{self.recipe.name}, seed {self.seed}: epoch {last['epoch']:3d} of "
            f"{self.recipe.epochs}, within 3σ {last['share']:.2%}, "
            f"KL of mode weights {last['weight_kl']:.1e} nats"
        )

    def save(self) -> runs.Run:
        """Write the run as it stands and return it as it will be read."""
        networks = {"model": self.model, "critic": self.critic}
        weights = {k: net.state_dict() for k, net in networks.items() if net is not None}
        runs.write(self.stem, self._record(), weights)
        runs.write_frames(self.stem, self.frames)
        runs.write_checkpoint(self.stem, None if self.complete else self.state)
        return runs.read(self.stem)

    def _record(self) -> dict:
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {
            "recipe": recipes.to_dict(self.recipe),
            "target": self.target.definition(),
            "seed": self.seed,
            "complete": self.complete,
            "members": self.members,
            **runs.provenance(self.probe.device),
            "metrics": self._final_scores() if self.complete else {},
            "history": {name: [short(row.get(name)) for row in self.rows] for name in names},
        }

    def _final_scores(self) -> dict:
        test = self.data.test.points
        return final_scores(self.model.cpu(), self.target, test, stream(PROBE_SEED))

    def take_up(self) -> dict | None:
        """Go on from the last save: history and frames here, the training's state returned."""
        self.state = runs.read_checkpoint(self.stem)
        if self.state is not None:
            history = runs.read(self.stem).history
            rows = zip(*history.values(), strict=True)
            self.rows = [dict(zip(history, row, strict=True)) for row in rows]
            self.frames = runs.read_arrays(self.stem)
        return self.state


def short(value: float | None) -> float | None:
    """Six digits are all that a history needs; None where a column has no value yet."""
    return None if value is None else float(f"{value:.6g}")


def probe_of(recipe: recipes.Recipe, data: Draws, device: str | torch.device = "cpu") -> Probe:
    """The probe that all runs of a recipe share."""
    return Probe(recipe.latent, data.validation, stream(PROBE_SEED), torch.device(device))


def stream(seed: int) -> torch.Generator:
    """A stream of random numbers of its own."""
    return torch.Generator().manual_seed(seed)


def networks(
    recipe: recipes.Recipe,
    target: GaussianMixture,
    data: Draws,
    seed: int,
    generator: torch.Generator,
) -> tuple[nn.Module, nn.Module | None]:
    """Fresh networks, or a generator that starts from a VAE's decoder where the recipe says so."""
    built = runs.fresh(recipe, target, data.train.points, generator)
    if recipe.family == "gan" and recipe.start:
        (source,) = load_or_train(recipes.named(recipe.start), target, (seed,))
        building.start_from_decoder(built[0], source.model.decoder)
    return built


def train(
    recipe: recipes.Recipe,
    target: GaussianMixture,
    seeds: Sequence[int] = (runs.DATA_SEED,),
    *,
    stems: Sequence[Path | None] | None = None,
    resume: bool = False,
    watch: Callable[[Recorder], None] = lambda recorder: None,
    device: str = "auto",
) -> list[runs.Run]:
    """Train a recipe from several seeds in one pass and save each; returns the runs.

    `watch` is called after each epoch with the first recorder. With `resume` the training goes
    on from its last save, if there is one. Interrupting leaves what was reached, loadable.
    """
    data = runs.data(target)
    streams = [stream(seed) for seed in seeds]
    built = [networks(recipe, target, data, s, g) for s, g in zip(seeds, streams, strict=True)]
    for network in (network for pair in built for network in pair if network is not None):
        network.to(stepping.choose_device(device))
    many = zip(seeds, built, stems or [None] * len(seeds), strict=True)
    recorders = [Recorder(recipe, target, data, s, n, stem, len(seeds)) for s, n, stem in many]
    states = [recorder.take_up() for recorder in recorders] if resume else [None]
    course = _course(recipe, built, data, streams, recorders[0].probe, states[0])
    with stepping.one_thread(), contextlib.ExitStack() as stack:
        for recorder in recorders:
            stack.enter_context(recorder)
        for snapshots in course:
            for recorder, snapshot in zip(recorders, snapshots, strict=True):
                recorder.keep(snapshot)
            watch(recorders[0])
    return [runs.read(recorder.stem) for recorder in recorders]


def _course(recipe, built, data, streams, probe, state) -> Iterator[tuple[Snapshot, ...]]:
    points = [part.points.to(probe.device) for part in (data.train, data.validation)]
    common = (building.objective(recipe), *points, building.settings(recipe))
    extras = {"generators": streams, "probe": probe, "resume": state}
    if recipe.family == "vae":
        return train_vaes([vae for vae, _ in built], *common, **extras)
    return train_gans(built, *common, **extras)


def load_or_train(
    recipe: recipes.Recipe, target: GaussianMixture, seeds: Sequence[int], **options
) -> list[runs.Run]:
    """The saved runs of these seeds; those missing or unfinished are trained first, together."""
    missing = [seed for seed in seeds if not runs.finished(recipe, target, seed)]
    if missing:
        train(recipe, target, missing, **options)
    return [runs.load(recipe, target, seed) for seed in seeds]
