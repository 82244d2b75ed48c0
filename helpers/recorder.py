"""Training a recipe and keeping what comes of it: history, film, scores, also when interrupted."""

import contextlib
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers import experiments, files, memory, models, recipes, runs, training
from helpers.metrics.evaluator import evaluator
from helpers.targets import DATA_SEED, Draws, Labelled, Target
from helpers.training import PLAIN, Engine, Snapshot, stream

PROBE_SEED = 17  # the noise that every film and every curve of quality looks at
CHECKPOINT = ".checkpoint.zip"
PARTS = ("identity", "state", "rows", "frames")  # of a checkpoint
SAVE_EVERY = 25  # epochs; what a killed process can cost,
SAVE_SECONDS = 60  # or so long a time of training, where epochs are long


Early = Callable[["Recorder", training.Step, int], bool]  # more of a model's first steps?


class Probe:
    """Fixed noise and fixed labelled points, and a model's answer to them after every epoch."""

    def __init__(self, latent: int, held_out: Labelled, watched: int, filmed: int, device="cpu"):
        generator = stream(PROBE_SEED)
        self.noise = torch.randn(watched, latent, generator=generator)
        self.points, self.components = (part[:filmed] for part in held_out)
        self.filmed, self.device, self.state = filmed, device, generator.get_state()

    @torch.no_grad()
    def __call__(self, model: nn.Module, most: int | None = None) -> dict[str, Tensor]:
        """Samples (watched, d) and, of a VAE, codes (filmed, latent) and reconstructions.

        `most` samples are drawn where not all are wanted.
        """
        decoder_noise = torch.Generator().set_state(self.state)  # the same in every epoch
        seen = {"samples": model.draw(self.noise[:most].to(self.device), decoder_noise)}
        if hasattr(model, "encoder"):
            seen["codes"] = model.encoder(self.points.to(self.device)).mean
            seen["reconstructions"] = model.decode(seen["codes"])
        return {name: values.cpu() for name, values in seen.items()}


def probe_of(recipe: recipes.Recipe, target: Target, draws: Draws, device="cpu") -> Probe:
    """The probe that all runs of a recipe on a target share."""
    scores = evaluator(target, draws)
    return Probe(recipe.latent, draws.validation, scores.watched, scores.filmed, device)


