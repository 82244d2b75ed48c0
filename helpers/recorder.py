"""Watching one training: its history, its film, its scores, and saving them as it goes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from helpers import places, recipes, runs, storage
from helpers.galleries import Gallery
from helpers.judges import judge_of
from helpers.loop import Snapshot
from helpers.probes import Probe
from helpers.storage import BadRun
from helpers.targets import Draws, GaussianMixture

PROBE_SEED = 17  # the noise that every film and every curve of quality looks at
SAVE_EVERY = 25  # epochs; what a power cut can cost


class Recorder:
    """Watches one training and saves it.

        with Recorder(recipe, target, data, seed, (generator, critic)) as recorder:
            for snapshot in train_gan(..., probe=recorder.probe):
                recorder.keep(snapshot)

    Leaving the block saves the run, whole or as far as it came, under `stem` (a path without
    ending). `members` is how many runs shared the clock, so that no second counts twice;
    `processes`, how many shared the run.
    """

    def __init__(
        self,
        recipe: recipes.Recipe,
        target: GaussianMixture | Gallery,
        data: Draws,
        seed: int,
        networks: Sequence[nn.Module | None],
        stem: Path | None = None,
        members: int = 1,
        processes: int = 1,
    ):
        self.recipe, self.target, self.data, self.seed = recipe, target, data, seed
        self.model, self.critic = (*networks, None)[:2]
        self.stem = stem or places.output(*runs.folder(recipe, target).parts, f"seed{seed}")
        self.members, self.processes = members, processes
        device = next(self.model.parameters()).device
        self.judge = judge_of(target, data)
        sizes = {"watched": self.judge.watched, "filmed": self.judge.filmed}
        self.probe = probe_of(recipe, data, device, **sizes)
        untrained = self._seen(0, self.probe(self.model)["samples"])
        self.rows: list[dict[str, float]] = [{"epoch": 0, "seconds": 0.0, **untrained}]
        self.frames: list[dict[str, np.ndarray]] = []
        self.state: dict | None = None  # of the training, to go on from
        self.weights: dict | None = None  # of the same epoch, by network

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self.weights is not None:  # something new was kept
            self.rewind(self.state["epoch"])
            self.save()

    def keep(self, snapshot: Snapshot) -> None:
        """Take up one snapshot, and save the run as it stands every 25 epochs."""
        state, weights = snapshot.checkpoint(), self._weights()
        points = {name: values[: self.probe.filmed] for name, values in snapshot.probe.items()}
        self.frames.append({name: v.numpy().astype(np.float16) for name, v in points.items()})
        self.rows.append(self._row(snapshot))
        # Last and together: interrupted before, `rewind` drops what was added above.
        self.state, self.weights = state, weights
        if snapshot.epoch % SAVE_EVERY == 0 and not self.complete:
            self.save()

    def _row(self, snapshot: Snapshot) -> dict[str, float]:
        held_out = {f"validation_{name}": value for name, value in snapshot.validation.items()}
        row = {"epoch": snapshot.epoch, "seconds": snapshot.seconds / self.members}
        seen = self._seen(snapshot.epoch, snapshot.probe["samples"])
        return row | snapshot.losses | held_out | seen

    def _seen(self, epoch: int, samples: Tensor) -> dict[str, float]:
        return self.judge.watch(epoch, self.recipe.epochs, samples)

    def _weights(self) -> dict[str, dict]:
        networks = {"model": self.model, "critic": self.critic}
        return {
            kind: {name: values.to("cpu", copy=True) for name, values in net.state_dict().items()}
            for kind, net in networks.items()
            if net is not None
        }

    @property
    def complete(self) -> bool:
        """Whether all epochs of the recipe are done."""
        return self.rows[-1]["epoch"] == self.recipe.epochs

    def line(self) -> str:
        """Where the training stands, in one line."""
        last = self.rows[-1]
        return (
            f"{self.recipe.name}, seed {self.seed}: epoch {last['epoch']:3d} of "
            f"{self.recipe.epochs}, {self.judge.line(last)}"
        )

    def save(self) -> None:
        """Write the run as it stands; what `take_up` needs comes last."""
        storage.write(self.stem, self._record(), self.weights)
        storage.write_frames(self.stem, self.frames)
        storage.write_checkpoint(self.stem, None if self.complete else self.state)

    def _record(self) -> dict:
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {
            "recipe": recipes.to_dict(self.recipe),
            "target": self.target.definition(),
            "seed": self.seed,
            "complete": self.complete,
            "members": self.members,
            "processes": self.processes,
            **runs.provenance(self.probe.device, self.target.definition()),
            "metrics": self._final_scores() if self.complete else {},
            "history": {name: [short(row.get(name)) for row in self.rows] for name in names},
        }

    def _final_scores(self) -> dict:
        test = self.data.test.points
        return self.judge.final(self.model.cpu(), test, stream(PROBE_SEED))

    def take_up(self) -> dict | None:
        """Go on from the last save: history and frames here, the training's state returned.

        Raises BadRun where the save is of another recipe or target than this training.
        """
        self.state = storage.read_checkpoint(self.stem)
        if self.state is not None:
            record = storage.read_record(self.stem)
            self._check_same(record)
            columns = record["history"]
            rows = zip(*columns.values(), strict=True)
            self.rows = [dict(zip(columns, row, strict=True)) for row in rows]
            self.frames = storage.read_frames(self.stem)
        return self.state

    def rewind(self, epoch: int) -> None:
        """Drop what lies after an epoch."""
        self.rows, self.frames = self.rows[: epoch + 1], self.frames[:epoch]

    def _check_same(self, record: dict) -> None:
        mine = recipes.to_dict(self.recipe) | {
            "target": self.target.definition(),
            "seed": self.seed,
        }
        kept = recipes.to_dict(recipes.from_dict(record["recipe"]))  # with today's defaults
        saved = kept | {"target": record["target"], "seed": record["seed"]}
        other = [name for name in mine if saved.get(name) != mine[name]]
        if other:
            raise BadRun(
                f"{self.stem}.json: interrupted with another {other[0].replace('_', ' ')}; "
                "resume with the same numbers, or train without --resume"
            )
        if record["code"] != runs.code_of(record["target"]):
            raise BadRun(
                f"{self.stem}.json: interrupted before the training code changed; "
                "train without --resume"
            )


def short(value: float | None) -> float | None:
    """Six digits are all that a history needs; None where a column has no value yet."""
    return None if value is None else float(f"{value:.6g}")


def probe_of(
    recipe: recipes.Recipe, data: Draws, device: str | torch.device = "cpu", **sizes: int
) -> Probe:
    """The probe that all runs of a recipe share; `sizes` are its own where given."""
    return Probe(recipe.latent, data.validation, stream(PROBE_SEED), torch.device(device), **sizes)


def stream(seed: int) -> torch.Generator:
    """A stream of random numbers of its own."""
    return torch.Generator().manual_seed(seed)
