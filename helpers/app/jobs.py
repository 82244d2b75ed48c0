"""Jobs: trainings started from the app, each in a process that outlives the page and the server.

A job is the command line's `train` in a folder, `build/app/<name>`: `job.json` says what it
trains and in which process, `status.json` and `preview.npz` how far it is, `log.txt` what it
printed; `seed<k>.zip` is the run. A file called `stop` asks it to end. Reading a job needs no
PyTorch, which takes seconds to load.
"""

import contextlib
import json
import math
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
from filelock import FileLock

from helpers import experiments, files, recipes
from helpers.app import limits
from helpers.app.limits import BadJob

NAME = re.compile(r"\w[\w.-]*-[0-9a-f]{8}")
AT_ONCE = 2  # jobs; each takes a core
ACTIVE = ("starting", "training", "stopping")
PACES = ("full speed", "slow motion", "pause", "one step")
SLOW = 0.4  # seconds that a step in slow motion takes
OPENING = 10  # seconds that first steps are shown where compiling takes long
OFTEN = 0.4  # seconds from picture to picture; the first are after 1, 2, 4, 8 … steps
PROGRAM = (sys.executable, "-m", "helpers")
WAITS = (sys.executable, "-m", "helpers.app.waiting")
WAITING = "FIVE_GAUSSIANS_WAITING"  # set where a server wants a process to wait
_ready: list[subprocess.Popen] = []  # the one that waits, if any
POINTS = 300  # of a loss curve
SAVED = 5  # seconds between two models that other pages can draw from while one trains
LONGEST = 60  # letters of a title
PATIENCE = 10  # seconds, for others who start one
SAME = 10  # seconds between two readings of when a process started: system time gets adjusted


class Stopped(Exception):
    """Someone asked the training to end."""


@dataclass(frozen=True)
class Job:
    """What to train: a named recipe with some of its numbers changed, on a target from a seed."""

    base: str
    values: dict = field(default_factory=dict)  # of the recipe's fields, by name
    target: str = "gmm5"
    seed: int = 5
    images: int | None = None  # for training, at the most
    compiled: bool = True

    @property
    def recipe(self) -> recipes.Recipe:
        """The recipe with the job's numbers. Raises BadRecipe."""
        return recipes.changed(experiments.named(self.base), **self.values)

    def arguments(self, folder: Path) -> list[str]:
        """The words after `python -m helpers` that train it in a folder."""
        words = ["train", self.base, "--target", self.target, "--seed", str(self.seed)]
        words += ["--out", str(folder), "--status", str(folder)]
        base = experiments.named(self.base)
        for name, value in self.values.items():
            if value != getattr(base, name):
                several = value if isinstance(value, tuple) else (value,)
                words += [f"--{name.replace('_', '-')}", *map(str, several)]
        words += [] if self.images is None else ["--images", str(self.images)]
        return words if self.compiled else [*words, "--plain"]


@dataclass(frozen=True)
class Status:
    """How far a job is."""

    state: str  # one of ACTIVE, "complete", "stopped" or "failed"
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0  # spent training
    step: int | None = None  # of the training's first ones, while they are shown one by one
    line: str = ""  # the scores of the last epoch, what went wrong, or what is drawn first
    losses: dict[str, list[float | None]] = field(default_factory=dict)  # and "epoch", their epochs

    @property
    def active(self) -> bool:
        """Whether a process is at it."""
        return self.state in ACTIVE

    @property
    def left(self) -> float | None:
        """Seconds to go, once an epoch was timed."""
        return self.seconds / self.epoch * (self.epochs - self.epoch) if self.epoch else None


# ----------------------------------------------------------------------------- start and stop


def start(job: Job) -> str:
    """Start a process that trains a job; returns the job's name. Raises BadJob, BadRecipe."""
    limits.check(job)
    with FileLock(files.output("build", "app", ".lock"), PATIENCE):  # count and start in one step
        busy = sum(read(name).active for name in listed())
        if busy >= AT_ONCE:
            raise BadJob(f"{busy} trainings are running, as many as share this machine; stop one")
        name = f"{job.recipe.name}-{secrets.token_hex(4)}"
        process = _spawn(job, folder(name))
        born = psutil.Process(process.pid).create_time()
        values = asdict(job) | {"pid": process.pid, "born": born}
        try:
            files.write_json(folder(name) / "job.json", values)  # last: a job has a process
        except OSError:
            process.kill()  # nobody would know of it
            raise
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie
    return name


