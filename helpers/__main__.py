"""The command line: `python -m helpers list|train|sample|evaluate|film`.

Whatever a user can get wrong ends in one line on standard error and exit status 2.
"""

import argparse
import contextlib
import sys
from pathlib import Path

from tqdm import tqdm

from helpers import flags, recipes, recording, runs, scoring, targets
from helpers.films import film_run
from helpers.loop import Diverged
from helpers.recorder import Recorder, stream

HINT = "epochs done are saved: the same command with --resume goes on"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line."""

    def error(self, message: str) -> None:
        """Say what is wrong and where help is; leave with status 2."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    with contextlib.suppress(AttributeError):  # a terminal without Greek letters shows "?"
        sys.stdout.reconfigure(errors="replace")
        sys.stderr.reconfigure(errors="replace")
    options = parser().parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, OSError, Diverged) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = f"; {HINT}" if options.command is train else ""
        print(f"interrupted{hint}", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their flags."""
    top = Parser(prog="python -m helpers", description="Train, sample, score and film.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_list, _add_train, _add_sample, _add_evaluate, _add_film):
        add(commands)
    return top


def _command(commands, name: str, function, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(command=function)
    return command


def _add_list(commands) -> None:
    _command(commands, "list", list_all, "show recipes and targets")


def _add_train(commands) -> None:
    command = _command(commands, "train", train, "train a recipe and save the run")
    add, usual = command.add_argument, runs.DATA_SEED
    add("recipe", help="a name from `list`")
    add("--target", default="gmm5", help="a name from `list` or a JSON file; default gmm5")
    add("--seed", type=flags.seed, default=usual, help=f"of weights and noise; default {usual}")
    add("--out", type=Path, metavar="DIR", help="folder of the run; default below data/runs")
    add("--device", default="auto", help="auto (default), cuda, mps or cpu")
    add("--plain", action="store_true", help="do not compile the steps: slower, starts at once")
    add("--resume", action="store_true", help="go on where it was interrupted")
    flags.add_tuning(command)


def _add_sample(commands) -> None:
    add = _command(commands, "sample", sample, "draw from a saved run").add_argument
    add("run", help="a recipe, recipe/seed7 or a path")
    add("-n", type=flags.count, default=100_000, help="number of samples; default 100000")
    add("-o", "--output", type=flags.ending(".npy"), required=True, help="a .npy file, (n, 2)")
    add("--seed", type=flags.seed, default=0, help="of noise; default 0")


def _add_evaluate(commands) -> None:
    text = "score samples, from any model, beside what fresh samples of the target score"
    add = _command(commands, "evaluate", evaluate, text).add_argument
    add("samples", help="a .npy file of shape (n, 2), or a run: recipe, recipe/seed7 or a path")
    add("--target", help="a name from `list` or a JSON file; default the run's, or gmm5")
    add("-n", type=flags.count, default=100_000, help="samples of a run; default 100000")
    add("--seed", type=flags.seed, default=1, help="of the reference samples; default 1")
    add("--json", action="store_true", help="print JSON: {metric: {value, truth_mean, ...}}")


def _add_film(commands) -> None:
    text = "draw the film of a run that was trained on this machine"
    add = _command(commands, "film", film, text).add_argument
    add("run", help="a recipe, recipe/seed7 or a path")
    add("-o", "--output", type=flags.ending(".mp4"), help="default media/<recipe>.mp4")


# ---------------------------------------------------------------------------------- commands


def list_all(options: argparse.Namespace) -> None:
    """Print every recipe and target, a line each."""
    print("recipes")
    for recipe in recipes.RECIPES.values():
        size = f"{recipe.epochs} epochs of batch {recipe.batch}"
        print(f"  {recipe.name:20} {recipe.idea} ({size})")
    print("targets, or the path of a JSON file with weights, means and covariances")
    for name, make in targets.NAMED.items():
        target = make()
        print(f"  {name:20} {target.k} components, entropy {target.entropy():.3f} nats")


def train(options: argparse.Namespace) -> None:
    """Train one recipe; on a terminal a bar shows how far it is."""
    base, target = recipes.named(options.recipe), targets.named(options.target)
    recipe = recipes.changed(base, **flags.tuned(options))
    stem = options.out / f"seed{options.seed}" if options.out else None
    extras = {"resume": options.resume, "device": options.device, "fast": not options.plain}
    with tqdm(total=recipe.epochs, unit="epoch", disable=None) as bar:
        watch = _follow(bar)
        (run,) = recording.train(
            recipe, target, (options.seed,), stems=[stem], watch=watch, **extras
        )
    print(f"saved {run.stem}.json and .pt")
    for name, value in run.metrics.items():
        print(f"  {name:16} {scoring.shown(value)}")


def _follow(bar: tqdm):
    def watch(recorder: Recorder) -> None:
        epoch = recorder.rows[-1]["epoch"]
        bar.update(epoch - bar.n)
        bar.set_postfix_str(f"within 3σ {recorder.rows[-1]['share']:.2%}")
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
        points = run.sample(options.n, stream(0))
        target = targets.named(options.target) if options.target else run.target
    with contextlib.redirect_stdout(sys.stderr):  # notices aside: what is printed can be piped
        rows = scoring.score(target, points, runs.data(target).train.points, stream(options.seed))
    print(scoring.as_json(rows) if options.json else scoring.as_text(rows, len(points), target))


def film(options: argparse.Namespace) -> None:
    """Draw a run's film, poster, filmstrip and gif."""
    for path in film_run(runs.find(options.run), options.output):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
