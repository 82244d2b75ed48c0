"""Kills, damage, mistakes and full disks, by the hundred: what is saved must survive them all.

python tests/campaign.py                              # all parts, some ten minutes on two cores
python tests/campaign.py kills --kills 1000           # one part, longer
python tests/campaign.py damage --files 20000

`kills`: processes are killed at random moments and at every write, while a reader looks at what
is there; the same command then goes on, and must end with what an undisturbed one ends with, and
leave no temporary file. `interrupts`: Ctrl-C at random moments is one line and status 130.
`commands`: every mistake of `tests/commands.py` as a program of its own, and its seconds.
`disks`: read-only and full ones, where the machine lets one mount them. The exit status is 1
where anything went wrong.
"""

import argparse
import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]
os.environ["OMP_NUM_THREADS"] = "1"

import psutil  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
import torch._dynamo  # noqa: E402  an optimiser imports it
from commands import MISTAKES, prepare  # noqa: E402
from PIL import Image  # noqa: E402
from small import shrink, weights  # noqa: E402

from helpers import animation, cli, files, runs  # noqa: E402
from helpers.engine import members  # noqa: E402, F401  what each fork would import anew
from helpers.metrics import scorecard  # noqa: E402

PROGRAM = [sys.executable, "-m", "helpers"]
SMALL = ["--plain", "--batch", "100", "--generator", "8", "--discriminator", "8"]
EPOCHS = 30
LIMIT = 3.0  # seconds for an answer
WRITES = ("open", "os.rename", "os.remove", "tempfile.mkstemp", "os.mkdir", "os.chmod")


class Tally:
    """Counts what was tried, and keeps what went wrong."""

    def __init__(self):
        self.counts: Counter = Counter()
        self.wrong: list[str] = []

    def check(self, holds: bool, what: str) -> None:
        """Count one check; say at once where it fails."""
        self.counts["checks"] += 1
        if not holds:
            self.wrong.append(what)
            print(f"WRONG: {what}", flush=True)


# ------------------------------------------------------------------------------------ kills


def forked(action: Callable[[], int], folder: Path, at_write: int | None = None) -> int:
    """Start an action in a process of its own; it kills itself before its n-th write, if told."""
    child = os.fork()
    if child:
        return child
    os.environ["FIVE_GAUSSIANS_OUT"] = str(folder)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    if at_write is not None:
        sys.addaudithook(_killer(folder, at_write))
    status = 70
    with contextlib.suppress(BaseException):
        status = action()
    os._exit(status)


