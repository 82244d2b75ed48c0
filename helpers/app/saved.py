"""The saved runs that a page can show: those of the app's jobs, and those of the project."""

import re
from pathlib import Path

import streamlit as st

from helpers import files, runs
from helpers.app import forms, jobs
from helpers.runs import Run

SEED = re.compile(r"seed\d+")
FRAMES = ".frames.zip"  # what films are drawn from


def stems(films: bool = False) -> dict[str, Path]:
    """Where all runs lie that can be drawn from, or filmed, by name.

    First those of the app, `app/<job>`, the newest first, then `recipe/seed5`.
    """
    own = {f"app/{job}": stem for job in jobs.listed() for stem in _in(jobs.folder(job))}
    roots = files.REPOSITORY / "data" / "runs", files.written("data", "runs")
    kept = [stem for root in roots for folder in root.glob("*/") for stem in _in(folder)]
    kept.sort(key=lambda stem: (stem.parent.name, len(stem.name), stem.name))  # seed9, seed10
    found = own | {f"{stem.parent.name}/{stem.name}": stem for stem in kept}
    return {n: s for n, s in found.items() if not films or runs.file_of(s, FRAMES).exists()}


def filmed(run: Run) -> bool:
    """Whether what a run's film is drawn from is kept."""
    return runs.file_of(run.stem, FRAMES).exists()


def _in(folder: Path) -> list[Path]:
    every = (path.with_suffix("") for path in folder.glob("seed*.zip"))
    return [stem for stem in every if SEED.fullmatch(stem.name) and runs.has_weights(stem)]


def load(name: str) -> Run:
    """A saved run, kept in memory until it changes on disk. Raises BadRun."""
    stem = stems().get(name)
    if stem is None:
        raise runs.BadRun(f"{name[:80]!r}: no such run; choose one from the list, or train one")
    return _loaded(stem, runs.file_of(stem).stat().st_mtime_ns)


@st.cache_resource(max_entries=6, show_spinner="Loading the run …")
def _loaded(stem: Path, changed: int) -> Run:
    run = runs.read(stem)
    _ = run.model  # now, so that damaged weights are told here
    return run


def choose(label: str = "Run", key: str = "run", films: bool = False) -> Run | None:
    """Let a reader choose a saved run, or one with a film.

    None, and a word on what to do, until one is chosen.
    """
    names = list(stems(films))
    latest = None if key == "right" else f"app/{st.session_state.get('job')}"  # trained, watched
    before = st.session_state.get(f"chosen {key}") or latest
    index = names.index(before) if before in names else None
    words = {"placeholder": "Choose a saved run", "key": f"select {key}"}
    name = st.selectbox(label, names, index=index, format_func=title, **words)
    st.session_state[f"chosen {key}"] = name
    if name is None:
        st.info(_nothing(bool(names)))
        if st.button("Train one", type="primary", key=f"train for {key}"):
            st.switch_page("train.py")
        return None
    with forms.one_line():
        return load(name)
    return None


def _nothing(some: bool) -> str:
    """Why there is nothing to see yet, and what to do."""
    job = st.session_state.get("job")
    if job and (status := jobs.read(job)).active:
        where = f" (epoch {status.epoch} of {status.epochs})" if status.epochs else ""
        return f"{job} is training{where}. This page can show it once it is complete or stopped."
    more = ", or pick one of the project's" if some else ""
    return f"Nothing trained yet. Train a model{more}."


def title(name: str) -> str:
    """A run's name as a list shows it."""
    first, _, last = name.partition("/")
    return f"trained here: {last}" if first == "app" else f"{first}, seed {last[4:]}"
