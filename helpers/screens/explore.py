"""Explore: walk through a model's latent space, and send points or pictures into it."""

import streamlit as st
import torch

from helpers import shelf, uploads, views, widgets
from helpers.galleries import Gallery
from helpers.pictures import between, plane_walk
from helpers.runs import Run
from helpers.runs import data as points_of

REACH = 3.5  # standard deviations of the prior
STEPS = 12
CLOUD = 400  # samples of p(x | z)


def show() -> None:
    """The page."""
    widgets.head(
        "Explore",
        "Move a code through the latent plane and see what it decodes to, walk from one code to "
        "another, or let a VAE encode a point or a picture of yours.",
    )
    run = widgets.choose_run()
    if run is None:
        return
    if run.recipe.latent > 2:
        st.caption(
            f"This run has {run.recipe.latent} latent dimensions: the first two move, the others "
            "rest at zero."
        )
    parts = {"Decode a code": _decode, "Walk between two": _walk}
    if hasattr(run.model, "encoder"):
        parts["Encode"] = _encode
    words = {"required": True, "label_visibility": "collapsed", "key": "part"}
    chosen = st.segmented_control("What to do", list(parts), default="Decode a code", **words)
    with widgets.one_line():
        parts[chosen](run)


def _code(run: Run, key: str, start: tuple[float, float] = (0.0, 0.0)) -> list[float]:
    """Sliders for the first two numbers of a code."""
    labels = ("z₁", "z₂")[: run.recipe.latent]
    return [
        st.slider(label, -REACH, REACH, value, 0.05, key=f"{key} {label}")
        for label, value in zip(labels, start, strict=False)
    ]


def _latents(run: Run, z: torch.Tensor) -> torch.Tensor:
    """Codes (n, 1 or 2) with zeros for what a run has more, without what it has not."""
    wide = torch.zeros(len(z), max(run.recipe.latent, 2))
    wide[:, : z.shape[1]] = z
    return wide[:, : run.recipe.latent]


@torch.no_grad()
def _decoded(run: Run, z: torch.Tensor) -> torch.Tensor:
    return run.model.decode(_latents(run, z))


def _decode(run: Run) -> None:
    controls, *panes = st.columns([1, 2, 2], gap="medium")
    with controls:
        z = _code(run, "z")
    code = torch.tensor([z])
    if isinstance(run.target, Gallery):
        with panes[0]:
            image = run.target.fold(_decoded(run, code))
            st.image(views.images(image, zoom=12), width=336, caption="decoded")
        with panes[1]:
            walk = run.target.fold(_decoded(run, plane_walk(12)))
            st.image(views.images(walk), caption="the whole plane", width="stretch")
        return
    panes[0].image(_map(run, [z]), width="stretch")
    cloud = None
    if hasattr(run.model, "encoder"):
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            cloud = run.model.draw(_latents(run, code).expand(CLOUD, -1), generator)
    x = _decoded(run, code)
    panes[1].image(views.decoded(run.target, x, cloud), width="stretch")
    with controls:
        st.markdown(f"decodes to **({x[0, 0]:.2f}, {x[0, 1]:.2f})**")
        if cloud is not None:
            st.caption("The dots are draws from p(x | z), the ring is its mean.")


def _map(run: Run, points: list[list[float]]) -> bytes:
    marks = [(*point, 0.0)[:2] for point in points]
    return views.latent(run.target, lambda z: _decoded(run, z), marks)


def _walk(run: Run) -> None:
    controls, *panes = st.columns([1, 2, 2], gap="medium")
    with controls:
        st.markdown("from ○")
        first = _code(run, "from", (-1.5, -1.0))
        st.markdown("to □")
        last = _code(run, "to", (1.5, 1.0))
    ends = torch.tensor([first]), torch.tensor([last])
    if min(float(end.norm()) for end in ends) < 1e-6:
        st.info("A great circle needs two directions: move both codes away from zero.")
        return
    steps = _decoded(run, between(*ends, STEPS))
    if isinstance(run.target, Gallery):
        panes[0].image(
            views.images(run.target.fold(steps), 4), caption="row by row", width="stretch"
        )
        return
    panes[0].image(_map(run, [first, last]), width="stretch")
    panes[1].image(views.way(run.target, steps), width="stretch")


def _encode(run: Run) -> None:
    if isinstance(run.target, Gallery):
        _encode_image(run)
    else:
        _encode_point(run)


def _encode_point(run: Run) -> None:
    controls, *panes = st.columns([1, 2, 2], gap="medium")
    with controls:
        x = [st.number_input(label, value=0.0, step=0.1, key=label) for label in ("x₁", "x₂")]
    if None in x or max(map(abs, x)) > 1e6:
        raise shelf.BadDraw("x: give two numbers, neither beyond a million")
    code, back = _through(run, torch.tensor([x]))
    with controls:
        _say(code)
    if run.recipe.latent > 1:
        panes[0].image(_map(run, code.mean[:, :2].tolist()), width="stretch")
    both = torch.cat([torch.tensor([x]), back])
    panes[1].image(views.decoded(run.target, both), width="stretch")
    panes[1].caption("○ the point, □ its reconstruction")


@torch.no_grad()
def _through(run: Run, x: torch.Tensor):
    code = run.model.encoder(x)
    return code, run.model.decode(code.mean)


def _say(code) -> None:
    rows = zip(
        code.mean[0].tolist(), code.log_scale.exp().expand_as(code.mean)[0].tolist(), strict=True
    )
    lines = [f"z{i} = {mean:.2f} ± {std:.2f}" for i, (mean, std) in enumerate(rows, 1)]
    shown = lines if len(lines) <= 8 else [*lines[:8], f"and {len(lines) - 8} more"]
    st.markdown("encoded as  \n" + "  \n".join(shown))


def _encode_image(run: Run) -> None:
    controls, *panes = st.columns([2, 2, 1], gap="medium")
    with controls:
        sent = st.file_uploader(
            "A picture of yours", ["png", "jpg", "jpeg"], max_upload_size=uploads.MEGABYTES
        )
        dark = st.toggle("Dark ink on light paper", value=True, help="Digits are light on dark.")
        held_out = points_of(run.target).test.points
        at = st.slider("or a held-out image", 0, min(99, len(held_out) - 1), 0, disabled=bool(sent))
    x = uploads.read(sent.getvalue(), run.target, dark) if sent else held_out[at][None]
    code, back = _through(run, x)
    pair = run.target.fold(torch.cat([x, back]))
    panes[0].image(views.images(pair, 2, zoom=10), caption="the picture, and its reconstruction")
    with panes[1]:
        _say(code)


if __name__ == "__main__":
    show()
