"""An answer is short, and shows its question."""

import pytest

from helpers import answers
from helpers.claims import Ledger, answered


@pytest.fixture
def shown(monkeypatch):
    """What an answer displays, as Markdown text."""
    pages = []
    monkeypatch.setattr(answers, "display", lambda page: pages.append(page.data))
    return pages


def test_the_question_stands_above_the_answer(shown):
    answers.answer(Ledger("Tiny"), "Why?", "Because.", "Mostly.")
    assert shown == ["### Why?\n\nBecause.\n\nMostly."]


def test_a_long_answer_is_refused_with_its_length(shown):
    with pytest.raises(answers.TooLong, match="151 words; say it in 150"):
        answers.answer(Ledger("Tiny"), "Why?", "word " * 151)
    assert shown == []


def test_150_words_are_allowed(shown):
    answers.answer(Ledger("Tiny"), "Why?", "word " * 75, "word " * 75)
    assert len(shown) == 1


def test_what_is_shown_is_kept_and_asking_again_replaces_it(shown):
    answer = answers.kept_in(Ledger("Tiny"))
    answer("Why?", "Because of 3.", "Mostly.")
    answer("How?", "So.")
    answer("Why?", "Because of 4.")
    assert answered("Tiny") == {"Why?": "Because of 4.", "How?": "So."}
    assert len(shown) == 3
