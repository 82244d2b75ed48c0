"""How fast: the usual loop, ours, and ours with eight seeds at once, side by side.

All contenders train in one process, an epoch each in turn, round after round, so that a machine
whose speed wanders is unfair to none of them; on one thread, but where all cores are named.
"""

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch

from helpers import (
    animation,
    contenders,
    costs,
    experiments,
    films,
    recorder,
    runs,
)
from helpers.compiling import CACHE
from helpers.devices import one_thread, using_threads
from helpers.probes import FILMED
from helpers.recorder import stream
from helpers.targets import GaussianMixture, gmm5

EPOCHS = 250  # of a base recipe
SIDE = 2_048  # of the matrices whose product is the machine's ceiling
CEILINGS = ("ceiling_gflops", "ceiling_cores_gflops")
FRAMES = 250  # of the film that is timed, as of the real ones
Say = Callable[[str], None]


def measure(rounds: int = 7, say: Say = print) -> dict:
    """Everything that the benchmark shows, as plain data; takes about five minutes."""
    target = gmm5()
    with one_thread(), tempfile.TemporaryDirectory() as folder, compiling_into(folder):
        found = {"machine": machine(), "rounds": rounds, "import_seconds": import_seconds()}
        say(f"{found['machine']}; {rounds} rounds")
        before = ceilings()
        found |= {kind: family_times(kind, target, rounds, say) for kind in ("vae", "gan")}
        found |= {name: median([before[name], again]) for name, again in ceilings().items()}
        found["film_ms"] = {kind: film_ms(kind, target) for kind in ("vae", "gan")}
    return found


def family_times(family: str, target: GaussianMixture, rounds: int, say: Say) -> dict:
    """One family: seconds of every round by contender, of compiling, and arithmetic an epoch."""
    recipe = experiments.named(family)
    running = contenders.contenders(recipe, target)
    first = {name: next(training) for name, training in running.items()}
    times: dict[str, list[float]] = {name: [] for name in running}
    for number in range(1, rounds + 1):
        for name, training in running.items():
            times[name].append(next(training))
        shown = ", ".join(f"{name} {column[-1]:.2f} s" for name, column in times.items())
        say(f"{family}, round {number}: {shown}")
    again = next(contenders.ours(recipe, target, 1))  # finds on disk what the first one compiled
    usually = median(times["ours"])
    return {
        "seconds": times,
        "compile_cold": first["ours"] - usually,
        "compile_warm": again - usually,
        "gflop": costs.training_flops(recipe, target) / recipe.epochs / 1e9,
    }


def ceilings() -> dict[str, float]:
    """The ceiling of one thread and that of all cores."""
    return dict(zip(CEILINGS, map(ceiling, (1, os.cpu_count() or 1)), strict=True))


def ceiling(threads: int, rounds: int = 7) -> float:
    """GFLOP/s of a large float32 matrix product: what no training can exceed."""
    a, seconds = torch.randn(SIDE, SIDE, generator=stream(0)), []
    with using_threads(threads):
        for _ in range(rounds):
            start = time.perf_counter()
            torch.mm(a, a)
            seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / median(seconds) / 1e9


