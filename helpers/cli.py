"""The command line: `python -m helpers COMMAND`, of which `--help` lists all.

A command is a function, its flags are the function's parameters, and `train` has one for every
number of its recipe: tyro makes them, with their help. Whatever a user can get wrong ends in one
line on standard error and exit status 2. PyTorch takes seconds to import, so each command imports
what it uses.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn, TypedDict

import tyro
from tyro import _errors  # private, but documented there: the way to errors without boxes
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg
from tyro.constructors import PrimitiveConstructorSpec

from helpers import experiments, files, recipes

PROGRAM = "python -m helpers"
WIDEST = 5_000  # units, where the assignment has 64
MOST = 10_000_000  # of what is counted
RESUMES = "; epochs done are saved: the same command with --resume goes on"
FAILURES = (ValueError, OSError, ArithmeticError, MemoryError, RuntimeError)
# RuntimeErrors that are no mistake in the code; by name, as their modules take long to import.
ACCIDENTS = ("LostWorker", "NoCluster", "OutOfMemoryError")


class BadCommand(ValueError):
    """A command line that cannot be followed; the message says what to change."""


def _one(metavar: str, read: Callable[[list[str]], object]) -> PrimitiveConstructorSpec:
    """What reads a value of one word; `read` raises ValueError."""
    return PrimitiveConstructorSpec(1, metavar, read, lambda value: True, lambda v: [str(v)])


def _whole(least: int, most: int) -> PrimitiveConstructorSpec:
    """What reads a whole number within bounds."""

    def read(words: list[str]) -> int:
        value = int(words[0])
        if not least <= value <= most:
            raise ValueError(f"{value} is not from {least} to {most}")
        return value

    return _one("INT", read)


def _path(metavar: str, ending: str = "") -> PrimitiveConstructorSpec:
    """What reads a path, with that ending where one is given."""

    def read(words: list[str]) -> Path:
        if not words[0].strip():
            raise ValueError("no path; give one, or leave it out")
        if not words[0].endswith(ending):
            raise ValueError(f"{words[0]} must end in {ending}")
        return Path(words[0])

    return _one(metavar, read)


Seed = Annotated[int, _whole(0, 2**63 - 1)]
Count = Annotated[int, _whole(1, MOST)]
Recipe = Annotated[str, Positional, arg(metavar="RECIPE", help="a name from `list`")]
Run = Annotated[str, Positional, arg(metavar="RUN", help="a recipe, recipe/seed7 or a path")]
Source = Annotated[str, Positional, arg(metavar="SAMPLES", help="a .npy file (n, 2), or a run")]
Names = Annotated[tuple[str, ...], Positional, arg(metavar="NAME ...")]
Target = Annotated[str, arg(help="a name from `list`, a JSON file or a folder of images")]
Folder = Annotated[Path | None, _path("DIR")]
Workers = Annotated[int, _whole(1, 1_000), arg(help="processes")]
Plain = Annotated[bool, arg(help="do not compile the steps: slower, but starts at once")]
Json = Annotated[bool, arg(help="print JSON instead of a table")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Help leaves by SystemExit."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a terminal without Greek letters shows "?"
            stream.reconfigure(errors="replace")
    try:
        try:
            run(words)
        finally:
            if sys.stdout is not None:  # closed, as a daemon's is
                sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        resumes = words[:1] == ["train"] and not _launched()
        print(f"interrupted{RESUMES if resumes else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads, as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FAILURES as error:
        known = type(error).__name__ in ACCIDENTS or "can't allocate memory" in str(error)
        if isinstance(error, RuntimeError) and not known:
            raise
        print(f"error: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 2


def run(words: Sequence[str]) -> None:
    """Run the command that these words name. Raises BadCommand where they name none."""
    name, *rest = words or [""]
    if name in ("-h", "--help"):
        docs = {name: command.__doc__.splitlines()[0] for name, command in COMMANDS.items()}
        lines = [f"  {name:10} {text}" for name, text in docs.items()]
        return print("\n".join([f"usage: {PROGRAM} COMMAND [--help] ...", "", *lines]))
    if name not in COMMANDS:
        found = f"{name!r}: no such command" if name else "missing: COMMAND"
        raise BadCommand(f"{found}; choose one of {', '.join(COMMANDS)}; see {PROGRAM} --help")
    command, program = COMMANDS[name], f"{PROGRAM} {name}"
    if command is train and rest and rest[0] not in ("-h", "--help"):
        command, program = _train_named(rest[0]), f"{program} {rest.pop(0)}"
    files.tidy()
    with _errors.on_parse_error(_refuse):
        tyro.cli(command, args=rest, prog=program, config=(FlagCreatePairsOff, OmitArgPrefixes))


def _refuse(event: _errors.ParseErrorEvent) -> NoReturn:
    """Raise in one line what tyro would put in a box."""
    match event:
        case _errors.UnrecognizedArgs(tokens=tokens):
            message = f"unknown: {' '.join(tokens)}"
        case _errors.MissingArgs(missing_arguments=missing):
            message = f"missing: {', '.join(one.arg.lowered.metavar for one in missing)}"
        case _errors.BadValue(argument=argument):
            message = f"{argument.display_name()}: needs a value"
        case _errors.InstantiationFailure(message=message, argument=argument) if argument:
            message = f"{argument.display_name()}: {message}"
        case _:
            message = getattr(event, "message", type(event).__name__)
    raise BadCommand(f"{message}; see {event.prog} --help")


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train, whatever the recipe."""

    target: Target = "gmm5"
    seed: Seed = 5  # of weights and noise
    preset: str = "laptop"  # tiny, laptop or gpu: another size of images and networks
    images: Annotated[int | None, _whole(1, MOST)] = None  # so many of a dataset at most
    device: str = "auto"  # auto, cuda, mps or cpu
    plain: Plain = False
    resume: bool = False  # go on where it was interrupted
    out: Folder = None  # folder of the run; below data/runs without it
    status: Folder = None  # folder to tell progress in; a file `stop` there ends the training


