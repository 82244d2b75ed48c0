"""Two surfaces for a hand: a picture that tells where it is clicked, a canvas that is drawn on.

Streamlit has neither. What either does can be done by fields beside it, too, so that no one needs
a mouse.
"""

import base64
import functools
from collections.abc import Callable

import numpy as np
import streamlit as st

from helpers.app import forms

SIDE = 280  # pixels of the canvas
PICTURE = """
export default function({ parentElement, data, setTriggerValue }) {
  const picture = parentElement.querySelector("img");
  picture.src = data.source;
  picture.alt = data.alt;
  picture.onclick = (click) => {
    const box = picture.getBoundingClientRect();
    setTriggerValue("at", [(click.clientX - box.left) / box.width,
                           1 - (click.clientY - box.top) / box.height]);
  };
}
"""
CANVAS = """
export default function({ parentElement, data, setTriggerValue }) {
  const canvas = parentElement.querySelector("canvas");
  if (canvas.ready) return;
  canvas.ready = true;
  const ink = canvas.getContext("2d");
  const clear = () => { ink.fillStyle = "black"; ink.fillRect(0, 0, canvas.width, canvas.height); };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width,
            (event.clientY - box.top) * canvas.height / box.height];
  };
  ink.lineWidth = 22; ink.lineCap = ink.lineJoin = "round"; ink.strokeStyle = "white";
  clear();
  if (data.kept) {  // what was drawn before the page was left
    const before = new Image();
    before.onload = () => ink.drawImage(before, 0, 0);
    before.src = data.kept;
  }
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    ink.beginPath(); ink.moveTo(...place(event)); ink.lineTo(...place(event)); ink.stroke();
  };
  canvas.onpointermove = (event) => {
    if (event.buttons) { ink.lineTo(...place(event)); ink.stroke(); }
  };
  canvas.onpointerup = () => setTriggerValue("drawn", canvas.toDataURL("image/png"));
  parentElement.querySelector("button").onclick = () => { clear(); setTriggerValue("drawn", ""); };
}
"""
LOOK = "font: inherit; padding: .3rem .8rem; border: 1px solid #c5c6cc; border-radius: .5rem"
BUTTON = f"<br><button style='{LOOK}; background: white; cursor: pointer'>Clear</button>"
WIDE = f"width: 100%; max-width: {SIDE}px; touch-action: none; cursor: crosshair"
SURFACES = {  # what HTML and script are registered under
    "picture": ("<img style='width: 100%; cursor: crosshair'>", PICTURE),
    "canvas": (
        f"<canvas width={SIDE} height={SIDE} style='{WIDE}' "
        f"aria-label='canvas to draw on'></canvas>{BUTTON}",
        CANVAS,
    ),
}


@functools.cache
def _surface(kind: str) -> Callable:
    html, script = SURFACES[kind]
    return st.components.v2.component(f"five_gaussians_{kind}", html=html, js=script)


def clicked(picture: bytes, key: str, alt: str) -> tuple[float, float] | None:
    """Show a PNG; where it was clicked a moment ago, as shares from the left and from below."""
    shown = {"source": forms.embedded(picture), "alt": alt}
    given = {"data": shown, "on_at_change": _nothing}
    at = _surface("picture")(key=key, **given).at
    return tuple(float(np.clip(share, 0, 1)) for share in at) if at else None


def drawn(key: str) -> bytes | None:
    """A canvas, black, for a white pen; what is on it as a PNG, once something was drawn."""
    given = {"data": {"kept": st.session_state.get(f"{key} kept", "")}}
    sent = _surface("canvas")(key=key, on_drawn_change=_nothing, **given).drawn
    if sent is not None:
        st.session_state[f"{key} kept"] = sent
    kept = st.session_state.get(f"{key} kept")
    return base64.b64decode(kept.partition(",")[2]) if kept else None


def _nothing() -> None:
    """A trigger is reported to whoever registered for it."""