class Recorder:
    """Watches one training and saves it.

        with Recorder(recipe, target, draws, seed, networks) as recorder:
            for snapshot in train(step, ..., probe=recorder.probe):
                recorder.keep(snapshot)

    Every 25 epochs or each minute all that the training needs to go on is saved in one file. The
    run itself is written when the training is complete, so that a finished run stays until its
    successor is; when the block is left before, what was reached is written unless a finished run
    is there. Entering the block scores the untrained model, which takes seconds on images.
    """

    def __init__(
        self,
        recipe: recipes.Recipe,
        target: Target,
        draws: Draws,
        seed: int,
        networks: tuple[nn.Module, ...],
        stem: Path | None = None,
        processes: int = 1,
    ):
        self.recipe, self.target, self.draws, self.seed = recipe, target, draws, seed
        self.networks, self.processes = networks, processes
        self.stem = stem or place_of(recipe, target, seed)
        self.identity = identity(recipe, target, seed)
        self.device = next(networks[0].parameters()).device
        self.evaluator = evaluator(target, draws)
        self.probe = probe_of(recipe, target, draws, self.device)
        self.rows: list[dict] = [{"epoch": 0, "seconds": 0.0}]
        self.frames: list[dict[str, Tensor]] = []
        self.saved = 0.0  # seconds of training when all was saved last
        self.kept: dict | None = None  # state and weights after an epoch, until the run is saved

    def __enter__(self):
        self.rows[0] |= self._watched(0, self.probe(self.networks[0])["samples"])
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self.kept is None:  # nothing is new, or all of it is saved
            return
        self._rewind(self.kept["state"]["epoch"])
        if not self.complete:
            self.save_checkpoint()
        if self.complete or not _complete(self.stem):
            self.save_run()

    def keep(self, snapshot: Snapshot) -> None:
        """Take up one snapshot; save all now and then, and the run at its end."""
        state, weights = snapshot.checkpoint(), self._weights()
        points = {name: values[: self.probe.filmed] for name, values in snapshot.probe.items()}
        self.frames.append({name: values.half() for name, values in points.items()})
        self.rows.append(self._row(snapshot))
        # Last and together: interrupted before, `_rewind` drops what was added above.
        self.kept = {"state": state, "weights": weights}
        if self.complete:
            self.save_run()
            self.kept = None
        elif snapshot.epoch % SAVE_EVERY == 0 or snapshot.seconds - self.saved > SAVE_SECONDS:
            self.save_checkpoint()
            self.saved = snapshot.seconds

    def _row(self, snapshot: Snapshot) -> dict:
        held_out = {f"validation_{name}": value for name, value in snapshot.validation.items()}
        row = {"epoch": snapshot.epoch, "seconds": snapshot.seconds}
        watched = self._watched(snapshot.epoch, snapshot.probe["samples"])
        if watched and snapshot.latest and self.target.domain == "images":
            latest = self._watched(snapshot.epoch, self.probe(snapshot.latest)["samples"])
            watched |= {f"latest_{name}": latest[name] for name in ("kid", "fid", "shape_kid")}
        return row | snapshot.losses | held_out | watched

    def _watched(self, epoch: int, samples: Tensor) -> dict[str, float]:
        return self.evaluator.watch(epoch, self.recipe.epochs, samples)

    def _weights(self) -> dict[str, dict]:
        keep = runs.packed if self.target.domain == "images" else dict
        return {
            name: keep({key: v.to("cpu", copy=True) for key, v in network.state_dict().items()})
            for name, network in zip(runs.NAMES, self.networks, strict=False)
        }

    @property
    def complete(self) -> bool:
        """Whether all epochs of the recipe are done."""
        return self.rows[-1]["epoch"] == self.recipe.epochs

    def line(self) -> str:
        """Where the training stands, in one line."""
        row = self.rows[-1]
        return (
            f"{self.recipe.name}, seed {self.seed}: epoch {row['epoch']:3d} of "
            f"{self.recipe.epochs}, {self.evaluator.line(row)}"
        )

    def save_run(self) -> None:
        """Write the run as it stands, then what its film is drawn from; clear the checkpoint."""
        digest = runs.write(self.stem, self._record(), self.kept["weights"])
        content = runs.save_tensors({"weights": digest, "frames": self.frames})
        runs.pack(runs.file_of(self.stem, ".frames.zip"), {"frames.pt": content})
        if self.complete and not foreign(self.stem, self.identity):
            self._checkpoint.unlink(missing_ok=True)

    def save_checkpoint(self) -> None:
        """Write all that the training needs to go on, history and frames included, as one file."""
        kept = {"state": self.kept["state"], "rows": self.rows, "frames": self.frames}
        content = runs.save_tensors({"identity": self.identity, **kept})
        runs.pack(self._checkpoint, {"checkpoint.pt": content})

    @property
    def _checkpoint(self) -> Path:
        return runs.file_of(self.stem, CHECKPOINT)

    def _record(self) -> dict:
        names = dict.fromkeys(name for row in self.rows for name in row)
        test = self.draws.test.points
        scores = self.evaluator.final(self.networks[0].cpu(), test, stream(PROBE_SEED)) \
            if self.complete else {}  # fmt: skip
        return {
            "recipe": recipes.to_dict(self.recipe),
            "target": self.target.definition(),
            "seed": self.seed,
            "complete": self.complete,
            "processes": self.processes,
            **runs.provenance(self.device),
            "metrics": scores,
            "history": {name: [_short(row.get(name)) for row in self.rows] for name in names},
        }

    def take_up(self, saved: dict | None) -> dict | None:
        """The state to go on from, history and frames taken up from what `interrupted` found."""
        if saved is None:
            return None
        self.rows, self.frames = saved["rows"], saved["frames"]
        return saved["state"]

    def _rewind(self, epoch: int) -> None:
        self.rows, self.frames = self.rows[: epoch + 1], self.frames[:epoch]


def place_of(recipe: recipes.Recipe, target: Target, seed: int, stem: Path | None = None) -> Path:
    """Where a run will be saved, once it is sure that it can be trained and saved there.

    Raises BadRecipe for a recipe that is not for the target, TooLarge for one that does not fit in
    memory, NotWritten for a place that cannot be written.
    """
    recipes.check_domain(recipe, target)
    memory.check_training(recipe, memory.shape_of(target))
    stem = stem or files.written(*runs.folder(recipe, target).parts, f"seed{seed}")
    files.check_place(runs.file_of(stem))
    return stem