def train(recipe: Recipe, training: Training) -> None:
    """Train a recipe and save the run; `train RECIPE --help` shows its numbers."""
    _train(experiments.named(recipe), training, {})


def _train_named(name: str) -> Callable:
    """`train` of one recipe, with a flag for each of its numbers; only those given are passed."""
    base = experiments.named(name)
    flags = {f.name: _flag(f, base) for f in fields(base) if f.metadata and f.name != "domain"}
    Numbers = TypedDict("Numbers", flags, total=False)

    def command(training: Training, recipe: Numbers) -> None:
        _train(base, training, recipe)

    command.__doc__ = f"Train {name}, {base.idea}, and save the run."
    return command


def _flag(field: Field, recipe: recipes.Recipe):
    """The type of a recipe's field; unit, reason, options and the recipe's own value as help."""
    value, options = getattr(recipe, field.name), ", ".join(field.metadata["options"])
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else str(value) or "none"
    parts = field.metadata["unit"], field.metadata["reason"], options and f"one of {options}"
    about = {"help": "; ".join(filter(None, parts)), "help_behavior_hint": f"(default: {shown})"}
    return Annotated[field.type, arg(**about)]


def _train(base: recipes.Recipe, options: Training, numbers: dict) -> None:
    for name, value in numbers.items():
        if value == ():
            raise BadCommand(f"--{name.replace('_', '-')}: needs a value")
    size = experiments.preset(options.preset)
    if base.domain != "images" and size is not experiments.preset("laptop"):
        raise BadCommand(
            f"--preset {size.name}: sizes recipes for images, and {base.name} is for the plane; "
            "leave it out, and give --epochs or widths instead"
        )
    recipe = recipes.changed(experiments.at_preset(base, size), **numbers)
    with _reporter(options.status) as report:
        target = _target(options, size)
        recipes.check_domain(recipe, target)
        from tqdm import tqdm

        silent = None if os.environ.get("RANK", "0") == "0" else True  # None: a bar on a terminal
        with tqdm(total=recipe.epochs, unit="epoch", disable=silent) as bar:
            found = _trained(recipe, target, options, size, bar, report)
        if found is not None:  # else another process keeps it
            from helpers import samples

            print("\n".join(samples.described(found)))


def _reporter(folder: Path | None):
    """What tells the app how far a training is, and ends it when the app asks."""
    if folder is None:
        return contextlib.nullcontext()
    from helpers.app.jobs import Reporter

    return Reporter(folder)


def _target(options: Training, size: experiments.Preset):
    from helpers import targets

    target = targets.named(options.target)
    most = options.images or (size.images if target.domain == "images" else None)
    if most and target.domain != "images":
        raise BadCommand(f"--images: {target.name} has none; leave it out")
    return replace(target, most=min(target.most, most)) if most else target


def _trained(recipe, target, options: Training, size: experiments.Preset, bar, report):
    """The run; None in all processes but the first of those that train it together."""
    stem = options.out / f"seed{options.seed}" if options.out else None
    common = {"watch": partial(_watch, bar, report), "device": options.device}
    if _launched():
        if options.resume or options.status:
            raise BadCommand("--resume, --status: not under torchrun; leave them out")
        from helpers.engine import distributed

        return distributed.train(recipe, target, options.seed, stem=stem, **common)
    from helpers import recorder
    from helpers.engine.members import FAST
    from helpers.training import PLAIN

    engine = PLAIN if options.plain or not size.compiled else FAST
    if options.resume and (there := _complete(recipe, target, options.seed, stem)):
        return there
    common |= {"stems": [stem], "resume": options.resume, "engine": engine}
    common |= {"early": report.early} if report else {}
    return recorder.train(recipe, target, (options.seed,), **common)[0]


