"""Generate: samples of a saved run, from its prior or from latents that leave it."""

import io

import numpy as np
import streamlit as st

from helpers.app import forms, render, saved

NONE = "none: the prior itself"
LEGEND = "Each sample has its component's colour; lines hold 50, 90 and 99 % of the target's mass. "
FIRST = {"plane": 2_000, "images": 64}  # samples


def show() -> None:
    """The page."""
    forms.head(
        "Generate",
        "Draw samples from a saved run. Perturb the latents to see what it makes of codes that it "
        "never met in training.",
    )
    left, right = st.columns([2, 3], gap="large")
    wanted = None
    with left, forms.one_line():
        run = saved.choose()
        wanted = _wanted(run) if run else None
    if wanted is None:
        return
    with right, forms.one_line():
        _result(run, *wanted)


def _wanted(run) -> tuple:
    """Number, seed, perturbation and its strength."""
    n = st.number_input("samples", value=FIRST[run.target.domain], step=1)
    about = "The same seed draws the same samples."
    seed = st.number_input("seed", step=1, help=about, key=forms.kept("draw", 0))
    name = st.selectbox("Perturbation of the latents", [NONE, *render.WAYS])
    way, strength = render.WAYS.get(name), 0.0
    if way:
        ends = way.strengths[0], way.strengths[-1]
        strength = st.slider(way.unit, *ends, way.strengths[2])
    st.button("Draw again (a new seed)", type="primary", key="generate", on_click=_another)
    return n, seed, name if way else "", strength


def _another() -> None:
    st.session_state[f"{forms.KEPT}draw"] += 1


def _result(run, n: int, seed: int, way: str, strength: float) -> None:
    x = render.sample(run, n, seed, way, strength)
    picture = render.samples(run.target, x, f"{n:,} samples of {run.recipe.name}")
    forms.picture(picture, f"{n:,} samples of {run.recipe.name}", 620)
    if run.target.domain == "plane":
        st.caption(f"{LEGEND}{render.beside(run.target, x)}")
    saved.tell_running(run)
    name = f"{run.stem.parent.name}-seed{run.record['seed']}-{n}-draw{seed}"
    columns = st.columns(3)
    columns[0].download_button(
        "Samples (.npy)", lambda: npy(x.numpy()), f"{name}.npy", on_click="ignore", width="stretch"
    )
    columns[1].download_button(
        "Picture (.png)", picture, f"{name}.png", "image/png", on_click="ignore", width="stretch"
    )
    about = "The film of its training."
    if saved.filmed(run) and columns[2].button("Film", width="stretch", help=about):
        st.session_state["film"] = True  # of the run that is chosen here
        st.switch_page("watch.py")


def npy(array: np.ndarray) -> bytes:
    """An array as the .npy file that numpy reads."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


if __name__ == "__main__":
    show()
