"""Explore: walk through a model's latent space, and send points or pictures into it."""

import streamlit as st
import torch
from torch import Tensor

from helpers import maps, training
from helpers.app import forms, hands, limits, render, saved
from helpers.images import readers
from helpers.images.figures import between, plane_walk
from helpers.images.metrics import nearest
from helpers.runs import Run

REACH = 3.5  # standard deviations of the prior
STEPS = 12
CLOUD = 400  # samples of p(x | z)
CODES = 1_000  # held-out points over the latent plane
SLIDERS = 32  # at the most
MOST = 1e6  # of a coordinate
DECODES = "Click to decode what lies there."


def show() -> None:
    """The page."""
    forms.head(
        "Explore",
        "Move a code and see what it decodes to, walk from one code to another, or let a VAE "
        "encode a point or a picture of yours.",
    )
    with forms.one_line():
        _parts(saved.choose())


def _parts(run: Run | None) -> None:
    """What can be done with a run."""
    if run is None:
        return
    parts = {"Decode a code": _decode, "Walk between two": _walk}
    if hasattr(run.model, "encoder"):
        parts["Encode"] = _encode_image if _pictured(run) else _encode_point
    words = {"required": True, "label_visibility": "collapsed", "key": "part"}
    chosen = st.segmented_control("What to do", list(parts), default="Decode a code", **words)
    saved.tell_running(run)
    parts[chosen](run, *st.columns([1, 2, 2], gap="medium"))


def _pictured(run: Run) -> bool:
    return run.target.domain == "images"


@torch.no_grad()
def _decoded(run: Run, z: Tensor) -> Tensor:
    """What codes (n, latent) decode to: (n, 2), or images (n, c, h, w)."""
    x = run.model.decode(z)
    return run.target.fold(x) if _pictured(run) else x


def _latents(run: Run, z: Tensor) -> Tensor:
    """Codes (n, 1 or 2) with zeros for what a run has more, without what it has not."""
    wide = torch.zeros(len(z), max(run.recipe.latent, 2))
    wide[:, : z.shape[1]] = z
    return wide[:, : run.recipe.latent]


# ----------------------------------------------------------------------- numbers of a code


def _key(key: str, i: int) -> str:
    """Of the field of a code's number."""
    return f"{key} z{i + 1}"


def _code(run: Run, key: str, start: tuple[float, ...] = ()) -> Tensor:
    """Sliders for the numbers of a code, (1, latent); beyond SLIDERS they rest."""
    latent, shown = run.recipe.latent, min(run.recipe.latent, SLIDERS)
    code = list(st.session_state.get(_rest(run, key), [0.0] * latent))
    for i in range(shown):
        if i == 2:
            st.caption("The other numbers of the code:")
        name = _key(key, i)
        st.session_state.setdefault(name, start[i] if i < len(start) else 0.0)
        code[i] = st.slider(f"z{i + 1}", -REACH, REACH, step=0.05, key=name)
    return torch.tensor([code])


def _rest(run: Run, key: str) -> str:
    """Of the numbers of a code that have no slider."""
    return f"{key} of {run.stem}"


def _set(run: Run, key: str, code: list[float]) -> None:
    """Move the sliders of a code."""
    st.session_state[_rest(run, key)] = code
    for i, value in enumerate(code[:SLIDERS]):
        st.session_state[_key(key, i)] = min(max(round(value, 2), -REACH), REACH)


def _random(run: Run, key: str) -> None:
    draw = st.session_state[f"{key} draw"] = st.session_state.get(f"{key} draw", 0) + 1
    _set(run, key, _drawn_code(run, draw)[0].tolist())


def _drawn_code(run: Run, seed: int) -> Tensor:
    """A code (1, latent) of the prior."""
    return torch.randn(1, run.recipe.latent, generator=training.stream(seed))


def _from_click(run: Run, key: str) -> None:
    """A click that the page has not shown yet moves the first two numbers."""
    if at := st.session_state.pop(f"{key} clicked", None):
        _set(run, key, [*at, *([0.0] * (run.recipe.latent - 2))])


def _clickable(run: Run, key: str, marks: list[list[float]], what: str = DECODES) -> None:
    """The latent plane with held-out codes over it; a click moves the code, `what` says which."""
    codes, labels = _held_out(run, str(run.stem), run.record["weights"])
    picture = _plane(run, marks, codes, labels)
    at = hands.clicked(picture, f"{key} plane", "latent plane, to be clicked in")
    if at and (place := render.place(at, maps.LATENT)):
        st.session_state[f"{key} clicked"] = list(place)
        st.rerun()
    dots = "" if codes is None else " Dots: codes of held-out data."
    st.caption(f"{what}{dots}")


def _plane(run: Run, marks: list[list[float]], codes, labels) -> bytes:
    return render.latent(
        run.target, lambda z: _decoded(run, _latents(run, z)), marks, codes, labels
    )


@st.cache_data(max_entries=16, show_spinner="Encoding held-out data …")
@torch.no_grad()
def _held_out(_run: Run, stem: str, weights: str) -> tuple[Tensor | None, Tensor | None]:
    """Codes (n, 2) of held-out points, with labels; of a GAN, and of one number, none."""
    if not hasattr(_run.model, "encoder") or _run.recipe.latent < 2:
        return None, None
    held_out = _draws(_run).test
    codes = _run.model.encoder(held_out.points[:CODES]).mean
    return codes[:, :2], held_out.components[:CODES]


def _draws(run: Run):
    """The points of a run's target, drawn now where they are images not drawn before."""
    words = f"Reading {run.target.name}; drawing it, where it is a first time, takes minutes …"
    with st.spinner(words, show_time=True):
        return run.target.draws()


# ------------------------------------------------------------------------- from codes to data


