"""The saved runs that a page can show: those of the app's jobs, and those of the project.

A job's run is there from its first epoch on, and grows while it trains.
"""

import re
from collections import Counter
from pathlib import Path

import streamlit as st

from helpers import experiments, files, runs
from helpers.app import forms, jobs, limits
from helpers.runs import Run

SEED = re.compile(r"seed\d+")
FRAMES = ".frames.zip"  # what films are drawn from
SECOND = "Choose a second run to set beside the first."


def stems(films: bool = False) -> dict[str, Path]:
    """Where the runs lie that can be drawn from, or filmed, by name.

    First those of the app, `app/<job>`, the newest first; then of each recipe of the project the
    first of seeds 5, 0, 1 … as `recipe/seed5`, by target.
    """
    own = {f"app/{job}": stem for job in jobs.listed() for stem in _in(jobs.folder(job))}
    roots = files.REPOSITORY / "data" / "runs", files.written("data", "runs")
    folders = sorted((f for root in roots for f in root.glob("*/")), key=lambda f: _rank(f.name))
    kept = {folder.name: stem for folder in folders for stem in _in(folder)[:1]}
    found = own | {f"{name}/{stem.name}": stem for name, stem in kept.items()}
    return {n: s for n, s in found.items() if not films or runs.file_of(s, FRAMES).exists()}


def _rank(folder: str) -> tuple:
    """The order of the project's runs: by target, then by recipe."""
    recipe, target = _parts(folder)
    order = [*limits.PLANE, *limits.IMAGES]
    return order.index(target) if target in order else len(order), recipe


def _parts(folder: str) -> tuple[str, str]:
    """Recipe and target of a folder of runs, as in `gan-digits@digits-28`."""
    recipe, _, target = folder.partition("@")
    return recipe, target.rpartition("-")[0] or target or "gmm5"


def filmed(run: Run) -> bool:
    """Whether what a run's film is drawn from is kept."""
    return runs.file_of(run.stem, FRAMES).exists()


def _in(folder: Path) -> list[Path]:
    every = (path.with_suffix("") for path in folder.glob("seed*.zip"))
    numbered = [stem for stem in every if SEED.fullmatch(stem.name) and runs.has_weights(stem)]
    return sorted(numbered, key=lambda stem: (stem.name != "seed5", len(stem.name), stem.name))


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
    own = [name for name in names if name.startswith("app/")]
    watched = f"app/{st.session_state.get('job')}"
    latest = watched if "job" in st.session_state else next(iter(own), None)
    if second := key == "right":  # beside another
        latest = next((n for n in own if n != st.session_state.get("chosen left")), None)
    before = st.session_state.get(f"chosen {key}") or latest
    index = names.index(before) if before in names else None
    words = {"placeholder": "Choose a saved run", "key": f"select {key}"}
    name = st.selectbox(label, names, index=index, format_func=_titles(names).get, **words)
    st.session_state[f"chosen {key}"] = name
    if name is None:
        st.info(SECOND if second and len(names) > 1 else _nothing(bool(names)))
        if st.button("Train one", type="primary", key=f"train for {key}"):
            st.switch_page("train.py")
        return None
    with forms.one_line():
        return load(name)
    return None


def _nothing(some: bool) -> str:
    """Why there is nothing to see yet, and what to do."""
    job = st.session_state.get("job")
    if job in jobs.listed() and (status := jobs.read(job)).active:
        return f"{jobs.title(job)}: this page opens after its first epoch ({status.epoch} so far)."
    more = ", or pick one of the project's" if some else ""
    return f"Nothing trained yet. Train a model{more}."


def _titles(names: list[str]) -> dict[str, str]:
    """A title for each name; those that are alike get the end of the name, to tell them apart."""
    found = {name: title(name) for name in names}
    alike = Counter(found.values())
    return {n: f"{told} ({n[-4:]})" if alike[told] > 1 else told for n, told in found.items()}


def title(name: str) -> str:
    """A run's name as a list shows it."""
    first, _, last = name.partition("/")
    if first == "app":
        return jobs.title(last)
    recipe, target = _parts(first)
    where = limits.targets().get(target, target)
    known = experiments.RECIPES.get(recipe)
    family = f"{known.family.upper()} · " if known else ""
    return f"{where} · {family}{recipe} · seed {last[4:]}"


def tell_running(run: Run) -> None:
    """Say of a run that is still trained which epoch is shown."""
    if running(run):
        epoch = run.history["epoch"][-1]
        st.caption(f"Still training: drawn from epoch {epoch:.0f}.")


def running(run: Run) -> bool:
    """Whether a run is still being trained."""
    job = run.stem.parent.name
    return f"app/{job}" in stems() and jobs.read(job).active
