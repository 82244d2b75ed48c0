"""What the commands of the command line do; `__main__` says what they accept."""

import argparse
import contextlib
import json
import sys
from functools import partial
from pathlib import Path

from tqdm import tqdm

from helpers import (
    bench,
    evidence,
    experiments,
    flags,
    galleries,
    launch,
    parallel,
    recipes,
    recording,
    runs,
    scoring,
    sweep,
    targets,
)
from helpers.films import film_run
from helpers.galleries import Gallery
from helpers.recorder import Recorder, stream


def list_all(options: argparse.Namespace) -> None:
    """Print every recipe and target, a line each."""
    print("recipes")
    for recipe in experiments.RECIPES.values():
        size = f"{recipe.epochs} epochs of batch {recipe.batch}"
        print(f"  {recipe.name:20} {recipe.idea} ({size})")
    print("targets, or the path of a JSON file with weights, means and covariances")
    for name, make in targets.NAMED.items():
        target = make()
        print(f"  {name:20} {target.k} components, entropy {target.entropy():.3f} nats")
    print("images, at another size as in faces-32, or the path of a folder of pictures")
    for name in galleries.SIZES:
        shape = " × ".join(map(str, galleries.named(name).shape))
        print(f"  {name:20} {shape}")


def train(options: argparse.Namespace) -> None:
    """Train one recipe; on a terminal a bar shows how far it is."""
    base, target = experiments.named(options.recipe), runs.target_named(options.target)
    recipe = recipes.changed(base, **flags.tuned(options))
    stem = options.out / f"seed{options.seed}" if options.out else None
    silent = None if parallel.first() else True  # None: a bar where there is a terminal
    with tqdm(total=recipe.epochs, unit="epoch", disable=silent) as bar:
        run = _trained(recipe, target, options, stem, _follow(bar))
    if run is None:  # another process keeps it
        return
    print(f"saved {run.stem}.json and .pt")
    for name, value in _by_line(run.metrics):
        print(f"  {name:16} {scoring.shown(value)}")


def _trained(recipe, target, options, stem, watch) -> runs.Run | None:
    if parallel.launched():
        if options.resume:
            raise ValueError("--resume: not under torchrun; leave it out, and the run starts anew")
        extras = {"stem": stem, "watch": watch, "device": options.device}
        return parallel.train(recipe, target, options.seed, **extras)
    extras = {"resume": options.resume, "device": options.device, "fast": not options.plain}
    (run,) = recording.train(recipe, target, (options.seed,), stems=[stem], watch=watch, **extras)
    return run


def _by_line(metrics: dict):
    """Names and values; of image scores those of the samples, with real images' beside them."""
    if "fake" not in metrics:
        return metrics.items()
    fake, real = metrics["fake"], metrics["reference"]
    words = {
        name: f"{scoring.shown(v)} (real {scoring.shown(real[name])})" for name, v in fake.items()
    }
    return words.items()


def _follow(bar: tqdm):
    def watch(recorder: Recorder) -> None:
        epoch = recorder.rows[-1]["epoch"]
        bar.update(epoch - bar.n)
        bar.set_postfix_str(recorder.judge.line(recorder.rows[-1]))
        if bar.disable and (epoch % 25 == 0 or epoch == 1 or recorder.complete):
            print(recorder.line(), flush=True)

    return watch


def sample(options: argparse.Namespace) -> None:
    """Draw samples into a .npy file."""
    run = runs.find(options.run)
    points = run.sample(options.n, stream(options.seed))
    scoring.write_points(options.output, points)
    print(f"{options.n:,} samples of {run.recipe.name}, seed {run.seed}, in {options.output}")


def evaluate(options: argparse.Namespace) -> None:
    """Print the scorecard of a file of samples or of a run."""
    if Path(options.samples).suffix == ".npy":
        points = scoring.read_points(Path(options.samples))
        target = targets.named(options.target or "gmm5")
    else:
        run = runs.find(options.samples)
        _check_plane(run.target)  # before 100,000 images are decoded
        points = run.sample(options.n, stream(0))
        target = targets.named(options.target) if options.target else run.target
    with contextlib.redirect_stdout(sys.stderr):  # notices aside: what is printed can be piped
        train, reference = runs.data(target).train.points, stream(options.seed)
        rows = scoring.score(target, points, train, reference, watch=_scored)
    print(scoring.as_json(rows) if options.json else scoring.as_text(rows, len(points), target))


def _check_plane(target: runs.Target) -> None:
    if isinstance(target, Gallery):
        raise scoring.BadSamples(
            f"{target.name}: these metrics are for the plane; an image run keeps its scores in its "
            "record"
        )


def _scored(metrics):
    """A bar over the metrics, or without a terminal one line."""
    bar = tqdm(metrics, unit="metric", disable=None, leave=False)
    if bar.disable:
        print(f"taking {len(metrics)} metrics", flush=True)
    return bar


def film(options: argparse.Namespace) -> None:
    """Draw a run's film, poster, filmstrip and gif."""
    for path in film_run(runs.find(options.run), options.output):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def train_all(options: argparse.Namespace) -> None:
    """Train recipes × seeds × widths, whatever of it is not there yet."""
    target = runs.target_named(options.target)
    jobs = sweep.grid(options.recipes, target, range(options.seeds), options.widths)
    waiting = sum(len(job.missing(options.refresh)) for job in jobs)
    print(f"{waiting} of {sum(len(job.seeds) for job in jobs)} runs to be trained", flush=True)
    extras = {"refresh": options.refresh, "fast": not options.plain}
    for line in sweep.sweep(jobs, options.workers, options.scheduler, **extras):
        print(line, flush=True)


def serve(options: argparse.Namespace) -> None:
    """Serve the app until it is interrupted."""
    launch.serve(options.port, options.browser)


def measure_all(options: argparse.Namespace) -> None:
    """Make the records that notebooks and README rest on, or those that are named."""
    say = partial(print, flush=True)
    if options.train:
        for line in sweep.sweep(evidence.jobs(), options.workers, refresh=True):
            say(line)
    evidence.make(options.names or list(evidence.RECORDS), options.workers, say)


def time_all(options: argparse.Namespace) -> None:
    """Print the table of speeds, or with --json all that was measured."""
    aside = sys.stderr if options.json else sys.stdout
    found = bench.measure(options.rounds, lambda line: print(line, file=aside, flush=True))
    print(json.dumps(found, indent=1) if options.json else "\n" + bench.as_markdown(found))