def film_ms(family: str, target: GaussianMixture) -> float:
    """Milliseconds for a frame of the family's film at full size, encoding included."""
    recipe, data = experiments.named(family), runs.data(target)
    model, _ = runs.fresh(recipe, target, data.train.points, stream(0))
    seen = {name: v[:FILMED] for name, v in recorder.probe_of(recipe, data)(model).items()}
    seen["samples"] = data.train.points[: len(seen["samples"])]  # spread out, as late in training
    frames = [runs.Frame(epoch, seen) for epoch in range(1, FRAMES + 1)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        animation.film(films.scene(recipe, target), frames, Path(folder, "film.mp4"))
        return 1e3 * (time.perf_counter() - start) / FRAMES


def import_seconds(rounds: int = 3) -> float:
    """From starting Python to having imported all that a training needs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import helpers.recording"], check=True)
        times.append(time.perf_counter() - start)
    return median(times)


def machine() -> str:
    """The processor's name where the system tells it, and how many cores there are."""
    cores = f"{os.cpu_count()} cores"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return f"{names[0]}, {cores}"
    return f"{platform.processor() or platform.machine()}, {cores}"


@contextlib.contextmanager
def compiling_into(folder: str) -> Iterator[None]:
    """Keep compiled code in a folder that starts empty, so that compiling is really timed."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = folder
    try:
        yield
    finally:
        os.environ.pop(CACHE)
        if before is not None:
            os.environ[CACHE] = before


# ----------------------------------------------------------------------------------- the table


def as_markdown(found: dict) -> str:
    """What was measured as a table: medians, and ratios to the usual loop in the same round."""
    both, (one, cores) = [found["vae"], found["gan"]], [found[name] for name in CEILINGS]
    many = f"{contenders.TOGETHER} seeds at batch {contenders.LARGE:,}"
    lines = [
        f"| one thread of {found['machine']} | VAE, batch 128 | GAN, batch 256 |",
        "|---|---|---|",
        _line("the usual loop, an epoch", [_seconds(times, "usual") for times in both]),
        _line("the same on all cores", [_seconds(times, "usual_cores") for times in both]),
        _line("pythae's trainer, an epoch", [_seconds(times, "pythae") for times in both]),
        _line("ours, the same steps", [_faster(times, "ours") for times in both]),
        _line(f"ours, {many}, a model and epoch", [_faster(t, "together") for t in both]),
        _line("the same on all cores", [_faster(times, "together_cores") for times in both]),
        _line(
            f"share of the matrix ceiling, {one:.0f} GFLOP/s: usual, ours, {contenders.TOGETHER} "
            "seeds",
            [_shares(times, one, ("usual", "ours", "together")) for times in both],
        ),
        _line(
            f"share of that of all cores, {cores:.0f} GFLOP/s: {contenders.TOGETHER} seeds",
            [_shares(times, cores, ("together_cores",)) for times in both],
        ),
        _line(
            "compiling, the first time and later",
            [f"{t['compile_cold']:.0f} s, {t['compile_warm']:.0f} s" for t in both],
        ),
        _line(
            f"{EPOCHS} epochs with compiling, against the usual loop",
            [f"{whole(times):.1f} ×" for times in both],
        ),
        _line("a frame of the film, encoded", [f"{v:.0f} ms" for v in found["film_ms"].values()]),
    ]
    return "\n".join(line for line in lines if "– | – |" not in line) + "\n"


def speedup(times: dict, name: str) -> float:
    """How many times the usual loop's speed: the median of the rounds' ratios."""
    pairs = zip(times["seconds"]["usual"], times["seconds"][name], strict=True)
    return median(usually / other for usually, other in pairs)


def whole(times: dict) -> float:
    """The same over a base recipe's 250 epochs, compiling included."""
    usually, single = (EPOCHS * median(times["seconds"][name]) for name in ("usual", "ours"))
    return usually / (single + times["compile_cold"])


def share(times: dict, name: str, gflops: float) -> float:
    """Arithmetic done a second, as a share of the ceiling."""
    return times["gflop"] / median(times["seconds"][name]) / gflops


def _line(what: str, cells: list[str]) -> str:
    return f"| {what} | {' | '.join(cells)} |"


def _seconds(times: dict, name: str) -> str:
    return f"{median(times['seconds'][name]):.2f} s" if name in times["seconds"] else "–"


def _faster(times: dict, name: str) -> str:
    return f"{_seconds(times, name)}, **{speedup(times, name):.1f} ×**"


def _shares(times: dict, gflops: float, names: tuple[str, ...]) -> str:
    return ", ".join(f"{100 * share(times, name, gflops):.0f} %" for name in names)