def _spawn(job: Job, folder: Path) -> subprocess.Popen:
    """A process that trains a job: the one that waits, if there is one, else a new one."""
    folder.mkdir(parents=True)
    words, environment = job.arguments(folder), {"FIVE_GAUSSIANS_OUT": str(_root())}
    command = {"words": words, "log": str(folder / "log.txt"), "environment": environment}
    while _ready:
        process = _ready.pop()
        with contextlib.suppress(OSError), process.stdin as line:  # it may have been killed
            line.write(json.dumps(command).encode() + b"\n")
            line.flush()
            return process
    with (folder / "log.txt").open("wb") as log:
        return _process([*PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def prepare() -> None:
    """See that a process waits for the next training; PyTorch takes it seconds to load."""
    if os.environ.get(WAITING) and not any(process.poll() is None for process in _ready):
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        _ready[:] = [_process(WAITS, stdin=subprocess.PIPE, **silent)]


def _process(command: Sequence[str], **streams) -> subprocess.Popen:
    options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {}
    return subprocess.Popen(
        command,
        cwd=files.REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "FIVE_GAUSSIANS_OUT": str(_root())},
        start_new_session=os.name != "nt",  # Ctrl-C on the server does not end it
        **streams,
        **options,
    )


def stop(name: str) -> None:
    """Ask a training to end after the step it is in; what it learned is kept.

    One that has not begun, as it still loads or draws images, ends at once.
    """
    place = _place(name)
    (place / "stop").touch()
    if _status(place).state == "starting" and _alive(place):
        with contextlib.suppress(psutil.Error):  # it may have ended by itself
            process = psutil.Process(files.read_json(place / "job.json")["pid"])
            for one in (*process.children(recursive=True), process):
                one.kill()
        files.write_json(place / "status.json", {"state": "stopped"})


def rename(name: str, title: str) -> None:
    """Give a job a title of one's own; an empty one takes it back. Raises BadJob."""
    title = " ".join(title.split())
    if len(title) > LONGEST:
        raise BadJob(f"title: {len(title)} letters; give {LONGEST} at the most")
    others = {_own_title(folder(other)).casefold() for other in listed() if other != name}
    if title and title.casefold() in others:
        raise BadJob(f"title {title!r}: another training has it; choose another")
    files.write_text(_place(name) / "title.txt", title)


def delete(name: str) -> None:
    """Remove a job and its run for good. Raises BadJob while it trains."""
    if read(name).active:
        raise BadJob(f"{title(name)}: it is being trained; stop it first")
    hidden = folder(name).with_name(f".{name}")
    folder(name).rename(hidden)  # gone at once, and as a whole
    shutil.rmtree(hidden)


def pace(name: str, speed: str) -> None:
    """Let a training run, in slow motion, not at all, or one step on: one of PACES."""
    files.write_text(folder(name) / "pace", speed)


def paced(place: Path) -> str:
    """How a training in a folder is to run: one of PACES."""
    try:
        said = (place / "pace").read_text("utf-8")
    except OSError:
        return PACES[0]
    return said if said in PACES else PACES[0]


# ------------------------------------------------------------------------------------ reading


def listed() -> list[str]:
    """The names of all jobs, the newest first."""
    found = (_root() / "build" / "app").glob("*/job.json")
    newest = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.name for path in newest if NAME.fullmatch(path.parent.name)]


def title(name: str) -> str:
    """A job's name for people: `GAN · five Gaussians · 12 epochs · 09:36 · complete`."""
    place, status = _place(name), read(name)
    state = "training" if status.active else status.state
    if own := _own_title(place):
        return f"{own} · {state}"
    try:
        known = files.read_json(place / "job.json")
        base = experiments.named(known["base"])
        epochs = known["values"].get("epochs", base.epochs)
        length = f"{epochs} epoch{'s' if epochs != 1 else ''}"
        parts = [base.family.upper(), limits.label(known["target"]), length]
        parts += [f"seed {known['seed']}"]
    except (ValueError, LookupError, TypeError, AttributeError):
        parts = [name]
    began = datetime.fromtimestamp((place / "job.json").stat().st_mtime)
    when = f"{began:%H:%M}" if began.date() == datetime.now().date() else f"{began:%d %b %H:%M}"
    return " · ".join([*parts, when, state])


