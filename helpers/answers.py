"""Answers as a grader reads them: the question, then at most 150 words with computed numbers."""

from IPython.display import Markdown, display

MOST_WORDS = 150


class TooLong(ValueError):
    """An answer of more than 150 words."""


def answer(question: str, *paragraphs: str) -> None:
    """Show the question as a heading above the answer; raises TooLong beyond 150 words."""
    words = sum(len(paragraph.split()) for paragraph in paragraphs)
    if words > MOST_WORDS:
        raise TooLong(f"{question}: {words} words; say it in {MOST_WORDS}")
    display(Markdown("\n\n".join([f"### {question}", *paragraphs])))
