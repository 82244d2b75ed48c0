"""What the command line accepts: values checked as they are read, flags made from the recipes."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

from helpers import recipes

FIXED = frozenset({"name", "idea", "family"})  # these identify a recipe rather than tune it
FAMILIES = {"VAE": recipes.VAERecipe, "GAN": recipes.GANRecipe}
MOST = 10_000_000  # samples; 80 MB


def seed(text: str) -> int:
    """A whole number that a generator of random numbers can start from."""
    return _whole(text, 0, 2**63 - 1)


def count(text: str) -> int:
    """How many samples to draw."""
    return _whole(text, 1, MOST)


def _whole(text: str, least: int, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{value} is not from {least} to {most}")
    return value


def ending(suffix: str) -> Callable[[str], Path]:
    """A reader of paths that end as they must."""

    def path(text: str) -> Path:
        if Path(text).suffix != suffix:
            raise argparse.ArgumentTypeError(f"{text!r} must end in {suffix}")
        return Path(text)

    return path


def add_tuning(command: argparse.ArgumentParser) -> None:
    """One flag for each number of a recipe, with reason, unit and default of each family."""
    words = "a recipe's numbers", "What is not given stays as the recipe has it."
    group = command.add_argument_group(*words)
    for name, families in tunable().items():
        group.add_argument(f"--{name.replace('_', '-')}", **_flag(families))


def tuned(options: argparse.Namespace) -> dict:
    """The numbers that were given, by field name."""
    given = {name: getattr(options, name) for name in tunable() if hasattr(options, name)}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}


def tunable() -> dict[str, dict[str, dataclasses.Field]]:
    """Each field that a flag can change, as each family that has it knows it."""
    found: dict[str, dict[str, dataclasses.Field]] = {}
    for family, kind in FAMILIES.items():
        for field in dataclasses.fields(kind):
            if field.name not in FIXED:
                found.setdefault(field.name, {})[family] = field
    return found


def _flag(families: dict[str, dataclasses.Field]) -> dict:
    field = next(iter(families.values()))
    several = isinstance(field.default, tuple)
    kind = int if several else type(field.default)
    return {
        "type": kind,
        "nargs": "+" if several else None,
        "default": argparse.SUPPRESS,
        "metavar": {int: "N", float: "X", str: "NAME"}[kind],
        "help": _help(families).replace("%", "%%"),
    }


def _help(families: dict[str, dataclasses.Field]) -> str:
    if len(families) == 2 and len({_about(field) for field in families.values()}) == 1:
        families = {"both": families["VAE"]}
    return "; ".join(f"{family}: {_about(field)}" for family, field in families.items())


def _about(field: dataclasses.Field) -> str:
    """Default, unit, reason and possible values, as in "250 passes (the assignment's)"."""
    value = field.default
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else f"{value}" or "none"
    unit, options = field.metadata["unit"], ", ".join(field.metadata["options"])
    among = f", of {options}" if options else ""
    return f"default {shown}{' ' + unit if unit else ''} ({field.metadata['reason']}){among}"
