"""Claims print, keep and stop; answers are short; records are read back or named."""

import numpy as np
import pytest
import torch

from helpers import claims
from helpers.claims import Ledger, NoClaims, TooLong, answered, ledger


@pytest.fixture
def shown(monkeypatch):
    """What answers display, as Markdown text."""
    pages = []
    monkeypatch.setattr(claims, "display", lambda page: pages.append(page.data))
    return pages


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("3.69 nats", "3.69 nats"),
        (np.int64(17537), "17,537"),
        (torch.tensor(2.0) / 3, "0.6667"),
        (float("nan"), "nan"),
        (True, "True"),
    ],
)
def test_values_are_shown_in_full_or_to_four_digits(value, shown, capsys):
    Ledger("TinyVAE").claim("the bound is tight", True, value)
    assert ledger("TinyVAE")[0]["value"] == shown
    assert capsys.readouterr().out == f"✓ the bound is tight  [{shown}]\n"


@pytest.mark.parametrize("kind", [bool, np.bool_, torch.tensor])
def test_a_false_claim_prints_records_and_raises(kind, capsys):
    story = Ledger("TinyGAN")
    story.claim("pigs walk", kind(True))
    with pytest.raises(AssertionError, match=r"does not hold: pigs fly  \[7\]"):
        story.claim("pigs fly", kind(False), 7)
    with pytest.raises(ValueError, match="ambiguous"):
        story.claim("several truth values", np.array([True, False]))
    assert capsys.readouterr().out == "✓ pigs walk\n✗ pigs fly  [7]\n"
    assert [row["mark"] for row in ledger("TinyGAN")] == [claims.HOLDS, claims.FAILS]


def test_the_ledger_reads_all_notebooks_in_sequence():
    for name in ("TinyVAE", "TinyGAN"):
        Ledger(name).claim("one", True, 1)
    row = {"number": 1, "claim": "one", "value": "1", "mark": "✓"}
    expected = [{"notebook": name, **row} for name in ("TinyGAN", "TinyVAE")]
    assert ledger("TinyGAN", "TinyVAE") == expected


def test_a_new_run_replaces_the_record_and_a_cell_run_again_its_claim(written):
    Ledger("TinyVAE").claim("old", True)
    fresh = Ledger("TinyVAE")
    assert [row["claim"] for row in ledger("TinyVAE")] == ["old"]
    for value in (1, 2):
        fresh.claim("σ is learned", True, value)
    assert [(row["number"], row["value"]) for row in ledger("TinyVAE")] == [(1, "2")]
    assert "σ is learned" in (written / "data/claims/TinyVAE.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("damage", [None, "{", "{}", "[]"])
def test_a_missing_or_damaged_record_is_named_with_the_remedy(written, damage):
    message = r"data/claims/Tiny\.json(;| is damaged;) run Tiny\.ipynb"
    if damage:
        Ledger("Tiny").claim("a", True)
        (written / "data" / "claims" / "Tiny.json").write_text(damage, encoding="utf-8")
    for read in (ledger, answered):
        with pytest.raises(NoClaims, match=message):
            read("Tiny")


def test_a_long_answer_is_refused_with_its_length_and_not_kept(shown):
    with pytest.raises(TooLong, match=r"Why\?: 151 words; say it in 150"):
        Ledger("Tiny").answer("Why?", "word " * 75, "word " * 76)
    assert shown == []
    Ledger("Tiny").answer("Why?", "word " * 75, "word " * 75)
    assert len(shown) == 1


def test_an_answer_stands_below_its_question_and_is_kept_beside_the_claims(shown):
    story = Ledger("Tiny")
    story.claim("a", True)
    story.answer("Why?", "Because of 3.", "Mostly.")
    story.answer("How?", "So.")
    story.answer("Why?", "Because of 4.")  # the cell is run again
    assert shown[0] == "### Why?\n\nBecause of 3.\n\nMostly."
    assert answered("Tiny") == {"Why?": "Because of 4.", "How?": "So."}
    assert [row["claim"] for row in ledger("Tiny")] == ["a"]