def _killer(folder: Path, last: int) -> Callable:
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        if event not in WRITES or not str(arguments[0]).startswith(str(folder)):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & 3):
            return  # for reading
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def waited(child: int) -> int:
    """The exit status of a child, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextlib.contextmanager
def reading(folder: Path, tally: Tally) -> Iterator[None]:
    """A reader that loads every run it finds, again and again, as long as the block lasts."""
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            with contextlib.suppress(FileNotFoundError):  # a folder that was there a moment ago
                for path in list(folder.rglob("seed?.zip")):
                    tally.counts["reads"] += 1
                    try:
                        _ = runs.read(path.with_suffix("")).model
                    except Exception as error:
                        tally.check(False, f"a reader saw {type(error).__name__}: {error}")
            time.sleep(0.002)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()


def temporary(folder: Path) -> list[Path]:
    """Files that somebody was writing."""
    return list(folder.rglob(f"{files.HIDDEN}*"))


def told(*words) -> Callable[[], int]:
    """A command as an action."""
    return lambda: cli.main([str(word) for word in words])


class Case:
    """A command that is killed, and what it leaves when it is not."""

    def __init__(self, name: str, again: list, result: Callable[[Path], object], first=None):
        self.name, self.again, self.result = name, again, result
        self.first = first or (lambda folder: None)  # what is there before

    def prepared(self, folder: Path) -> Path:
        template = folder.with_name(f"before {self.name}")
        if not template.exists():
            template.mkdir(parents=True)
            self.first(template)
        shutil.rmtree(folder, ignore_errors=True)
        return shutil.copytree(template, folder)

    def action(self, folder: Path) -> Callable[[], int]:
        return told(*(str(word).replace("FOLDER", str(folder)) for word in self.again))


def trained(folder: Path, seed: int = 5, epochs: int = EPOCHS) -> None:
    """A whole run in the folder."""
    words = ["train", "gan", *SMALL, "--epochs", epochs, "--seed", seed, "--out", folder]
    assert waited(forked(told(*words), folder)) == 0


def learned(folder: Path):
    """The weights and epochs of the run in a folder."""
    run = runs.read(folder / "seed5")
    return weights(run).tolist(), run.history["epoch"], run.record["complete"]


def measured(folder: Path):
    return [path.read_bytes() for path in sorted((folder / "data" / "truth").glob("*.json"))]


def drawn(folder: Path):
    """The pictures that the film holds, and the files beside it that are whole."""
    others = ("film.png", "film_strip.png", "film.gif")
    sizes = [Image.open(folder / name).size for name in others]
    return animation._held(folder / "film.mp4"), sizes


def swept(folder: Path):
    """The weights of all runs below a folder, by name."""
    found = {
        path.parent.name + path.name: path.with_suffix("") for path in folder.rglob("seed?.zip")
    }
    return {name: weights(runs.read(stem)).tolist() for name, stem in found.items()}


TRAIN = ["train", "gan", *SMALL, "--epochs", EPOCHS, "--out", "FOLDER", "--resume"]
SWEEP = ["sweep", "vae-fast", "--plain", "--seeds", 2, "--workers", 1, "--widths", 9]
CASES = (
    Case("training", TRAIN, learned),
    Case("training over a finished run", TRAIN, learned, first=lambda f: trained(f, epochs=5)),
    Case("sweep", SWEEP, swept),
    Case("film", ["film", "FOLDER/seed5", "-o", "FOLDER/film.mp4"], drawn, first=trained),
    Case("sample", ["sample", "FOLDER/seed5", "-n", 500, "-o", "FOLDER/x.npy"],
         lambda f: (f / "x.npy").read_bytes(), first=trained),
    Case("evaluate", ["evaluate", "FOLDER/seed5", "-n", 30], measured, first=trained),
)  # fmt: skip


def kill(case: Case, folder: Path, tally: Tally, expected, at_write=None, after=None) -> bool:
    """Kill a command once and let it go on; returns whether it was killed before its end."""
    case.prepared(folder)
    finished = (folder / "seed5.zip").exists()
    child = forked(case.action(folder), folder, at_write)  # before there are threads
    with reading(folder, tally):
        if after is not None:
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        status = waited(child)
    where = f"{case.name}, killed " + (
        f"at write {at_write}" if at_write else f"after {after:.3f} s"
    )
    killed = status == -signal.SIGKILL
    tally.check(killed or status == 0, f"{where}: status {status}")
    if finished:
        tally.check(runs.read(folder / "seed5").record["complete"], f"{where}: the old run is gone")
    tally.check(waited(forked(case.action(folder), folder)) == 0, f"{where}: it cannot go on")
    tally.check(case.result(folder) == expected, f"{where}: it ends with something else")
    tally.check(not temporary(folder), f"{where}: left {temporary(folder)[:2]}")
    return killed


def kills(tally: Tally, folder: Path, wanted: int, chance: random.Random) -> None:
    """Every write of every command, then random moments until enough were killed."""
    spans = {}
    for case in CASES:
        place = case.prepared(folder / "whole")
        start = time.monotonic()
        assert waited(forked(case.action(place), place)) == 0, case.name
        spans[case.name] = time.monotonic() - start
        expected = case.result(place)
        number, killed = 1, 0
        while kill(case, folder / "killed", tally, expected, at_write=number):
            number, killed = number + 1, killed + 1
        count = max(3, (wanted // len(CASES)) // 2)
        for _ in range(count):
            moment = chance.uniform(0, spans[case.name])
            killed += kill(case, folder / "killed", tally, expected, after=moment)
        tally.counts["kills"] += killed
        print(f"  {case.name}: {killed} kills, {number - 1} of them at its writes", flush=True)
    tally.counts["kills"] += orphans(tally, folder / "orphans")
    tally.check(tally.counts["kills"] >= wanted, f"{tally.counts['kills']} kills of {wanted}")


def orphans(tally: Tally, folder: Path) -> int:
    """A killed sweep leaves no process behind; one that loses a process replaces it and goes on."""
    common = shlex.split("--plain --seeds 1 --widths 9 --workers 2")
    words = ["sweep", "vae-fast", "gan-fast", *common]
    environment = {**os.environ, "FIVE_GAUSSIANS_OUT": str(folder)}
    options = {"cwd": REPOSITORY, "env": environment, "stderr": subprocess.DEVNULL, "text": True}
    sweep = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.DEVNULL, **options)
    workers = _workers(sweep.pid)
    sweep.kill()
    sweep.wait()
    start = time.monotonic()
    _, alive = psutil.wait_procs(workers, timeout=30)
    tally.check(not alive, "a killed sweep left processes")
    tally.counts["seconds until a killed sweep's workers end"] = round(time.monotonic() - start)
    short = ["sweep", "vae-front", "gan-front", *common]
    sweep = subprocess.Popen([*PROGRAM, *short], stdout=subprocess.PIPE, **options)
    _workers(sweep.pid)[0].kill()
    said = sweep.communicate()[0]
    tally.check(sweep.returncode == 0, f"a sweep that lost a process: status {sweep.returncode}")
    tally.check("died (1 of" in said and said.count("trained 0") == 2, f"it said {said}")
    return 2


def _workers(pid: int) -> list[psutil.Process]:
    """A sweep's processes, once two of them are at work."""
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        found = [p for p in psutil.Process(pid).children(True) if "loky" in " ".join(p.cmdline())]
        busy = [p for p in found if p.cpu_times().user > 1]
        if len(busy) >= 2:
            return busy
        time.sleep(0.1)
    raise RuntimeError("the sweep ended before it was killed")


