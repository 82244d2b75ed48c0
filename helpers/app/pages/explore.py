"""Explore: walk through a model's latent space, and send points or pictures into it."""

import streamlit as st
import torch
from torch import Tensor

from helpers import training
from helpers.app import forms, render, saved
from helpers.images import readers
from helpers.images.figures import between, plane_walk
from helpers.runs import Run

REACH = 3.5  # standard deviations of the prior
STEPS = 12
CLOUD = 400  # samples of p(x | z)
MOST = 1e6  # of a coordinate


def show() -> None:
    """The page."""
    forms.head(
        "Explore",
        "Move a code through the latent plane and see what it decodes to, walk from one code to "
        "another, or let a VAE encode a point or a picture of yours.",
    )
    run = saved.choose()
    if run is None:
        return
    if run.recipe.latent > 2:
        st.caption(
            f"This run has {run.recipe.latent} latent dimensions: the first two move, the others "
            "rest at zero."
        )
    parts = {"Decode a code": _decode, "Walk between two": _walk}
    if hasattr(run.model, "encoder"):
        parts["Encode"] = _encode_image if run.target.domain == "images" else _encode_point
    words = {"required": True, "label_visibility": "collapsed", "key": "part"}
    chosen = st.segmented_control("What to do", list(parts), default="Decode a code", **words)
    with forms.one_line():
        parts[chosen](run, *st.columns([1, 2, 2], gap="medium"))


def _code(run: Run, key: str, start: tuple[float, float] = (0.0, 0.0)) -> list[float]:
    """Sliders for the first two numbers of a code."""
    labels = ("z₁", "z₂")[: run.recipe.latent]
    return [
        st.slider(label, -REACH, REACH, value, 0.05, key=f"{key} {label}")
        for label, value in zip(labels, start, strict=False)
    ]


def _latents(run: Run, z: Tensor) -> Tensor:
    """Codes (n, 1 or 2) with zeros for what a run has more, without what it has not."""
    wide = torch.zeros(len(z), max(run.recipe.latent, 2))
    wide[:, : z.shape[1]] = z
    return wide[:, : run.recipe.latent]


@torch.no_grad()
def _decoded(run: Run, z: Tensor) -> Tensor:
    """What codes (n, 1 or 2) decode to: (n, 2), or images (n, c, h, w)."""
    x = run.model.decode(_latents(run, z))
    return run.target.fold(x) if run.target.domain == "images" else x


def _map(run: Run, points: list[list[float]]) -> bytes:
    marks = [(*point, 0.0)[:2] for point in points]
    return render.latent(run.target, lambda z: _decoded(run, z), marks)


# ------------------------------------------------------------------------- from codes to data


def _decode(run: Run, controls, *panes) -> None:
    with controls:
        z = _code(run, "z")
    if run.target.domain == "plane":
        _decode_point(run, z, controls, *panes)
        return
    picture = render.images(_decoded(run, torch.tensor([z])), zoom=12)
    panes[0].image(picture, width=336, caption="decoded")
    walk = render.images(_decoded(run, plane_walk(12)))
    panes[1].image(walk, caption="the whole plane", width="stretch")


def _decode_point(run: Run, z: list[float], controls, *panes) -> None:
    code, cloud = torch.tensor([z]), None
    if hasattr(run.model, "encoder"):
        with torch.no_grad():
            many = _latents(run, code).expand(CLOUD, -1)
            cloud = run.model.draw(many, training.stream(0))
    x = _decoded(run, code)
    panes[0].image(_map(run, [z]), width="stretch")
    panes[1].image(render.decoded(run.target, x, cloud), width="stretch")
    with controls:
        st.markdown(f"decodes to **({x[0, 0]:.2f}, {x[0, 1]:.2f})**")
        if cloud is not None:
            st.caption("The dots are draws from p(x | z), the ring is its mean.")


def _walk(run: Run, controls, *panes) -> None:
    with controls:
        st.markdown("from ○")
        first = _code(run, "from", (-1.5, -1.0))
        st.markdown("to □")
        last = _code(run, "to", (1.5, 1.0))
    steps = _decoded(run, between(torch.tensor([first]), torch.tensor([last]), STEPS))
    if run.target.domain == "images":
        panes[0].image(render.images(steps, 4), caption="row by row", width="stretch")
        return
    panes[0].image(_map(run, [first, last]), width="stretch")
    panes[1].image(render.path(run.target, steps), width="stretch")


# ------------------------------------------------------------------------- from data to codes


def _encode_point(run: Run, controls, *panes) -> None:
    with controls:
        x = [st.number_input(label, value=0.0, step=0.1, key=label) for label in ("x₁", "x₂")]
    if None in x or max(map(abs, x)) > MOST:
        raise ValueError("x: give two numbers, neither beyond a million")
    code, back = _through(run, torch.tensor([x]))
    with controls:
        _tell(code)
    if run.recipe.latent > 1:
        panes[0].image(_map(run, code.mean[:, :2].tolist()), width="stretch")
    both = torch.cat([torch.tensor([x]), back])
    panes[1].image(render.decoded(run.target, both), width="stretch")
    panes[1].caption("○ the point, □ its reconstruction")


def _encode_image(run: Run, controls, *panes) -> None:
    with controls:
        kinds = ["png", "jpg", "jpeg"]
        sent = st.file_uploader("A picture of yours", kinds, max_upload_size=readers.MEGABYTES)
        dark = st.toggle("Dark ink on light paper", value=True, help="Digits are light on dark.")
        held_out = run.target.draws().test.points
        at = st.slider("or a held-out image", 0, min(99, len(held_out) - 1), 0, disabled=bool(sent))
    x = held_out[at][None]
    if sent:
        x = readers.read_upload(sent.getvalue(), run.target.shape, dark)
    code, back = _through(run, x)
    pair = render.images(run.target.fold(torch.cat([x, back])), 2, zoom=10)
    panes[0].image(pair, caption="the picture, and its reconstruction")
    with panes[1]:
        _tell(code)


@torch.no_grad()
def _through(run: Run, x: Tensor):
    """q(z | x) of a point (1, d), and what its mean decodes to."""
    code = run.model.encoder(x)
    return code, run.model.decode(code.mean)


def _tell(code) -> None:
    """Mean and standard deviation of each number of a code."""
    deviations = code.log_scale.exp().expand_as(code.mean)[0].tolist()
    pairs = zip(code.mean[0].tolist(), deviations, strict=True)
    lines = [f"z{i} = {mean:.2f} ± {deviation:.2f}" for i, (mean, deviation) in enumerate(pairs, 1)]
    shown = lines if len(lines) <= 8 else [*lines[:8], f"and {len(lines) - 8} more"]
    st.markdown("encoded as  \n" + "  \n".join(shown))


if __name__ == "__main__":
    show()