def identity(recipe: recipes.Recipe, target: Target, seed: int) -> str:
    """What a training is of; only the same one can go on from a checkpoint."""
    same = {"seed": seed, "target": target.definition()}
    version = {"training version": training.TRAINING_VERSION}
    return json.dumps(recipes.to_dict(recipe) | {"idea": ""} | same | version)


def interrupted(stem: Path, mine: str) -> dict | None:
    """What an interrupted training of this identity left: PARTS by name; None where none did.

    Raises runs.BadRun where it is damaged or of another training.
    """
    path = runs.file_of(stem, CHECKPOINT)
    if not path.exists():
        return None
    saved = runs.load_tensors(*runs.unpack(path, "checkpoint.pt"), path)
    try:
        theirs, state, rows, frames = (saved[name] for name in PARTS)
        whole = state["epoch"] == len(rows) - 1 == len(frames)
        theirs = json.loads(theirs)
        whole &= all(isinstance(row, dict) for row in (*rows, *frames, theirs))
    except Exception:  # values of any form may be in a file
        whole = False
    if not whole:
        raise runs.BadRun(f"{path}: damaged; train without --resume")
    other = [name for name, value in json.loads(mine).items() if theirs.get(name) != value]
    if other:
        raise runs.BadRun(
            f"{path}: interrupted with another {other[0].replace('_', ' ')}; resume with the same "
            "numbers, or train without --resume"
        )
    return saved


def foreign(stem: Path, mine: str) -> str:
    """Whose checkpoint lies here, if not that of a training of this identity; else nothing."""
    try:
        interrupted(stem, mine)
    except runs.BadRun as error:
        return str(error)
    return ""


def _complete(stem: Path) -> bool:
    try:
        return runs.read_record(stem)["complete"]
    except runs.BadRun:
        return False


def _short(value: float | None) -> float | None:
    """Six digits are all that a history needs; None where a column has no value."""
    return None if value is None else float(f"{value:.6g}")


def train(
    recipe: recipes.Recipe,
    target: Target,
    seeds: Sequence[int] = (DATA_SEED,),
    *,
    stems: Sequence[Path | None] | None = None,
    resume: bool = False,
    watch: Callable[[Recorder], None] = lambda recorder: None,
    early: Early | None = None,
    device: str = "auto",
    engine: Engine = PLAIN,
) -> list[runs.Run]:
    """Train a recipe from several seeds and save each; returns the runs.

    `watch` is called after each epoch with the first seed's recorder, `early` after each step with
    the step too, and before the first one. With `resume` each goes on from its last save, if there
    is one. Interrupting keeps what was reached. On a CPU the seeds share the threads that PyTorch
    may use. `engine` takes the steps: PLAIN, or a faster one. Before anything is trained it raises
    what `place_of` does, and BadRun for a foreign checkpoint.
    """
    given = zip(seeds, stems or [None] * len(seeds), strict=True)
    stems = [place_of(recipe, target, seed, stem) for seed, stem in given]
    draws, streams = target.draws(), [stream(seed) for seed in seeds]
    training.check_batch(training.settings(recipe), draws.train.points)
    check_turns(recipe, len(draws.train.points))
    training.choose_device(device)  # now: another may be asked for that is not there
    names = [identity(recipe, target, seed) for seed in seeds]
    found = [_left(stem, name, resume) for stem, name in zip(stems, names, strict=True)]
    start = partial(starting_networks, recipe, target, draws, device=device, engine=engine)
    built = [start(seed, rng) for seed, rng in zip(seeds, streams, strict=True)]
    each = zip(seeds, built, stems, strict=True)
    recorders = [Recorder(recipe, target, draws, *one) for one in each]
    _train_all(recorders, streams, found, engine, early and partial(early, recorders[0]), watch)
    return [runs.read(recorder.stem) for recorder in recorders]


