"""Watch: the films of trainings, those that come with the project and those made here."""

from pathlib import Path

import streamlit as st

from helpers import animation, files
from helpers.app import forms, render, saved
from helpers.runs import Run, file_of

OWN = "a training of mine"


def show() -> None:
    """The page."""
    forms.head(
        "Watch",
        "See how a model learned, one frame an epoch: the films of the project, or of any run "
        "that was trained on this machine.",
    )
    films, key = _films(), "film shown"
    own = "job" in st.session_state or not films
    st.session_state.setdefault(key, OWN if own else next(iter(films)))
    if st.session_state.pop("film", False):
        st.session_state[key] = OWN
    words = {"required": True, "wrap": True, "format_func": _title, "key": key}
    chosen = st.segmented_control("Film", [*films, OWN], **words)
    with forms.one_line():
        if chosen != OWN:
            _show(films[chosen])
        elif run := saved.choose(films=True):
            if saved.running(run):
                st.info("It is still training; its film can be drawn once it is complete.")
            else:
                _show(_drawn(run))


def _films() -> dict[str, Path]:
    folders = {files.REPOSITORY / "media", files.written("media")}
    return {path.stem: path for folder in folders for path in sorted(folder.glob("[!.]*.mp4"))}


def _title(stem: str) -> str:
    """`digits_gan` as `digits · GAN`."""
    what, _, family = stem.rpartition("_")
    return stem if stem == OWN else f"{what or 'five Gaussians'} · {family.upper()}"


def _drawn(run: Run) -> Path:
    """The film of a run, drawn unless it is newer than the run."""
    path = _path(run.stem)
    with st.spinner("Drawing the film …"), render.LOCK:  # another page may be drawing it
        if not path.exists() or path.stat().st_mtime <= file_of(run.stem).stat().st_mtime:
            frames = run.frames
            rate = animation.frames_a_second(len(frames))
            animation.film(render.scene(run.recipe, run.target), frames, path, rate)
    return path


def _path(stem: Path) -> Path:
    """Beside a job's run; for any other below build/app, never among what is committed."""
    if stem.parent.parent == files.written("build", "app"):
        return stem.with_name("film.mp4")
    return files.output("build", "app", "films", f"{stem.parent.name}-{stem.name}.mp4")


def _show(path: Path) -> None:
    wide, _ = st.columns([4, 1])
    wide.video(str(path), loop=True, autoplay=True, muted=True)
    wide.download_button("Film (.mp4)", path.read_bytes, path.name, "video/mp4", on_click="ignore")


if __name__ == "__main__":
    show()
