"""Which pages there are: the file that Streamlit runs.

It lies among the pages: beside a folder called `pages` Streamlit would run those by themselves.
"""

from pathlib import Path

import streamlit as st

from helpers.app import forms

PAGES = {  # file: title, icon
    "train": ("Train", ":material/model_training:"),
    "generate": ("Generate", ":material/scatter_plot:"),
    "explore": ("Explore", ":material/explore:"),
    "compare": ("Compare", ":material/compare:"),
    "watch": ("Watch", ":material/movie:"),
}
ICON = Path(__file__).parents[1] / "icon.png"
# Streamlit leaves a hand's breadth above a page, and titles fit for a poster; its captions are too
# pale to read, it fades a page that is being redrawn, and hardly shows where the keyboard is.
STYLE = """<style>
.stMainBlockContainer {padding-top: 4.5rem; padding-bottom: 2rem; max-width: 1400px}
h1 {font-size: 1.9rem !important; padding: 0 !important}
[data-testid=stCaptionContainer] {color: #4a4a55 !important; opacity: 1 !important}
[data-stale=true] {opacity: 1 !important; transition: none !important}
:focus-visible {outline: 3px solid #5E3C99 !important; outline-offset: 2px}
@media (max-width: 640px) {.stMainBlockContainer {padding-left: 1rem; padding-right: 1rem}}
</style>"""


def show() -> None:
    """Show the page that the address names."""
    # An icon of our own: Streamlit would ask another host for one.
    words = {"page_title": "Two ways to five Gaussians", "layout": "wide"}
    st.set_page_config(page_icon=ICON, **words)
    st.html(STYLE)
    forms.remember()
    pages = [
        st.Page(f"{name}.py", title=title, icon=icon, default=name == "train")
        for name, (title, icon) in PAGES.items()
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":
    show()
