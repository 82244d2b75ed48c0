"""The command line: `python -m helpers list|train|sample|evaluate|film`.

Flags of `train` are the fields of the recipe dataclasses. Whatever a user can get wrong ends
in one line on standard error and exit status 2.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from helpers import recipes, recording, runs, targets
from helpers.films import film_run
from helpers.loop import Diverged
from helpers.metrics import scorecard

FIXED = ("name", "idea", "family")  # fields that identify a recipe rather than tune it


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, OSError, Diverged) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was trained so far is saved, --resume goes on", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their flags."""
    top = argparse.ArgumentParser(prog="python -m helpers", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_list, _add_train, _add_sample, _add_evaluate, _add_film):
        add(commands)
    return top


def _command(commands, name: str, function, text: str) -> argparse.ArgumentParser:
    kind = argparse.ArgumentDefaultsHelpFormatter
    command = commands.add_parser(name, help=text, description=text, formatter_class=kind)
    command.set_defaults(command=function)
    return command


def _add_list(commands) -> None:
    _command(commands, "list", list_all, "show recipes and targets")


def _add_train(commands) -> None:
    command = _command(commands, "train", train, "train a recipe and save the run")
    command.add_argument("recipe", help="a name from `list`")
    command.add_argument("--target", default="gmm5", help="a name from `list` or a JSON file")
    command.add_argument(
        "--seed", type=int, default=runs.DATA_SEED, help="of weights, order, noise"
    )
    command.add_argument("--out", type=Path, help="folder for the run (none: below data/runs)")
    command.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    command.add_argument("--resume", action="store_true", help="go on where it was interrupted")
    tuning = command.add_argument_group(
        "the recipe's own numbers; what is not given stays as it is"
    )
    for name, (field, families) in _tunable().items():
        tuning.add_argument(f"--{name.replace('_', '-')}", **_flag(field, families))


def _tunable() -> dict[str, tuple[dataclasses.Field, str]]:
    """Each field that a flag can change, with the families that have it."""
    found: dict[str, tuple[dataclasses.Field, str]] = {}
    for kind, family in ((recipes.VAERecipe, "VAE"), (recipes.GANRecipe, "GAN")):
        for field in dataclasses.fields(kind):
            if field.name not in FIXED:
                before = found.get(field.name)
                found[field.name] = (field, f"{before[1]} and {family}" if before else family)
    return found


def _flag(field: dataclasses.Field, families: str) -> dict:
    unit, reason = field.metadata["unit"], field.metadata["reason"]
    several = isinstance(field.default, tuple)
    shown = " ".join(map(str, field.default)) if several else f"{field.default}"
    return {
        "type": int if several else type(field.default),
        "nargs": "+" if several else None,
        "default": argparse.SUPPRESS,
        "choices": field.metadata["options"]
        if families.count(" ") == 0 and field.metadata["options"]
        else None,
        "metavar": None if field.metadata["options"] else "N",
        "help": f"{families}; {unit + ', ' if unit else ''}usually {shown or 'none'}: {reason}",
    }


def _add_sample(commands) -> None:
    command = _command(commands, "sample", sample, "draw from a saved run")
    command.add_argument("run", help="recipe, recipe/seed7 or a path")
    command.add_argument("-n", type=int, default=100_000, help="number of samples")
    command.add_argument("-o", "--output", type=Path, required=True, help="a .npy file, (n, 2)")
    command.add_argument("--seed", type=int, default=0, help="of the latents")


def _add_evaluate(commands) -> None:
    text = "score samples, from any model, beside what fresh samples of the target score"
    command = _command(commands, "evaluate", evaluate, text)
    command.add_argument("samples", help="a .npy file of shape (n, 2), or a run")
    command.add_argument(
        "--target", help="a name from `list` or a JSON file (none: the run's, or gmm5)"
    )
    command.add_argument("--seed", type=int, default=1, help="of the reference samples")
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_film(commands) -> None:
    command = _command(commands, "film", film, "draw the film of a run that was trained here")
    command.add_argument("run", help="recipe, recipe/seed7 or a path")
    command.add_argument(
        "-o", "--output", type=Path, help="an .mp4 file (none: media/<recipe>.mp4)"
    )


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
    values = {name: getattr(options, name) for name in _tunable() if hasattr(options, name)}
    recipe = recipes.changed(
        base, **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    )
    stem = options.out / f"seed{options.seed}" if options.out else None
    common = {"stems": [stem], "resume": options.resume, "device": options.device}
    with tqdm(total=recipe.epochs, unit="epoch", disable=None) as bar:
        (run,) = recording.train(recipe, target, (options.seed,), watch=_follow(bar), **common)
    print(f"saved {run.stem}.json and .pt")
    print(json.dumps(run.metrics, indent=1))


def _follow(bar: tqdm):
    def watch(recorder: recording.Recorder) -> None:
        epoch = recorder.rows[-1]["epoch"]
        bar.update(epoch - bar.n)
        bar.set_postfix_str(f"within 3σ {recorder.rows[-1]['share']:.2%}")
        if bar.disable and (epoch % 50 == 0 or recorder.complete):
            print(recorder.line(), flush=True)

    return watch


def sample(options: argparse.Namespace) -> None:
    """Draw samples into a .npy file."""
    if options.n < 1:
        raise ValueError(f"-n {options.n}: must be at least 1")
    run = runs.find(options.run)
    points = run.sample(options.n, recording.stream(options.seed)).numpy()
    runs.replace_file(options.output, lambda path: np.save(path.open("wb"), points))
    print(f"{options.n:,} samples of {run.recipe.name}, seed {run.seed}, in {options.output}")


def evaluate(options: argparse.Namespace) -> None:
    """Print the scorecard of a file of samples or of a run."""
    points, target = _points(options)
    train_points = runs.data(target).train.points
    card = scorecard.scorecard(
        target, {"samples": points}, train_points, recording.stream(options.seed)
    )
    if options.json:
        print(json.dumps(_nested(card), indent=1))
    else:
        print(f"{len(points):,} samples against {target.name}")
        print(card.to_string(float_format=lambda value: f"{value:.4g}"))


def _nested(card) -> dict:
    """The scorecard as {metric: {truth: {...}, samples: {...}}}."""
    rows = card.astype(object).to_dict("index")
    return {metric: {f"{a} {b}": v for (a, b), v in row.items()} for metric, row in rows.items()}


def _points(options: argparse.Namespace) -> tuple[torch.Tensor, targets.GaussianMixture]:
    if Path(options.samples).suffix != ".npy":
        run = runs.find(options.samples)
        target = targets.named(options.target) if options.target else run.target
        return run.sample(100_000, recording.stream(0)), target
    try:
        array = np.load(options.samples, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{options.samples}: not an array of numbers ({error})") from None
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{options.samples}: {array.dtype} of shape {array.shape}, expected numbers (n, 2)"
        )
    return torch.from_numpy(array.astype(np.float32)), targets.named(options.target or "gmm5")


def film(options: argparse.Namespace) -> None:
    """Draw a run's film, poster, filmstrip and gif."""
    for path in film_run(runs.find(options.run), options.output):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
