"""The command line: `python -m helpers list|train|sample|evaluate|film|sweep|evidence|bench|app`.

Whatever a user can get wrong ends in one line on standard error and exit status 2.
"""

import argparse
import contextlib
import sys
from pathlib import Path

from helpers import commands, evidence, flags, launch, parallel, runs, sweep
from helpers.loop import Diverged

FAILURES = (ValueError, OSError, Diverged, sweep.LostWorker, sweep.NoCluster)
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
    except FAILURES as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        resumes = options.command is commands.train and not parallel.launched()
        hint = f"; {HINT}" if resumes else ""
        print(f"interrupted{hint}", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their flags."""
    top = Parser(prog="python -m helpers", description="Train, sample, score and film.")
    group = top.add_subparsers(required=True, metavar="COMMAND")
    adders = (_add_list, _add_train, _add_sample, _add_evaluate, _add_film, _add_sweep)
    for add in (*adders, _add_evidence, _add_bench, _add_app):
        add(group)
    return top


def _command(group, name: str, function, text: str) -> argparse.ArgumentParser:
    command = group.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(command=function)
    return command


def _add_list(group) -> None:
    _command(group, "list", commands.list_all, "show recipes and targets")


def _add_train(group) -> None:
    command = _command(group, "train", commands.train, "train a recipe and save the run")
    add, usual = command.add_argument, runs.DATA_SEED
    add("recipe", help="a name from `list`")
    add("--target", default="gmm5", help="a name from `list` or a JSON file; default gmm5")
    add("--seed", type=flags.seed, default=usual, help=f"of weights and noise; default {usual}")
    add("--out", type=Path, metavar="DIR", help="folder of the run; default below data/runs")
    add("--device", default="auto", help="auto (default), cuda, mps or cpu")
    add("--plain", action="store_true", help="do not compile the steps: slower, starts at once")
    add("--resume", action="store_true", help="go on where it was interrupted")
    flags.add_tuning(command)


def _add_sample(group) -> None:
    add = _command(group, "sample", commands.sample, "draw from a saved run").add_argument
    add("run", help="a recipe, recipe/seed7 or a path")
    add("-n", type=flags.count, default=100_000, help="number of samples; default 100000")
    add("-o", "--output", type=flags.ending(".npy"), required=True, help="a .npy file, (n, 2)")
    add("--seed", type=flags.seed, default=0, help="of noise; default 0")


def _add_evaluate(group) -> None:
    text = "score samples, from any model, beside what fresh samples of the target score"
    add = _command(group, "evaluate", commands.evaluate, text).add_argument
    add("samples", help="a .npy file of shape (n, 2), or a run: recipe, recipe/seed7 or a path")
    add("--target", help="a name from `list` or a JSON file; default the run's, or gmm5")
    add("-n", type=flags.count, default=100_000, help="samples of a run; default 100000")
    add("--seed", type=flags.seed, default=1, help="of the reference samples; default 1")
    add("--json", action="store_true", help="print JSON: {metric: {value, truth_mean, ...}}")


def _add_film(group) -> None:
    text = "draw the film of a run that was trained on this machine"
    add = _command(group, "film", commands.film, text).add_argument
    add("run", help="a recipe, recipe/seed7 or a path")
    add("-o", "--output", type=flags.ending(".mp4"), help="default media/<recipe>.mp4")


def _add_sweep(group) -> None:
    text = "train many recipes from many seeds; started again, it goes on where it was"
    add = _command(group, "sweep", commands.train_all, text).add_argument
    add("recipes", nargs="+", metavar="RECIPE", help="names from `list`, or all")
    add("--target", default="gmm5", help="a name from `list` or a JSON file; default gmm5")
    seeds = len(sweep.SEEDS)
    add("--seeds", type=flags.count, default=seeds, metavar="N", help=f"0 to N-1; default {seeds}")
    add("--widths", type=int, nargs="+", default=(), metavar="W", help="as assigned: 64")
    add("--workers", type=flags.count, default=2, metavar="N", help="processes; default 2")
    add("--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster: tcp://host:8786")
    add("--refresh", action="store_true", help="also runs whose recipe or code has changed since")
    add("--plain", action="store_true", help="do not compile the steps")


def _add_evidence(group) -> None:
    text = "measure anew what the answers rest on: data/evidence"
    add = _command(group, "evidence", commands.measure_all, text).add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(evidence.RECORDS)}; default all")
    add("--workers", type=flags.count, default=2, metavar="N", help="processes; default 2")
    add("--train", action="store_true", help="first train the runs that are missing or out of date")


def _add_bench(group) -> None:
    text = "measure how fast training is, beside the usual loop"
    add = _command(group, "bench", commands.time_all, text).add_argument
    add("--rounds", type=flags.count, default=7, metavar="N", help="of each contender; default 7")
    add("--json", action="store_true", help="print all that was measured as JSON")


def _add_app(group) -> None:
    text = "serve the app to a browser on this machine"
    launch.add_flags(_command(group, "app", commands.serve, text))


if __name__ == "__main__":
    sys.exit(main())