# -------------------------------------------------------------------------------- interrupts


def interrupts(tally: Tally, folder: Path, wanted: int, chance: random.Random) -> None:
    """Ctrl-C at random moments, from the first import on."""
    environment = {**os.environ, "FIVE_GAUSSIANS_OUT": str(folder)}
    command = [*PROGRAM, *["train", "gan", "--plain", "--batch", "20000", "--epochs", "12"]]
    options = {"cwd": REPOSITORY, "env": environment, "text": True, "stdout": subprocess.DEVNULL}
    for _ in range(wanted):
        moment = chance.uniform(0.05, 7)
        one = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed, **options)
        time.sleep(moment)
        one.send_signal(signal.SIGINT)
        said = one.communicate()[1].strip()
        tally.counts["interrupts"] += 1
        early = one.returncode == -signal.SIGINT and not said  # before Python itself was there
        last = said.splitlines()[-1] if said else ""
        lines = [line for line in said.splitlines() if "epoch" not in line or line == last]
        told = one.returncode == 130 and last.startswith("interrupted") and len(lines) == 1
        where = f"Ctrl-C after {moment:.2f} s: status {one.returncode}, {said[-300:]}"
        tally.check(early or told or one.returncode == 0, where)


def heed() -> None:
    """Take interrupts as a terminal's programs do, also when this one runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


# ---------------------------------------------------------------------- damage and mistakes


def damaged(tally: Tally, folder: Path, wanted: int) -> None:
    """Files of every kind, spoilt in every way."""
    from damage import campaign, kinds

    os.environ["FIVE_GAUSSIANS_OUT"] = str(folder)
    table, wrong = campaign(kinds(folder), wanted)
    for name, counts in table.items():
        print(f"  {name}: {dict(counts)}", flush=True)
    tally.counts["damaged files"] += wanted
    for line in wrong:
        tally.check(False, line)


def mistakes(tally: Tally, folder: Path) -> None:
    """Each command line that cannot be followed, as a program, two at a time."""
    prepare(folder)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    big = psutil.virtual_memory().available > 20e9  # what asks for too much here may fit there
    lines = [line for line in MISTAKES if not (big and "GB" in MISTAKES[line])]
    lines = [line for line in lines if not line.startswith(("film gan/", "film vae"))]

    def run(line: str) -> tuple[str, float, int, str]:
        words = shlex.split(line) if line != "''" else []
        out = {**environment, "FIVE_GAUSSIANS_OUT": str(folder / "out")}
        start = time.monotonic()
        done = subprocess.run(
            [*PROGRAM, *words], cwd=folder, env=out, capture_output=True, text=True, timeout=120
        )
        return line, time.monotonic() - start, done.returncode, done.stderr

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, lines))
    for line, seconds, status, said in found:
        good = status == 2 and said.count("\n") == 1 and MISTAKES[line] in said
        tally.check(good, f"{line}: status {status}, {said[-300:]}")
        if seconds > LIMIT:  # two at a time, so perhaps not its own fault: alone once more
            seconds = run(line)[1]
        tally.check(seconds < LIMIT, f"{line}: took {seconds:.1f} s")
        tally.counts["command lines"] += 1
    times = sorted(seconds for _, seconds, *_ in found)
    print(f"  seconds, two at a time: median {times[len(times) // 2]:.2f}, most {times[-1]:.2f}")


# ------------------------------------------------------------------------------------ disks


@contextlib.contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A disk of its own in a folder; False where this machine does not allow it."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    there = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield there
    finally:
        if there:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def refused(tally: Tally, words: list, name: str, folder: Path) -> str:
    """Run a command that must end with one line and status 2; returns the line."""
    environment = {**os.environ, "FIVE_GAUSSIANS_OUT": str(folder)}
    done = subprocess.run([*PROGRAM, *map(str, words)], cwd=REPOSITORY, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if "epoch/s" not in line and line.strip()]
    tally.check(done.returncode == 2 and len(lines) == 1, f"{name}: {done.stderr[-400:]}")
    tally.counts["disks"] += 1
    return done.stderr


def disks(tally: Tally, folder: Path) -> None:
    """Read-only and full disks: one line, and nothing lost."""
    train = ["train", "gan", *SMALL, "--epochs", EPOCHS]
    with disk(folder / "full", 8) as there:
        if not there:
            return print("  this machine does not let us mount a disk: left out", flush=True)
        place = folder / "full"
        trained(place, epochs=20)
        before = learned(place)
        (place / "fill").write_bytes(bytes(shutil.disk_usage(place).free - 400_000))
        said = refused(tally, [*train, "--out", place], "training on a full disk", folder / "out")
        tally.check("cannot be written (No space left" in said, f"full disk: {said}")
        for name, words in (
            ("sample", ["sample", place / "seed5", "-o", place / "x.npy"]),
            ("film", ["film", place / "seed5", "-o", place / "film.mp4"]),
        ):
            refused(tally, words, f"{name} on a full disk", folder / "out")
        tally.check(learned(place) == before, "a full disk lost a run")
        tally.check(not temporary(place), "a full disk keeps temporary files")
        (place / "fill").unlink()
        fills_up(tally, place, [*train, "--seed", "6", "--out", place])
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        said = refused(
            tally, [*train, "--out", place], "training on a read-only disk", folder / "out"
        )
        tally.check("cannot be written (Read-only" in said, f"read-only disk: {said}")
        words = ["sample", place / "seed5", "-o", place / "x.npy"]
        refused(tally, words, "sample on a read-only disk", folder / "out")
        status = waited(forked(told("evaluate", place / "seed5", "-n", 40), place))
        tally.check(status == 0, "what cannot be kept on a read-only disk is not used")


def fills_up(tally: Tally, place: Path, words: list) -> None:
    """The disk fills while a training runs: what was saved before stays, and it is said."""

    def act() -> int:
        save = runs.pack

        def pack(path: Path, parts) -> None:
            save(path, parts)
            filler = place / "fill"
            filler.write_bytes(bytes(max(0, shutil.disk_usage(place).free - 1_000)))

        runs.pack = pack
        return cli.main([str(word) for word in words])

    status = waited(forked(act, place))
    checkpoint = place / "seed6.checkpoint.zip"
    tally.check(status == 2 and checkpoint.exists(), f"a disk that fills up: status {status}")
    (place / "fill").unlink()
    status = waited(forked(told(*words, "--resume"), place))
    tally.check(status == 0, f"a training whose disk was full cannot go on: {status}")


# --------------------------------------------------------------------------------------- all


def quick() -> None:
    """Small numbers for what the forked processes do, and no minutes of measuring the truth."""
    patch = pytest.MonkeyPatch()
    shrink(patch)

    def scores(target, n, train, draws, seed):
        chance = random.Random(seed)
        return {m.name: [chance.random() for _ in range(draws)] for m in scorecard.METRICS}

    patch.setattr(scorecard, "_measured", scores)
    patch.setattr(animation, "STILLS", 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("kills", "interrupts", "damage", "commands", "disks")
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(parts)}; all if none is named")
    parser.add_argument("--kills", type=int, default=120, help="processes killed, at least")
    parser.add_argument("--interrupts", type=int, default=20)
    parser.add_argument("--files", type=int, default=4_000, help="damaged files")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    quick()
    tally, chance = Tally(), random.Random(chosen.seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        actions = {
            "kills": lambda: kills(tally, folder / "kills", chosen.kills, chance),
            "interrupts": lambda: interrupts(tally, folder / "stop", chosen.interrupts, chance),
            "damage": lambda: damaged(tally, folder / "damage", chosen.files),
            "commands": lambda: mistakes(tally, folder / "commands"),
            "disks": lambda: disks(tally, folder / "disks"),
        }
        for part in chosen.parts or parts:
            print(part, flush=True)
            (folder / {"interrupts": "stop"}.get(part, part)).mkdir()
            start = time.monotonic()
            actions[part]()
            print(f"  {time.monotonic() - start:.0f} s", flush=True)
    print(json.dumps(tally.counts, indent=1))
    print(f"{len(tally.wrong)} went wrong")
    return int(bool(tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
