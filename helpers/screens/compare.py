"""Compare: two runs side by side, with the scores of each."""

import pandas as pd
import streamlit as st
import torch

from helpers import scoring, shelf, views, widgets
from helpers.galleries import Gallery
from helpers.runs import Run
from helpers.runs import data as points_of

SCORED = 10_000  # samples, whose ranges under the truth come with the project
SHOWN = {True: 64, False: 2_000}  # images, points


def show() -> None:
    """The page."""
    widgets.head(
        "Compare",
        "Set two runs side by side. On the plane each score stands beside what fresh samples of "
        "the truth obtain.",
    )
    columns = st.columns(2, gap="large")
    chosen = []
    for column, side in zip(columns, ("left", "right"), strict=True):
        with column:
            run = widgets.choose_run(side.capitalize(), side)
            chosen.append(run)
            if run:
                with widgets.one_line():
                    n = SHOWN[isinstance(run.target, Gallery)]
                    x = shelf.sample(run, n, 0)
                    st.image(views.samples(run.target, x), width="stretch")
    if all(chosen):
        with widgets.one_line():
            _scores(*chosen)


def _scores(left: Run, right: Run) -> None:
    if left.target.definition() != right.target.definition():
        st.warning(
            f"One learned {left.target.name}, the other {right.target.name}: their scores are of "
            "different targets, so they are not set side by side."
        )
        return
    if isinstance(left.target, Gallery):
        _stored(left, right)
        return
    key = f"{left.stem} {right.stem}"
    if st.button(
        "Score both",
        type="primary",
        help="Seconds; on a target that was never scored before on this machine a minute.",
    ):
        st.session_state["scored"] = key
    if st.session_state.get("scored") == key:
        with st.spinner("Taking 14 scores of each …"):
            st.dataframe(_table(left, right), hide_index=True, width="stretch", height=530)
        st.caption(
            "✓ is where fresh samples of the truth would be, corrected for the number of "
            f"scores (Holm). {SCORED:,} samples of each."
        )


def _table(left: Run, right: Run) -> pd.DataFrame:
    cards = [_card(run, str(run.stem), run.record["weights"]) for run in (left, right)]
    rows = zip(*cards, strict=True)
    return pd.DataFrame(
        [
            {
                "score": a.metric,
                "left": _marked(a),
                "right": _marked(b),
                "truth": scoring.shown(a.truth_mean),
                "truth's range": f"{scoring.shown(a.low)} to {scoring.shown(a.high)}",
                "better": a.better,
            }
            for a, b in rows
        ]
    )


def _marked(row: scoring.Row) -> str:
    return f"{scoring.shown(row.value)} {'✓' if row.inside else '✗'}"


@st.cache_data(max_entries=32, show_spinner=False)
def _card(_run: Run, stem: str, weights: str) -> list[scoring.Row]:
    """The scorecard of a run, known by where it lies and by its weights."""
    x = shelf.sample(_run, SCORED, 0)
    train = points_of(_run.target).train.points
    return scoring.score(_run.target, x, train, torch.Generator().manual_seed(1))


def _stored(left: Run, right: Run) -> None:
    """The scores that image runs keep from the end of their training."""
    if not (left.metrics and right.metrics):
        st.info("No stored scores: a training that was stopped early keeps none.")
        return
    rows = [
        {
            "score": name,
            "left": scoring.shown(value),
            "right": scoring.shown(right.metrics["fake"].get(name, float("nan"))),
            "held-out images": scoring.shown(left.metrics["reference"][name]),
        }
        for name, value in left.metrics["fake"].items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption("Taken when each training ended, against held-out images.")


if __name__ == "__main__":
    show()
