"""Compare: two runs side by side, with the scores of each."""

import pandas as pd
import streamlit as st

from helpers import training
from helpers.app import forms, render, saved
from helpers.metrics import scorecard
from helpers.runs import Run
from helpers.samples import shown

SCORED = 10_000  # samples, whose ranges under the truth come with the project
SHOWN = {"plane": 2_000, "images": 64}  # samples
BETTER = {metric.name: metric.better for metric in scorecard.DEFAULT}


def show() -> None:
    """The page."""
    forms.head(
        "Compare",
        "Set two runs side by side. On the plane each score stands beside what fresh samples of "
        "the truth obtain.",
    )
    chosen = []
    for column, side in zip(st.columns(2, gap="large"), ("left", "right"), strict=True):
        with column, forms.one_line():
            run = saved.choose(side.capitalize(), side)
            chosen.append(run)
            if run:
                with forms.one_line():
                    x = render.sample(run, SHOWN[run.target.domain], 0)
                    alt = f"samples of {run.recipe.name}"
                    forms.picture(render.samples(run.target, x), alt)
                    if run.target.domain == "plane":
                        st.caption(render.beside(run.target, x))
    if len(chosen) == 2 and all(chosen):
        with forms.one_line():
            _scores(*chosen)


def _scores(left: Run, right: Run) -> None:
    if _what(left) != _what(right):
        st.warning(
            f"One learned {left.target.name}, the other {right.target.name}: their scores are of "
            "different targets, so they are not set side by side."
        )
    elif left.target.domain == "images":
        _stored(left, right)
    else:
        _taken(left, right)


def _what(run: Run) -> dict:
    """What a run learned; of images it does not matter here how many it saw."""
    return {k: value for k, value in run.target.definition().items() if k != "most"}


def _taken(left: Run, right: Run) -> None:
    """The scorecard of both, once it is asked for."""
    key = f"{left.stem} {right.stem}"
    about = "Seconds; on a target that was never scored before on this machine a minute."
    if st.button("Score both", type="primary", help=about):
        st.session_state["scored"] = key
    if st.session_state.get("scored") != key:
        return
    with st.spinner(f"Taking {len(BETTER)} scores of each …"):
        weights = [run.record["weights"] for run in (left, right)]
        card = _card(left, right, *weights)
    st.dataframe(_table(card), hide_index=True, width="stretch", height=530)
    st.caption(
        "✓ is where fresh samples of the truth would be, for all scores at once with "
        f"probability 95 %. {SCORED:,} samples of each."
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _card(_left: Run, _right: Run, left: str, right: str) -> pd.DataFrame:
    """The scorecard of two runs, which are known by the hashes of their weights."""
    columns = {"left": render.sample(_left, SCORED, 0), "right": render.sample(_right, SCORED, 0)}
    train = _left.target.draws().train.points
    return scorecard.scorecard(_left.target, columns, train, training.stream(1))


def _table(card: pd.DataFrame) -> pd.DataFrame:
    """The scorecard in words."""
    truth = card["truth"].map(shown)
    marks = {
        side: card[side]["value"].map(shown) + card[side]["inside"].map({True: " ✓", False: " ✗"})
        for side in ("left", "right")
    }
    return pd.DataFrame(
        {
            "score": card.index,
            **marks,
            "truth": truth["mean"],
            "truth's range": truth["low"] + " to " + truth["high"],
            "better": card.index.map(BETTER),
        }
    )


def _stored(left: Run, right: Run) -> None:
    """The scores that image runs keep from the end of their training."""
    if not (left.metrics and right.metrics):
        st.info("No stored scores: a training keeps them when it is complete.")
        return
    columns = {
        "left": left.metrics["fake"],
        "right": right.metrics["fake"],
        "training images": left.metrics["reference"],
    }
    table = pd.DataFrame(columns).map(shown)
    st.dataframe(table.rename_axis("score").reset_index(), hide_index=True, width="stretch")
    st.caption("Taken when each training ended, against held-out images.")
    if left.target.most != right.target.most:
        st.warning(
            "They saw different numbers of images and were scored against different numbers of "
            "held-out ones; an FID against fewer is higher."
        )


if __name__ == "__main__":
    show()
