import json

import numpy as np
import pytest
import torch

from helpers.claims import ClaimFailed, Ledger, NoClaims, ledger


def test_a_claim_that_holds_prints_one_line_with_its_value(capsys):
    Ledger("TinyVAE").claim("the bound is tight", True, 0.0123456)
    assert capsys.readouterr().out == "✓ the bound is tight  [0.01235]\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("3.69 nats", "3.69 nats"),
        (18054, "18,054"),
        (np.int64(17537), "17,537"),
        (3.14159265, "3.142"),
        (np.float32(0.5), "0.5"),
        (torch.tensor(2.0) / 3, "0.6667"),
        (float("nan"), "nan"),
        (True, "True"),
    ],
)
def test_values_are_shown_in_full_or_to_four_digits(value, shown):
    Ledger("TinyVAE").claim("a", True, value)
    assert ledger("TinyVAE")[0]["value"] == shown


def test_a_line_without_a_value_has_no_brackets(capsys):
    Ledger("TinyVAE").claim("all five modes are found", True)
    assert capsys.readouterr().out == "✓ all five modes are found\n"


@pytest.mark.parametrize("false", [False, np.bool_(False), torch.tensor(False), np.array(1) > 2])
def test_a_false_claim_prints_records_and_raises(false, capsys):
    with pytest.raises(ClaimFailed, match=r"does not hold: pigs fly  \[7\]"):
        Ledger("TinyGAN").claim("pigs fly", false, 7)
    assert capsys.readouterr().out == "✗ pigs fly  [7]\n"
    assert ledger("TinyGAN")[0]["mark"] == "✗"


def test_a_failed_claim_is_an_assertion():
    assert issubclass(ClaimFailed, AssertionError)


@pytest.mark.parametrize("true", [True, np.bool_(True), torch.tensor(1.0) > 0])
def test_truth_values_of_arrays_and_tensors_hold(true):
    Ledger("TinyGAN").claim("a", true)
    assert ledger("TinyGAN")[0]["mark"] == "✓"


def test_several_truth_values_are_refused_and_not_recorded():
    with pytest.raises(ValueError, match="ambiguous"):
        Ledger("TinyGAN").claim("a", np.array([True, False]))
    with pytest.raises(NoClaims):
        ledger("TinyGAN")


def test_the_ledger_reads_all_notebooks_in_order():
    for name in ("TinyVAE", "TinyGAN"):
        book = Ledger(name)
        book.claim("one", True, 1)
        book.claim("two", True, 2)
    assert ledger("TinyGAN", "TinyVAE") == [
        {"notebook": name, "number": number, "claim": claim, "value": str(number), "mark": "✓"}
        for name in ("TinyGAN", "TinyVAE")
        for number, claim in ((1, "one"), (2, "two"))
    ]


def test_a_new_run_replaces_the_record_at_its_first_claim():
    Ledger("TinyVAE").claim("old", True)
    fresh = Ledger("TinyVAE")
    assert [row["claim"] for row in ledger("TinyVAE")] == ["old"]
    fresh.claim("new", True)
    assert [row["claim"] for row in ledger("TinyVAE")] == ["new"]


def test_a_cell_run_again_replaces_its_claim():
    book = Ledger("TinyVAE")
    for value in (1, 2):
        book.claim("a", True, value)
    assert [(row["number"], row["value"]) for row in ledger("TinyVAE")] == [(1, "2")]


def test_each_claim_is_on_disk_at_once_and_alone(written):
    Ledger("TinyVAE").claim("σ is learned", True)
    folder = written / "data" / "claims"
    assert [path.name for path in folder.iterdir()] == ["TinyVAE.json"]
    record = json.loads((folder / "TinyVAE.json").read_text(encoding="utf-8"))
    assert record["claims"][0]["claim"] == "σ is learned"


def test_an_interrupted_write_leaves_the_earlier_record(written, monkeypatch):
    Ledger("TinyVAE").claim("before", True)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Ledger("TinyVAE").claim("after", True)
    assert [row["claim"] for row in ledger("TinyVAE")] == ["before"]


def test_a_notebook_without_a_record_is_named_with_the_remedy():
    with pytest.raises(NoClaims, match=r"Missing: .*data/claims/Missing\.json; run Missing\.ipynb"):
        ledger("Missing")


def test_a_damaged_record_is_named_with_the_remedy(written):
    Ledger("TinyVAE").claim("a", True)
    (written / "data" / "claims" / "TinyVAE.json").write_text("{", encoding="utf-8")
    with pytest.raises(NoClaims, match=r"TinyVAE\.json is damaged; run TinyVAE\.ipynb"):
        ledger("TinyVAE")
