"""Watch: the films of trainings, those that come with the project and those made here."""

from pathlib import Path

import streamlit as st

from helpers import places, widgets
from helpers.animation import film
from helpers.films import scene

OWN = "a training of mine"


def show() -> None:
    """The page."""
    widgets.head(
        "Watch",
        "See how a model learned, one frame an epoch: the films of the project, or of any run "
        "that was trained on this machine.",
    )
    films = _films()
    chosen = st.segmented_control("Film", [*films, OWN], default=_first(films), required=True)
    with widgets.one_line():
        if chosen == OWN:
            _own()
        else:
            _play(films[chosen])


def _first(films: dict[str, Path]) -> str:
    return OWN if st.session_state.get("trial") or not films else next(iter(films))


def _films() -> dict[str, Path]:
    folders = {places.REPOSITORY / "media", places.output("media", "x").parent}
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.mp4"))}


def _own() -> None:
    run = widgets.choose_run(films=True)
    if run is None:
        return
    path = _path(run.stem)
    fresh = path.exists() and path.stat().st_mtime > run.stem.with_suffix(".json").stat().st_mtime
    if not fresh:
        with st.spinner(f"Drawing {len(run.frames)} frames …"):
            film(
                scene(run.recipe, run.target),
                run.frames,
                path,
                min(25, max(2, len(run.frames) // 4)),
            )
    _play(path)


def _path(stem: Path) -> Path:
    """Beside a trial's run; for any other below build/app, never among what is committed."""
    if stem.name == "run":
        return stem.with_name("film.mp4")
    return places.output("build", "app", "films", f"{stem.parent.name}-{stem.name}.mp4")


def _play(path: Path) -> None:
    wide, _ = st.columns([4, 1])
    wide.video(str(path), loop=True, autoplay=True, muted=True)
    wide.download_button("Film (.mp4)", path.read_bytes, path.name, "video/mp4", on_click="ignore")


if __name__ == "__main__":
    show()
