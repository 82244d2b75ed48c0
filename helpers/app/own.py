"""A target of one's own: Gaussians set by clicking in the plane or by numbers, or a JSON file."""

import json
import re

import streamlit as st

from helpers import files
from helpers.app import forms, hands, limits
from helpers.app.limits import BadJob

KEY = "own components"  # of the session: a list of (x₁, x₂, standard deviation)
REACH = 5.0
EXTENT = (-REACH, REACH, -REACH, REACH)
MOST = 40  # components
FORM = (
    "For instance two Gaussians: `{'weights': [0.5, 0.5], 'means': [[0, 0], [2, 1]], "
    "'covariances': [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]}`, with double quotes."
)
NAME = re.compile(r"\w[\w -]{0,29}")


def fields() -> None:
    """What is set beside the plane; a target that was kept becomes the form's."""
    made = st.session_state.setdefault(KEY, [])
    st.markdown("Click in the plane to set a Gaussian, or give its place here.")
    spread = st.slider("standard deviation", 0.1, 1.5, 0.4, 0.05, key="own spread")
    first, second, button = st.columns(3, vertical_alignment="bottom")
    x, y = (
        column.number_input(label, -REACH, REACH, 0.0, 0.5, key=f"own {label}")
        for column, label in ((first, "x₁"), (second, "x₂"))
    )
    button.button("Add", key="own add", on_click=_add, args=(x, y, spread), width="stretch")
    undo, clear = st.columns(2)
    look = {"disabled": not made, "width": "stretch"}
    undo.button("Undo the last", key="own undo", on_click=lambda: made and made.pop(), **look)
    clear.button("Clear", key="own clear", on_click=made.clear, **look)
    st.caption(f"{len(made)} of at most {MOST} Gaussians, all of the same weight.")
    name = st.text_input("Name", "mine", max_chars=30, key="own name")
    words = {"type": "primary", "disabled": not made, "key": "own keep"}
    if st.button("Keep it, and learn it", **words):
        with forms.one_line():
            _keep(definition(name, made))
    sent = st.file_uploader("or a mixture as a JSON file", ["json"], key="own file", help=FORM)
    if sent and st.button("Keep the file's, and learn it", key="own keep file"):
        with forms.one_line():
            _keep(files.parse_json(sent.getvalue(), sent.name), name)


def plane() -> None:
    """The plane that is clicked in, with what was set so far."""
    from helpers.app import render  # it brings PyTorch: not for the form to wait for

    made = st.session_state.setdefault(KEY, [])
    about = f"plane with {len(made)} Gaussians, to be clicked in"
    at = hands.clicked(render.circles(made, EXTENT), "own plane", about)
    if at and (place := render.place(at, EXTENT)):
        _add(*place, st.session_state["own spread"])
        st.rerun()


def _add(x: float, y: float, spread: float) -> None:
    if len(made := st.session_state[KEY]) < MOST:
        made.append((round(x, 2), round(y, 2), spread))


def definition(name: str, made: list[tuple[float, float, float]]) -> dict:
    """The mixture of equal weights as a target's definition."""
    return {
        "kind": "mixture",
        "name": name,
        "weights": [1 / len(made)] * len(made),
        "means": [[x, y] for x, y, _ in made],
        "covariances": [[[s * s, 0.0], [0.0, s * s]] for *_, s in made],
    }


def _keep(given: dict, name: str = "") -> None:
    """Write a definition to where the form finds it. Raises BadTarget, BadJob."""
    path = save(given, name)
    st.session_state["chosen target"] = str(path)
    st.session_state[KEY] = []
    st.rerun()


def save(given: dict, name: str = ""):
    """Write a definition, under another name if one is given; returns its file.

    Raises BadTarget for what is no mixture, BadJob for a name that cannot be had.
    """
    from helpers import targets

    target = targets.from_definition(given, name or "definition")
    if not isinstance(target, targets.GaussianMixture):
        raise BadJob(
            f"{name or target.name}: no mixture of Gaussians; give weights, means and covariances"
        )
    name = name or target.name
    if not NAME.fullmatch(name):
        raise BadJob(f"name {name[:40]!r}: give 1 to 30 letters, digits, spaces or hyphens")
    taken = {*limits.targets().values(), *limits.PLANE, *limits.IMAGES}
    if name.casefold() in map(str.casefold, taken):
        raise BadJob(f"name {name!r}: there is a target of that name; choose another")
    path = files.output("build", "app", "targets", f"{name}.json")
    files.write_text(path, json.dumps(target.definition() | {"name": name}, indent=1))
    return path
