"""The README's numbers are those of the committed records."""

import pytest

from helpers import results
from helpers.places import REPOSITORY


def test_the_readme_shows_the_committed_results():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert text == results.filled(text), "run `python -m helpers.results`"


@pytest.mark.parametrize(
    ("record", "table"), [("portraits", results.scores), ("mixtures", results.mixed)]
)
def test_a_changed_record_would_be_seen(monkeypatch, record, table):
    before = table()
    load = results.evidence.load

    def better(name):
        found = load(name)
        if name == record == "portraits":
            found["gan/seed0"]["share"] = 0.5
        if name == record == "mixtures":
            found["ring8"]["GAN"]["2500"][0]["share"] = 0.5
        return found

    monkeypatch.setattr(results.evidence, "load", better)
    assert table() != before


def test_each_table_goes_between_its_own_markers(monkeypatch):
    monkeypatch.setattr(results, "TABLES", {"one": lambda: "1\n", "two": lambda: "2\n"})
    text = "a\n<!-- two -->\nold\n<!-- /two -->\nb\n<!-- one -->\n<!-- /one -->\nc"
    expected = "a\n<!-- two -->\n2\n<!-- /two -->\nb\n<!-- one -->\n1\n<!-- /one -->\nc"
    assert results.filled(text) == expected
    with pytest.raises(ValueError):
        results.filled("no markers")