def _decode(run: Run, controls, *panes) -> None:
    _from_click(run, "code")
    with controls:
        st.button("A random code", key="random", on_click=_random, args=(run, "code"))
        z = _code(run, "code")
    if not _pictured(run):
        _decode_point(run, z, controls, *panes)
        return
    picture = _decoded(run, z)
    with panes[0]:
        forms.picture(
            render.images(picture, zoom=_zoom(run)), "decoded image", "content", "decoded"
        )
        if st.toggle("The nearest training image", help="By pixels: is this one a copy?"):
            train = _draws(run).train.points
            near = run.target.fold(train[nearest(train, picture.flatten(1))])
            drawn = render.images(near, zoom=_zoom(run))
            forms.picture(drawn, "training image", "content", "nearest training image")
    with panes[1]:
        if run.recipe.latent == 2:
            walk = render.images(_decoded(run, plane_walk(12)))
            forms.picture(walk, "images over the latent plane", caption="the whole plane")
        if hasattr(run.model, "encoder") and run.recipe.latent > 1:
            _clickable(run, "code", z[:, :2].tolist())


def _zoom(run: Run) -> int:
    return max(1, 300 // run.target.shape[-1])


def _decode_point(run: Run, z: Tensor, controls, *panes) -> None:
    cloud = None
    if hasattr(run.model, "encoder"):
        with torch.no_grad():
            cloud = run.model.draw(z.expand(CLOUD, -1), training.stream(0))
    x = _decoded(run, z)
    with panes[0]:
        if run.recipe.latent > 1:
            _clickable(run, "code", z[:, :2].tolist())
    with panes[1]:
        forms.picture(render.decoded(run.target, x, cloud), "the data plane")
    with controls:
        st.markdown(f"decodes to **({x[0, 0]:.2f}, {x[0, 1]:.2f})**")
        if cloud is not None:
            st.caption("The dots are draws from p(x | z), the ring is its mean.")


def _walk(run: Run, controls, *panes) -> None:
    if _pictured(run):
        _walk_between_images(run, controls, *panes)
        return
    _from_click(run, "to")
    with controls:
        st.markdown("from ○")
        first = _code(run, "from", (-1.5, -1.0))
        st.markdown("to □")
        last = _code(run, "to", (1.5, 1.0))
    steps = _decoded(run, between(first, last, STEPS))
    if run.recipe.latent > 1:
        with panes[0]:
            ends = [*first[:, :2].tolist(), *last[:, :2].tolist()]
            _clickable(run, "to", ends, "A click moves □. The way is an arc about the origin.")
    with panes[1]:
        forms.picture(render.path(run.target, steps), "the way decoded")


def _walk_between_images(run: Run, controls, *panes) -> None:
    """From one held-out image to another, or, of a GAN, from one random code to another."""
    known = hasattr(run.model, "encoder")
    what, held_out = ("held-out image", _draws(run).test.points) if known else ("random code", [])
    most = min(100, len(held_out) or 100) - 1
    with controls:
        first, last = (
            st.number_input(f"{way} {what}, number", 0, most, start, key=f"walk {way} {most}")
            for way, start in (("from", 0), ("to", 1))
        )
    if known:
        with torch.no_grad():
            ends = run.model.encoder(held_out[[first, last]]).mean
    else:
        ends = torch.cat([_drawn_code(run, seed) for seed in (first, last)])
    steps = _decoded(run, between(ends[:1], ends[1:], STEPS))
    with panes[0]:
        forms.picture(render.images(steps, 4), "images from one to the other", caption="row by row")


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
        held_out = _held_out(run, str(run.stem), run.record["weights"])
        picture = _plane(run, code.mean[:, :2].tolist(), *held_out)
        with panes[0]:
            forms.picture(picture, "the latent plane")
            st.caption("○ the point's code. Dots: codes of held-out data.")
    both = torch.cat([torch.tensor([x]), back])
    with panes[1]:
        forms.picture(render.decoded(run.target, both), "the data plane")
        outside = render.beside(run.target, both).replace("All", "Both")
        st.caption(f"○ the point, □ its reconstruction. {outside}")


def _encode_image(run: Run, controls, *panes) -> None:
    ways = {"a held-out image": _held_out_image, "an upload": _uploaded, "a drawing": _drawing}
    with controls:
        way = st.radio("What to encode", list(ways), key="encode")
        x = ways[way](run)
    if x is None:
        return
    code, back = _through(run, x)
    pair = render.images(run.target.fold(torch.cat([x, back])), 2, zoom=max(1, _zoom(run) - 2))
    with panes[0]:
        about = "the picture, and its reconstruction"
        forms.picture(pair, about, "content", about)
    with panes[1]:
        _tell(code)


def _held_out_image(run: Run) -> Tensor:
    held_out = _draws(run).test.points
    at = st.slider("number", 0, min(99, len(held_out) - 1), 0)
    return held_out[at][None]


def _uploaded(run: Run) -> Tensor | None:
    kinds = ["png", "jpg", "jpeg"]
    sent = st.file_uploader("A picture of yours", kinds, max_upload_size=readers.MEGABYTES)
    if sent is None:
        st.caption(f"JPEG or PNG, at most {readers.MEGABYTES} MB; cut to a square.")
        return None
    return readers.read_upload(sent.getvalue(), run.target.shape, on_dark=_on_dark(run))


def _drawing(run: Run) -> Tensor | None:
    st.caption("Draw with mouse, pen or finger.")
    png = hands.drawn("canvas")
    return readers.read_upload(png, run.target.shape) if png else None


def _on_dark(run: Run) -> bool:
    """Whether a run's images are light on dark, as digits are."""
    known = limits.IMAGES.get(run.target.source)
    return known is not None and known.kind == "digits"


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
