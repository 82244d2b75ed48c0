"""What several screens show: a recipe's numbers, a choice of run, mistakes in one line."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from helpers import flags, orders, recipes

if TYPE_CHECKING:  # brings PyTorch, which takes seconds to load: not for the first page
    from helpers.runs import Run

FAILURES = (ValueError, OSError, ArithmeticError, RuntimeError, MemoryError, LookupError)
CHOSEN = "chosen"  # of the session: the run that was looked at last


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Show what goes wrong within the block as one line."""
    try:
        yield
    except FAILURES as error:
        said = " ".join(str(error).split())[:400]
        st.error(said or type(error).__name__, icon=":material/error:")


class Mistakes(list):
    """What went wrong in several widgets, all of which are to be shown all the same."""

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Put aside what goes wrong within the block."""
        try:
            yield
        except FAILURES as error:
            self.append(error)

    def tell(self) -> None:
        """Show the first in one line."""
        with one_line():
            for error in self:
                raise error


def head(title: str, sentence: str) -> None:
    """A page's title, and what one does there."""
    st.title(title, anchor=False)
    st.markdown(sentence)


# ----------------------------------------------------------------------- a recipe's numbers


def number(recipe: recipes.Recipe, name: str, without: Sequence[str] = ()):
    """A widget for one number of a recipe, at the recipe's value, with its reason as help.

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
    """A widget for a whole number. Raises BadRecipe where there is none."""
    found = st.number_input(label, value=value, step=1, help=help, **words)
    return _given(label, found, value)


def _given(label: str, found, usual):
    if found is None:
        raise recipes.BadRecipe(f"{label}: no number; give one, for instance {usual:g}")
    return found


def about(field: dataclasses.Field) -> str:
    """A field's unit, reason and bounds."""
    unit, reason = field.metadata["unit"], field.metadata["reason"]
    bounds = recipes.BOUNDS.get(field.name)
    if bounds is None:
        return f"Default {field.default}: {reason}."
    most = min(bounds[1], orders.MOST.get(field.name, math.inf))
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
    """The numbers of a recipe that widgets can change."""
    return [f.name for f in dataclasses.fields(recipe) if f.name not in flags.FIXED | {"start"}]


# ------------------------------------------------------------------------------ saved runs


@st.cache_resource(max_entries=6, show_spinner="Loading the run …")
def _loaded(name: str, changed: float) -> "Run":
    from helpers import shelf

    return shelf.load(name)


def load(name: str) -> "Run":
    """A saved run, kept in memory until it changes on disk. Raises BadRun."""
    from helpers import shelf

    record = shelf.stem(name).with_suffix(".json")
    return _loaded(name, record.stat().st_mtime)


def choose_run(label: str = "Run", key: str = "run", films: bool = False) -> "Run | None":
    """Let a reader choose a saved run, or one with a film.

    None, and a word on what to do, until one is chosen.
    """
    with st.spinner("Loading PyTorch, once …"):
        from helpers import shelf
    names = shelf.filmed() if films else shelf.names()
    before = st.session_state.get(f"{CHOSEN} {key}") or _latest(names, key)
    index = names.index(before) if before in names else None
    name = st.selectbox(
        label,
        names,
        index=index,
        format_func=shelf.label,
        placeholder="Choose a saved run",
        key=f"select {key}",
    )
    st.session_state[f"{CHOSEN} {key}"] = name
    if name is None:
        nothing_yet(key)
        return None
    with one_line():
        return load(name)
    return None


def _latest(names: list[str], key: str) -> str | None:
    """The run that this session trained or watched last, for all but a second choice."""
    name = f"app/{st.session_state.get('trial', '')}"
    return name if name in names and key != "right" else None


def nothing_yet(key: str) -> None:
    """Say that no run is chosen, and lead to where one is trained."""
    st.info("No run is chosen yet: choose a saved one above, or train one.")
    if st.button("Train one", type="primary", key=f"train for {key}"):
        st.switch_page("screens/train.py")