def _own_title(place: Path) -> str:
    """What a job was renamed to, if it was."""
    with contextlib.suppress(OSError):
        return (place / "title.txt").read_text("utf-8")
    return ""


def read(name: str) -> Status:
    """How far a job is; failed where its process ended without a word, or its status is damaged.

    Raises BadJob where there is no such job.
    """
    place = _place(name)
    alive = _alive(place)  # before the status: what ends in between says so there
    status = _status(place)
    if not status.active:
        return status
    if alive and status.state == "starting":
        return replace(status, line=_last_line(place))
    if alive:
        return replace(status, state="stopping") if (place / "stop").exists() else status
    what = f"the process ended after epoch {status.epoch} without finishing; train again"
    last = _last_line(place)
    return replace(status, state="failed", line=what + (f" ({last})" if last else ""))


def job_of(name: str) -> Job:
    """What a job trains. Raises BadJob."""
    place = _place(name)
    try:
        known = files.read_json(place / "job.json")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in known["values"].items()}
        rest = {key: known[key] for key in ("base", "target", "seed", "images", "compiled")}
        job = Job(values=values, **rest)
        _ = job.recipe  # which may not be one
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise BadJob(f"{name}: its job.json is damaged; train it again") from None
    limits.check(job)  # its target may have gone
    return job


def preview(name: str) -> dict[str, np.ndarray] | None:
    """What the probe saw last, by name and (points, dimensions); None before the first epoch."""
    place = _place(name)
    try:
        with (place / "preview.npz").open("rb") as file, np.load(file) as arrays:
            return {name: arrays[name].astype(np.float32) for name in arrays}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def changed(name: str) -> int:
    """When the preview of a job was written last, in nanoseconds; zero before."""
    try:
        return (_place(name) / "preview.npz").stat().st_mtime_ns
    except OSError:
        return 0


def folder(name: str) -> Path:
    """Where a job of that name lies. Raises BadJob for what cannot be a name."""
    if not NAME.fullmatch(name):
        raise BadJob(f"{name[:80]!r}: not the name of a training; choose one from the list")
    return _root() / "build" / "app" / name


def _place(name: str) -> Path:
    if not (folder(name) / "job.json").exists():
        raise BadJob(f"{name}: no such training; choose one from the list")
    return folder(name)


def _root() -> Path:
    return files.written().resolve()


def _status(place: Path) -> Status:
    if not (place / "status.json").exists():
        return Status("starting")
    try:
        return Status(**files.read_json(place / "status.json"))
    except (ValueError, TypeError):
        return Status("failed", line="its status.json is damaged; train it again")


def _alive(place: Path) -> bool:
    """Whether a job's process is there, and not another that has got its number since."""
    try:
        known = files.read_json(place / "job.json")
        process = psutil.Process(known["pid"])
        same = abs(process.create_time() - known["born"]) < SAME
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError, ValueError, LookupError, TypeError, OverflowError):
        return False


def _last_line(place: Path) -> str:
    """The last line that a job printed."""
    with contextlib.suppress(OSError):
        lines = (place / "log.txt").read_text("utf-8", "replace").split("\n")
        return next((line.strip()[:200] for line in lines[::-1] if line.strip()), "")
    return ""


# ------------------------------------------------------------------------ told by the training


