"""What pages ask for: the numbers of a recipe. What goes wrong is told in one line.

A form keeps what was set: Streamlit forgets a field that a page does not show, and everything when
the page is reloaded, so what the fields hold is put back at every run and kept in a file.
"""

import base64
import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence

import streamlit as st

from helpers import files, recipes
from helpers.app import limits

FAILURES = (ValueError, OSError, ArithmeticError, RuntimeError, MemoryError, LookupError)
KEPT = "form "  # how the key of a field begins that keeps what was set
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
    st.error(plain(said), icon=":material/error:")


def plain(said: str) -> str:
    """Words in which nothing becomes a link or a picture, wherever they come from."""
    return said.replace("[", "\\[")


def head(title: str, sentence: str) -> None:
    """A page's title, and what one does there."""
    st.title(title, anchor=False)
    st.markdown(sentence)


def picture(png: bytes, alt: str, width: str | int = "stretch", caption: str = "") -> None:
    """Show a PNG as it is, with the words for those who cannot see it.

    It travels within the page: a file of its own may be gone before a browser asks for it.
    """
    st.image(embedded(png), alt=alt, width=width, caption=caption or None)


def embedded(png: bytes) -> str:
    """A PNG as an address that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


# ----------------------------------------------------------------------- what was set before


def remember() -> None:
    """Put back what the fields of forms held, also before a reload; keep it for the next."""
    path, state = files.written("build", "app", "form.json"), st.session_state
    if "remembered" not in state:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for key, value in files.read_json(path).items():
                state.setdefault(key, value)
        state["remembered"] = {}
    held = {key: state[key] for key in map(str, list(state)) if key.startswith(KEPT)}
    for key, value in held.items():
        state[key] = value  # or Streamlit would drop it with its field
    if held != state["remembered"]:
        with files.optional():
            files.write_json(files.output("build", "app", "form.json"), held)
        state["remembered"] = held


def kept(name: str, value, among: Sequence | None = None) -> str:
    """The key of a field that begins with a value and keeps what is set, if that can be chosen."""
    key = KEPT + name
    if among is not None and st.session_state.get(key) not in among:
        st.session_state[key] = value
    st.session_state.setdefault(key, value)
    return key


# ----------------------------------------------------------------------- a recipe's numbers


def number(recipe: recipes.Recipe, name: str, without: Sequence[str] = ()):
    """A field for one number of a recipe, at the recipe's value, with its reason as help.

    Returns what was chosen, of options any but some; raises BadRecipe for what cannot be read.
    """
    field = next(f for f in dataclasses.fields(recipe) if f.name == name)
    value, key = getattr(recipe, name), f"{recipe.name} {name}"
    label, help = name.replace("_", " "), about(field)
    if field.metadata["options"]:
        among = [option for option in field.metadata["options"] if option not in without]
        return st.selectbox(label, among, key=kept(key, value, among), help=help)
    if isinstance(value, tuple):
        usual = " ".join(map(str, value))
        return widths(name, st.text_input(label, key=kept(key, usual), help=help))
    if isinstance(value, int):
        return whole(label, value, help, key)
    found = st.number_input(
        label, step=step(value), format="%g", key=kept(key, float(value)), help=help
    )
    return _given(label, found, value)


def whole(label: str, value: int, help: str, key: str = "") -> int:
    """A field for a whole number. Raises BadRecipe where there is none."""
    found = st.number_input(label, step=1, help=help, key=kept(key or label, value))
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
