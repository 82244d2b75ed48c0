"""Generate: samples of a saved run, from its prior or from latents that leave it."""

import io

import numpy as np
import streamlit as st

from helpers import widgets

NONE = "none: the prior itself"


def show() -> None:
    """The page."""
    widgets.head(
        "Generate",
        "Draw samples from a saved run. Perturb the latents to see what it makes of codes that it "
        "never met in training.",
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        run = widgets.choose_run()
        wanted = _wanted(run) if run else None
    if wanted is None:
        return
    with right, widgets.one_line():
        _result(run, *wanted)


def _wanted(run) -> tuple:
    """Number, seed, perturbation and its strength."""
    from helpers import shelf
    from helpers.galleries import Gallery

    n = st.number_input("samples", value=64 if isinstance(run.target, Gallery) else 2_000, step=1)
    seed = st.number_input("seed", value=0, step=1, help="The same seed draws the same samples.")
    way = st.selectbox("Perturbation of the latents", [NONE, *shelf.WAYS])
    if way == NONE:
        st.button("Generate", type="primary", key="generate")
        return n, seed, "", 0.0
    strengths = shelf.WAYS[way].strengths
    strength = st.slider(
        f"strength: {shelf.WAYS[way].unit}", strengths[0], strengths[-1], strengths[2]
    )
    st.button("Generate", type="primary", key="generate")
    return n, seed, way, strength


def _result(run, n: int, seed: int, way: str, strength: float) -> None:
    from helpers import shelf, views

    x = shelf.sample(run, n, seed, way, strength)
    picture = views.samples(run.target, x, f"{n:,} samples of {run.recipe.name}")
    st.image(picture, width=620)
    name = f"{run.recipe.name}-{n}"
    columns = st.columns(3)
    columns[0].download_button(
        "Samples (.npy)", lambda: _npy(x.numpy()), f"{name}.npy", on_click="ignore", width="stretch"
    )
    columns[1].download_button(
        "Picture (.png)", picture, f"{name}.png", "image/png", on_click="ignore", width="stretch"
    )
    if columns[2].button("Film …", width="stretch", help="The film of its training."):
        st.switch_page("screens/watch.py")


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


if __name__ == "__main__":
    show()
