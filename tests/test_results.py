"""The README's numbers are those of the committed runs."""

from helpers import results
from helpers.places import REPOSITORY


def test_the_readme_shows_the_committed_results(capsys):
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    shown = text.split(results.OPEN)[1].split(results.CLOSE)[0]
    assert shown == results.table(), "run `python -m helpers.results`"
    assert capsys.readouterr().out == ""  # no run is out of date


def test_a_changed_record_would_be_seen(monkeypatch):
    before = results.table()
    load = results.runs.load

    def better(recipe, target, seed):
        run = load(recipe, target, seed)
        run.record["metrics"]["share"] = 0.5
        return run

    monkeypatch.setattr(results.runs, "load", better)
    assert results.table() != before