class Reporter:
    """Writes into a folder how far a training is, and ends the training when asked to there.

        with Reporter(folder) as reporter:
            recorder.train(recipe, target, watch=reporter)

    Leaving the block tells how it ended. Asked to stop, it ends the block without an error.
    """

    def __init__(self, folder: Path):
        self.folder, self.first, self.last = Path(folder), {}, {}  # first steps, last epoch
        self.began = self.shown = time.monotonic()
        self.saved = -math.inf  # when other pages got a model to draw from last
        self.furthest = 0  # number of the step that was shown last
        self.held = 0.0  # seconds of slow motion and pauses
        self.views = {}  # what the networks made of the plane when they were last looked at

    def __enter__(self):
        self._tell("starting")
        return self

    def __exit__(self, kind, error, trace) -> bool:
        asked = isinstance(error, Stopped)
        if error is None or asked:
            self._tell("stopped" if asked else "complete", **({} if self.last else self.first))
        else:
            self._tell("failed", line=" ".join(str(error).split())[:300] or kind.__name__)
        return asked

    def __call__(self, recorder) -> None:
        """Tell of the epoch that a recorder kept last; raises Stopped."""
        row, probe = recorder.rows[-1], recorder.frames[-1]
        if not recorder.complete and time.monotonic() - self.saved > SAVED:  # for other pages
            recorder.save_run()
            self.saved = time.monotonic()
        self.last = {
            "epoch": row["epoch"],
            "epochs": recorder.recipe.epochs,
            "seconds": row["seconds"],
            "line": _scores(recorder, row),
            "losses": curves(recorder.rows[1:]),
        }
        self._show({name: values.numpy() for name, values in probe.items()} | self.views)
        self._tell("training")
        if not recorder.complete:
            self._hold()

    def early(self, recorder, step, number: int) -> bool:
        """Show a training after a step, if it is time; whether more of its first are wanted."""
        if self._due(number):
            step.publish()
            self._look(recorder, step)
            if not recorder.frames:  # epochs are told of when they end
                self.first = {"epochs": recorder.recipe.epochs, "step": number}
                self._tell("training", **self.first)
            elif paced(self.folder) != PACES[0]:  # someone looks at each step
                self._tell("training", step=number)
        self._hold()
        return time.monotonic() - self.began - self.held < OPENING

    def _due(self, number: int) -> bool:
        if number == 0:
            self.began = time.monotonic()
        if number < self.furthest:  # shown already, of a copy
            return False
        now, paced_ = time.monotonic(), paced(self.folder) != PACES[0]
        first = number & (number - 1) == 0 and number <= 64  # 0, 1, 2, 4 …
        if not (first or paced_ or now - self.shown > OFTEN):
            return False
        self.shown, self.furthest = now, number
        return True

    def _look(self, recorder, step) -> None:
        from helpers.app import views  # it brings PyTorch

        probe = recorder.probe
        images = recorder.target.domain == "images"  # of which no more are needed than are shown
        found = probe(step.model, probe.filmed if images else None)
        self.views = views.seen(step, recorder.target, probe, found["samples"])
        points = {name: values[: probe.filmed].half().numpy() for name, values in found.items()}
        self._show(points | self.views)

    def _hold(self) -> None:
        """Wait as slow motion, a pause or one step ask for; raises Stopped when asked to end."""
        began, end = time.monotonic(), time.monotonic() + SLOW
        while True:
            if (self.folder / "stop").exists():
                raise Stopped
            speed = paced(self.folder)
            if speed == "one step" and paced(self.folder) == speed:  # nothing was asked since
                files.write_text(self.folder / "pace", "pause")
            if speed in ("full speed", "one step") or (
                speed == "slow motion" and time.monotonic() > end
            ):
                break
            time.sleep(0.03)
        self.held += time.monotonic() - began

    def _show(self, arrays: dict[str, np.ndarray]) -> None:
        with files.replacing(self.folder / "preview.npz") as path:
            np.savez(path, **arrays)

    def _tell(self, state: str, **values) -> None:
        status = {"state": state, **self.last, **values}
        files.write_json(self.folder / "status.json", status)


def _scores(recorder, row: dict[str, float]) -> str:
    """A row of the history in a few words; the share within 3σ stands on the picture."""
    if "weight_kl" in row:
        return f"KL of mode weights {row['weight_kl']:.1e} nats (lower is better, truth ≈ 0)"
    return recorder.evaluator.line(row)


def curves(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Each training loss of a history, and its epochs; few points, the last among them."""
    names = [name for name in rows[-1] if f"validation_{name}" in rows[-1]]
    chosen = rows[:: -(1 + len(rows) // POINTS)][::-1]
    return {name: [row[name] for row in chosen] for name in ("epoch", *names)}