def _train_all(recorders, streams, found, engine, look, watch) -> None:
    """Train all seeds to the end, in the eyes of who looks; each recorder saves its own."""
    first, workers = recorders[0], min(torch.get_num_threads(), len(recorders))
    points = [part.points.to(first.device) for part in first.draws[:2]]  # to train on, to validate
    with training.threads(1), contextlib.ExitStack() as stack:
        if look and not any(found):
            _opening(first.recipe, first.networks, points, streams[0], look, engine is not PLAIN)
        for recorder in recorders:
            stack.enter_context(recorder)
        for snapshots in _rounds(recorders, points, streams, found, engine, look, workers):
            for member, snapshot in snapshots.items():
                recorders[member].keep(snapshot)
            watch(first)


def _rounds(recorders, points, streams, found, engine, look, workers) -> Iterator:
    """The snapshots of all seeds, an epoch after the other, from what `found` holds on."""
    recipe, built = recorders[0].recipe, [recorder.networks for recorder in recorders]
    options = {"generators": streams, "probe": recorders[0].probe, "threads": workers}
    options["resumes"] = [r.take_up(saved) for r, saved in zip(recorders, found, strict=True)]
    if look:
        options["between"] = look
    return engine.train_all(engine.build(recipe, built), *points, **options)


def _opening(recipe, networks, points, generator, look, slow: bool) -> None:
    """Show a model before its first step, and where compiling takes long the first steps as well.

    Those are taken by a copy, as long as who looks wants to see more.
    """
    (step,) = PLAIN.build(recipe, [copy.deepcopy(networks)])
    look(step, 0)
    if not slow:
        return

    def within(step, number: int) -> None:
        if not look(step, number):
            raise _Seen

    twin = torch.Generator().set_state(generator.get_state())
    with contextlib.suppress(_Seen):
        next(training.train(step, *points, generator=twin, between=within))


class _Seen(Exception):
    """Who looks has seen enough."""


def _left(stem: Path, mine: str, resume: bool) -> dict | None:
    """What a training goes on from; one from the start says whose checkpoint it will replace."""
    if resume:
        return interrupted(stem, mine)
    if whose := foreign(stem, mine):
        print(
            f"{whose.partition(';')[0]}; it is replaced at epoch {SAVE_EVERY} or before", flush=True
        )
    return None


def check_turns(recipe: recipes.Recipe, points: int) -> None:
    """Raise BadRecipe where the generator's turn comes less than once an epoch."""
    turns, batches = getattr(recipe, "discriminator_steps", 1), points // recipe.batch
    if turns > max(batches, 1):
        raise recipes.BadRecipe(
            f"discriminator_steps = {turns}: an epoch has {batches} batches, so that the generator "
            "would hardly learn; lower it, or the batch"
        )


def starting_networks(
    recipe: recipes.Recipe,
    target: Target,
    draws: Draws,
    seed: int,
    generator: torch.Generator,
    *,
    device: str = "auto",
    engine: Engine = PLAIN,
) -> tuple[nn.Module, ...]:
    """Fresh networks, or a generator that starts as a VAE's decoder where the recipe says so.

    That VAE is loaded, or trained first. Raises BadRecipe where the recipe names none, BadNetwork
    where its decoder has another form.
    """
    networks = target.networks(recipe, draws.train.points, generator)
    if getattr(recipe, "start", ""):
        first = experiments.named(recipe.start)
        if first.family != "vae":
            raise recipes.BadRecipe(f"start = {first.name}: has no decoder; name a VAE's recipe")
        recipes.check_domain(first, target)
        like = target.networks(first, draws.train.points, training.stream(0))[0].decoder
        models.start_from_decoder(copy.deepcopy(networks[0]), like)  # before minutes of training
        options = {"device": device, "engine": engine}
        (source,) = load_or_train(first, target, (seed,), weights=True, **options)
        models.start_from_decoder(networks[0], source.model.decoder)
    return tuple(network.to(training.choose_device(device)) for network in networks)


def load_or_train(
    recipe: recipes.Recipe, target: Target, seeds: Sequence[int], weights: bool = False, **options
) -> list[runs.Run]:
    """The saved runs of these seeds; those missing or unfinished are trained first, together.

    `weights` says that records alone are not enough.
    """
    there = partial(runs.finished, recipe, target, weights=weights)
    missing = [seed for seed in seeds if not there(seed)]
    if missing:
        train(recipe, target, missing, **options)
    return [runs.load(recipe, target, seed) for seed in seeds]