def _complete(recipe, target, seed: int, stem: Path | None):
    """The finished run of these very numbers, which nothing has to be resumed for, or None."""
    from helpers import recorder, runs

    stem = stem or files.written(*runs.folder(recipe, target).parts, f"seed{seed}")
    files.sweep(stem.parent)
    with contextlib.suppress(runs.BadRun):
        run = runs.read(stem)
        same = run.recipe == recipe and run.record["target"] == target.definition()
        if same and run.record["complete"] and run.seed == seed:
            print("already complete")
            return run
    if not runs.file_of(stem, recorder.CHECKPOINT).exists():
        print(f"{stem}: nothing to go on from; it trains from the start", flush=True)
    return None


def _launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


def _watch(bar, report: Callable | None, recorder) -> None:
    """After an epoch: the bar moves on a terminal, elsewhere a line is printed now and then."""
    row = recorder.rows[-1]
    bar.update(row["epoch"] - bar.n)
    bar.set_postfix_str(recorder.evaluator.line(row))
    if bar.disable and (row["epoch"] % 25 == 0 or row["epoch"] == 1 or recorder.complete):
        print(recorder.line(), flush=True)
    if report:
        report(recorder)


def list_all() -> None:
    """Show recipes and targets."""
    print("recipes")
    for recipe in experiments.RECIPES.values():
        size = f"{recipe.epochs} epochs of batch {recipe.batch}"
        print(f"  {recipe.name:24} {recipe.idea} ({size})")
    print("targets; a JSON file with weights, means and covariances; images at another size, as in")
    print("faces-32; a folder of images")
    for name, about in experiments.TARGETS.items():
        print(f"  {name:24} {about}")


def sample(
    run: Run,
    output: Annotated[Path, _path("FILE.npy", ".npy"), arg(aliases=["-o"], help="of shape (n, d)")],
    n: Annotated[Count, arg(aliases=["-n"], help="how many")] = 100_000,
    seed: Annotated[Seed, arg(help="of noise")] = 0,
) -> None:
    """Draw samples from a saved run."""
    from helpers import runs, samples, training

    found = runs.find(run)
    files.check_place(output)
    samples.write(output, found.sample(n, training.stream(seed)))
    print(f"{n:,} samples of {found.recipe.name}, seed {found.seed}, in {output}")


def evaluate(
    source: Source,
    target: Annotated[
        str | None,
        _one("STR", lambda words: words[0]),
        arg(help="instead of the run's, or of gmm5"),
    ] = None,
    n: Annotated[
        int | None, _whole(1, MOST), arg(aliases=["-n"], help="samples of a run; else 100000")
    ] = None,
    seed: Annotated[Seed, arg(help="of the reference samples")] = 1,
    json: Json = False,
) -> None:
    """Score samples, from any model, beside what fresh samples of the target score."""
    from helpers import samples, training

    with contextlib.redirect_stdout(sys.stderr):  # notices aside: what is printed can be piped
        points, truth = samples.find(source, n, target)
        scores = samples.score(truth, points, training.stream(seed), samples.progress)
    print(files.as_json(scores) if json else samples.as_text(scores, len(points), truth.name))


def film(
    run: Run,
    output: Annotated[
        Path | None,
        _path("FILE.mp4", ".mp4"),
        arg(aliases=["-o"], help="beside it .png, _strip.png and, of points, .gif"),
    ] = None,
    train: Annotated[bool, arg(help="train a run again whose snapshots are not kept")] = False,
) -> None:
    """Draw the film of a run that was trained on this machine; without -o it is in media."""
    from helpers import animation, recorder, runs

    found = runs.find(run)
    output = output or files.written("media", f"{found.recipe.name}.mp4")
    files.check_place(output)
    if not found.has_frames:
        found = _trained_again(found, train)
    probe = recorder.probe_of(found.recipe, found.target, found.target.draws())
    for made in animation.film_run(found, probe, output):
        print(f"{made}: {made.stat().st_size / 1e6:.2f} MB")


