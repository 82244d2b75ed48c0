"""Answers as a grader reads them: the question, then at most 150 words with computed numbers."""

from collections.abc import Callable
from functools import partial

from IPython.display import Markdown, display

from helpers.claims import Ledger

MOST_WORDS = 150


class TooLong(ValueError):
    """An answer of more than 150 words."""


def kept_in(book: Ledger) -> Callable[..., None]:
    """`answer` for one notebook, whose ledger keeps what is shown."""
    return partial(answer, book)


def answer(book: Ledger, question: str, *paragraphs: str) -> None:
    """Show the question as a heading above the answer; raises TooLong beyond 150 words."""
    words = sum(len(paragraph.split()) for paragraph in paragraphs)
    if words > MOST_WORDS:
        raise TooLong(f"{question}: {words} words; say it in {MOST_WORDS}")
    text = "\n\n".join(paragraphs)
    book.note(question, text)
    display(Markdown(f"### {question}\n\n{text}"))
