"""What pages ask for: the numbers of a recipe. What goes wrong is told in one line."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence

import streamlit as st

from helpers import recipes
from helpers.app import limits

FAILURES = (ValueError, OSError, ArithmeticError, RuntimeError, MemoryError, LookupError)
FIXED = {"name", "idea", "family", "domain", "start"}  # what identifies a recipe


@contextlib.contextmanager
def one_line(aside: list[str] | None = None) -> Iterator[None]:
    """Show what goes wrong within the block as one line, or put the line aside."""
    try:
        yield
    except FAILURES as error:
        said = " ".join(str(error).split())[:400] or type(error).__name__
        if aside is None:
            complain(said)
        else:
            aside.append(said)


def complain(said: str) -> None:
    """Show what went wrong."""
    st.error(said, icon=":material/error:")


def head(title: str, sentence: str) -> None:
    """A page's title, and what one does there."""
    st.title(title, anchor=False)
    st.markdown(sentence)


# ----------------------------------------------------------------------- a recipe's numbers


def number(recipe: recipes.Recipe, name: str, without: Sequence[str] = ()):
    """A field for one number of a recipe, at the recipe's value, with its reason as help.

    Returns what was chosen, of options any but some; raises BadRecipe for what cannot be read.
    """
    field = next(f for f in dataclasses.fields(recipe) if f.name == name)
    value = getattr(recipe, name)
    words = {"key": f"{recipe.name} {name}", "help": about(field)}
    label = name.replace("_", " ")
    if field.metadata["options"]:
        among = [option for option in field.metadata["options"] if option not in without]
        return st.selectbox(label, among, index=among.index(value), **words)
    if isinstance(value, tuple):
        return widths(name, st.text_input(label, " ".join(map(str, value)), **words))
    if isinstance(value, int):
        return whole(label, value, **words)
    found = st.number_input(label, value=value, step=step(value), format="%g", **words)
    return _given(label, found, value)


def whole(label: str, value: int, help: str, **words) -> int:
    """A field for a whole number. Raises BadRecipe where there is none."""
    found = st.number_input(label, value=value, step=1, help=help, **words)
    return _given(label, found, value)


def _given(label: str, found, usual):
    if found is None:
        raise recipes.BadRecipe(f"{label}: no number; give one, for instance {usual:g}")
    return found


def about(field: dataclasses.Field) -> str:
    """A recipe field's bounds, unit and reason."""
    unit, reason = field.metadata["unit"], field.metadata["reason"]
    bounds = recipes.BOUNDS.get(field.name)
    if bounds is None:
        return f"Default {field.default}: {reason}."
    most = min(bounds[1], limits.MOST.get(field.name, math.inf))
    range_ = f"{bounds[0]:,g} to {most:,.10g}"
    return f"{range_}{' ' + unit if unit else ''}. The usual value: {reason}."


def step(value: float) -> float:
    """A tenth of the value's own size."""
    return 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 0.1


def widths(name: str, text: str) -> tuple[int, ...]:
    """Numbers with spaces or commas between them. Raises BadRecipe for anything else."""
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() and len(word) < 10 for word in words):
        raise recipes.BadRecipe(f"{name} = {text[:40]!r}: give whole numbers, as in 64 128")
    return tuple(map(int, words))


def tunable(recipe: recipes.Recipe) -> list[str]:
    """The fields of a recipe that can be changed."""
    return [f.name for f in dataclasses.fields(recipe) if f.name not in FIXED]