def _trained_again(run, allowed: bool):
    """The same training in `build/film`, for its snapshots; the run itself stays as it is."""
    from helpers import recorder, runs

    name = runs.folder(run.recipe, run.target).name
    stem = files.written("build", "film", name, f"seed{run.seed}")
    with contextlib.suppress(runs.BadRun):
        before = runs.read(stem)
        if before.recipe == run.recipe and before.record["complete"] and before.has_frames:
            return before
    minutes = run.history["seconds"][-1] / 60
    if not allowed:
        raise BadCommand(
            f"{run.recipe.name}, seed {run.seed}: its snapshots, of which films are drawn, are not "
            f"kept; --train trains it again, about {max(minutes, 1):.0f} min, and leaves the run "
            "as it is"
        )
    from helpers.engine.members import FAST

    again = partial(recorder.train, run.recipe, run.target, (run.seed,), stems=[stem], engine=FAST)
    try:
        return again(resume=True)[0]
    except runs.BadRun:  # what a killed one left is of other numbers
        return again()[0]


def sweep(
    names: Names,
    target: Target = "gmm5",
    seeds: Annotated[Count, arg(help="how many: 0, 1, 2 and so on")] = 5,
    widths: Annotated[tuple[int, ...], arg(help="of hidden layers; as assigned: 64")] = (),
    workers: Workers = 2,
    scheduler: Annotated[str, arg(help="of a Dask cluster, as in tcp://host:8786")] = "",
    refresh: Annotated[bool, arg(help="also runs whose recipe or training has changed")] = False,
    plain: Plain = False,
) -> None:
    """Train recipes, or all, from many seeds; started again, it goes on where it was."""
    if not names:
        raise BadCommand("missing: NAME; give recipes from `list`, or all")
    for width in widths:
        if not 1 <= width <= WIDEST:
            raise BadCommand(f"--widths {width}: must be from 1 to {WIDEST}")
    from helpers import targets, training
    from helpers.engine.members import FAST
    from helpers.study import sweep

    todo = sweep.grid(names, targets.named(target), range(seeds), widths)
    waiting = sum(len(one.missing(refresh)) for one in todo)
    print(f"{waiting} of {sum(len(one.seeds) for one in todo)} runs to be trained", flush=True)
    engine = training.PLAIN if plain else FAST
    for line in sweep.sweep(todo, workers, scheduler, refresh, engine):
        print(line, flush=True)


def evidence(
    names: Names = (),
    workers: Workers = 2,
    train: Annotated[bool, arg(help="first train the runs that are missing or outdated")] = False,
    device: Annotated[str, arg(help="to train experiments on: cpu, cuda, mps or auto")] = "cpu",
) -> None:
    """Measure anew what the answers rest on, data/evidence, or those records that are named."""
    from helpers.study import RECORDS

    for name in names:
        if name not in RECORDS:
            raise BadCommand(f"{name}: no such record; choose of {', '.join(RECORDS)}")
    from helpers import training
    from helpers.study import evidence, summaries, sweep

    place = str(training.choose_device(device))
    if train:
        for line in sweep.sweep(summaries.trainings(), workers, refresh=True):
            print(line, flush=True)
    evidence.make(names, workers, partial(print, flush=True), place)


def labs(
    names: Names = (),
    preset: str = "laptop",
    on: Annotated[str, arg(help="another set of images, or a folder, than the lab's own")] = "",
    workers: Workers = 2,
    device: Annotated[str, arg(help="to train on: cpu, cuda, mps or auto")] = "cpu",
) -> None:
    """Train what the labs on images load, where it is missing; killed, it goes on where it was."""
    from helpers import training
    from helpers.study import labs, sweep

    for name in names:
        if name not in labs.PLANS:
            raise BadCommand(f"{name}: no such lab; choose of {', '.join(labs.PLANS)}")
    chosen = [labs.Lab.named(name, preset, on) for name in names or labs.PLANS]
    for lab in chosen:
        print(lab.found(), flush=True)
    todo = [one for lab in chosen for one in lab.trainings()]
    print(f"{sum(len(t.missing()) for t in todo)} of {len(todo)} runs to be trained", flush=True)
    place = str(training.choose_device(device))
    for line in sweep.sweep(todo, workers, device=place):
        print(line, flush=True)


def bench(rounds: Annotated[Count, arg(help="of each loop")] = 7, json: Json = False) -> None:
    """Measure how fast training is, beside the usual loop."""
    from helpers.study import benchmark

    say = partial(print, file=sys.stderr if json else sys.stdout, flush=True)
    found = benchmark.measure(rounds, say)
    print(files.as_json(found) if json else f"\n{benchmark.as_markdown(found)}")


def app(
    port: Annotated[int, arg(help="to listen on")] = 8501,
    browser: Annotated[bool, arg(help="open the page in a browser")] = False,
) -> None:
    """Serve the app to a browser on this machine."""
    from helpers.app import main

    main.serve(port, browser)


_FUNCTIONS = (train, sample, evaluate, film, sweep, evidence, labs, bench, app)
COMMANDS = {"list": list_all} | {function.__name__: function for function in _FUNCTIONS}
