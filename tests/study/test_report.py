"""The README's numbers are those of the committed records."""

import pytest

from helpers.files import REPOSITORY
from helpers.study import report


def test_the_readme_shows_the_committed_results():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert text == report.filled(text), "run `python -m helpers.study.report`"


def divergences(share, **values):
    apart = {"forward": [0.25, 0.01], "total_variation": [0.125, 0.01]}
    return {"share": share, "weight_kl": 2e-4, "divergences": apart, **values}


def record(name):
    """Made-up records: two seeds of each recipe, the second with a mode less."""
    if name == "summaries":
        first = divergences(0.5, trained=1_234, modes=5)
        hole = first["divergences"] | {"forward": [None, None]}
        second = first | {"share": 0.75, "modes": 4, "divergences": hole}
        pairs = {row: (first, second if row != "vae" else first) for row in report.ROWS}
        return {f"{row}/seed{s}": one for row, pair in pairs.items() for s, one in enumerate(pair)}
    if name == "pace":
        return dict.fromkeys(report.ROWS, 2.0)
    if name == "baselines":
        return {"Gaussian mixture by EM": divergences(0.99, sampler=29, seconds=3.4)}
    seed = {"modes": 8, "share": 0.5, "reverse_kl": 0.25}
    rows = {row: {"2500": [seed, seed | {"modes": 7}]} for row in report.MIXED}
    return {"ring8": rows, "grid25": rows}


@pytest.fixture
def made_up(monkeypatch):
    """Tables from made-up records."""
    truth = {"within 3σ": [0.98, 1.0], "mode weight KL": [1e-5, 3e-5], "modes covered": [5, 5]}
    monkeypatch.setattr(report, "truth_scores", lambda target, n: truth)
    monkeypatch.setattr(report.records, "load", record)


def test_a_row_is_the_mean_of_its_seeds(made_up):
    table = report.scores()
    for line in (
        "the same, trained faster | 1,234 | 160 | 5 on 1 of 2 seeds | 62.5 % | 2e-04 | infinite |",
        "VAE, as assigned (unit variance) | 1,234 | 500 | 5 on every seed | 50.0 % | 2e-04 "
        "| 0.250 nats | 0.125 |",
        "| *a Gaussian mixture fitted by EM* | 29 | 3 | | 99.0 % | 2e-04 | 0.250 nats | 0.125 |",
        "| *fresh samples of the truth* | | | 5 | 99.0 % | 2e-05 | 0 | 0 |",
    ):
        assert line in table
    assert {line.count("|") for line in table.splitlines()} == {9}


def test_each_table_goes_between_its_own_markers(monkeypatch):
    monkeypatch.setattr(report, "TABLES", {"one": lambda: "1\n", "two": lambda: "2\n"})
    text = "a\n<!-- two -->\nold\n<!-- /two -->\nb\n<!-- one -->\n<!-- /one -->\nc"
    expected = "a\n<!-- two -->\n2\n<!-- /two -->\nb\n<!-- one -->\n1\n<!-- /one -->\nc"
    assert report.filled(text) == expected
    with pytest.raises(ValueError):
        report.filled("no markers")
