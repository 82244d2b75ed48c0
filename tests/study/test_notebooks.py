"""Committed notebooks can be believed; planted faults are seen; rendering is all or nothing."""

import configparser
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat import v4

from helpers import claims
from helpers.files import REPOSITORY
from helpers.study import notebooks
from helpers.study.notebooks import BadNotebook, RenderFailed, code_cells, problems, render

COMMITTED = [path.relative_to(REPOSITORY).as_posix() for path in notebooks.listed()]


@pytest.fixture
def notebook(tmp_path):
    """A function that writes a notebook of the given code cells into a folder of its own."""

    def write(*sources, name="Tiny.ipynb"):
        cells = [v4.new_markdown_cell("# A tiny story"), *map(v4.new_code_cell, sources)]
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nbformat.write(v4.new_notebook(cells=cells), tmp_path / name)
        return tmp_path / name

    return write


def read(path):
    return nbformat.read(path, as_version=4)


# ------------------------------------------------------------------------------ what is committed


@pytest.mark.parametrize("name", COMMITTED)
def test_output_belongs_to_its_code(name):
    assert problems(REPOSITORY / name) == []


def outputs(path):
    """All printed lines and all Markdown that a notebook's cells have left."""
    lines, pages = [], []
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            lines += output.text.splitlines() if output.output_type == "stream" else []
            pages.append(output.get("data", {}).get("text/markdown", ""))
    return lines, pages


@pytest.mark.parametrize("name", COMMITTED)
def test_every_number_shown_is_that_of_the_committed_record(name, monkeypatch):
    monkeypatch.delenv("FIVE_GAUSSIANS_OUT")
    lines, pages = outputs(REPOSITORY / name)
    stem = (REPOSITORY / name).stem
    rows = claims.ledger(stem)
    shown = [line[2:] for line in lines if line.startswith(claims.HOLDS)]
    assert shown == [
        f"{row['claim']}  [{row['value']}]" if row["value"] else row["claim"] for row in rows
    ]
    answers = claims.answered(stem)
    assert [f"### {q}\n\n{text}" for q, text in answers.items()] == [
        page for page in pages if page.startswith("### ")
    ]


def test_nbval_compares_words_and_no_numbers():
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "tests" / "nbval.cfg", encoding="utf-8")
    mask = config["numbers"]
    for before, after in {
        "✓ share within 3σ  [0.9889]": "✓ share within Nσ  [N]",
        "✓ KL < 0  [-1.2e-05]": "✓ KL < N  [N]",
        "4,482 and 17,537 parameters, seeds 1, 2": "N and N parameters, seeds N, N",
        "e2e: nan, 5 %": "eNe: nan, N %",
    }.items():
        assert re.sub(mask["regex"], mask["replace"], before) == after


# --------------------------------------------------------------------------------------- checking


@pytest.fixture
def planted(notebook, tmp_path):
    """A function that plants a fault in a sound notebook and returns what is complained of."""
    path = notebook("size = 3", "print(size)")
    book = read(path)
    for count, cell in enumerate(book.cells[1:], start=1):
        cell.execution_count = count
    book.cells[2].outputs = [v4.new_output("stream", name="stdout", text="3\n")]
    book.metadata[notebooks.STAMP] = {"code": notebooks.code_hash(book)}

    def plant(fault):
        fault(SimpleNamespace(book=book, last=book.cells[2], folder=tmp_path))
        nbformat.write(book, path)
        return problems(path, tmp_path)

    return plant


def error(at):
    at.last.outputs = [v4.new_output("error", ename="ValueError", evalue="bad")]


def warning(at):
    at.last.outputs.append(v4.new_output("stream", name="stderr", text="careful\n"))


def widget(at):
    data = {notebooks.WIDGET: {"model_id": "a", "version_major": 2, "version_minor": 0}}
    at.last.outputs = [v4.new_output("display_data", data=data)]


def counts(*numbers):
    def fault(at):
        for cell, count in zip(at.book.cells[1:], numbers, strict=True):
            cell.execution_count = count

    return fault


def long_cell(lines):
    def fault(at):
        at.last.source = "\n".join(["1"] * lines)
        at.book.metadata[notebooks.STAMP] = {"code": notebooks.code_hash(at.book)}

    return fault


PARTED = "code and output have parted; run `make run`"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda at: None, []),
        (lambda at: at.book.cells[0].update(source="# A story told better"), []),
        (lambda at: at.book.cells.append(v4.new_code_cell("\n")), []),  # needs no count
        (lambda at: at.last.update(source="print(size) "), [PARTED]),
        (lambda at: at.book.metadata.pop(notebooks.STAMP), [PARTED]),
        (error, ["code cell 2 ended in ValueError: bad; correct it and run `make run`"]),
        (warning, ["code cell 2 wrote to stderr ('careful'); print it or mend its cause"]),
        (widget, ["code cell 2 shows a widget, which GitHub cannot; print a line"]),
        (lambda at: at.book.metadata.update(widgets={}), ["holds widget state, for which"]),
        (counts(2, 1), ["cells were executed in the order [2, 1], not 1 to 2; run `make run`"]),
        (counts(2, 3), ["cells were executed in the order [2, 3], not 1 to 2; run `make run`"]),
        (counts(1, None), ["1 of 2 code cells have not been executed; run `make run`"]),
        (long_cell(15), []),
        (long_cell(16), ["code cell 2 has 16 lines, at most 15 are read; split it"]),
        (
            lambda at: at.last.outputs[0].update(text="3" * 2_100_000),
            ["takes 2.1 MB of at most 2;"],
        ),
        (lambda at: at.last.outputs[0].update(text=f"in {at.folder}\n"), ["names a folder of"]),
    ],
)
def test_each_fault_is_named(planted, fault, expected):
    found = planted(fault)
    assert len(found) == len(expected)
    for complaint, start in zip(found, expected, strict=True):
        assert complaint.startswith(f"Tiny.ipynb: {start}")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', None])
def test_a_file_that_is_no_notebook_is_named(tmp_path, text):
    path = tmp_path / "Broken.ipynb"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    expected = "no such notebook" if text is None else "not a notebook"
    with pytest.raises(BadNotebook, match=f"Broken.ipynb: {expected}"):
        notebooks.read(path)


# -------------------------------------------------------------------------------------- rendering


def test_a_rendered_notebook(notebook, tmp_path, written, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    path = notebook(
        "import os, sys\nfrom pathlib import Path\nprint(sys.executable)",
        "",
        "print(Path.cwd().name)",
        "print(os.environ['OMP_NUM_THREADS'], os.environ['MPLBACKEND'])",
    )
    book = read(path)
    book.cells[1].metadata["execution"] = {"iopub.execute_input": "2001-01-01"}
    book.cells[1].metadata["tags"] = ["nbval-check-output"]
    book.metadata["widgets"] = {"state": {}}
    nbformat.write(book, path)
    render(path, timeout=60)
    book, terminal = read(path), capsys.readouterr().out
    texts = [cell.outputs[0].text for cell in code_cells(book)]
    assert texts[0] == f"{sys.executable}\n"
    assert texts[1] == f"{tmp_path.name}\n"
    assert texts[2] == "1 module://matplotlib_inline.backend_inline\n"
    assert problems(path, tmp_path) == []
    assert set(book.metadata) == {"kernelspec", "language_info", notebooks.STAMP}
    assert book.cells[1].metadata == {"tags": ["nbval-check-output"]}
    said = [line.split("min")[1].strip() for line in terminal.splitlines()]
    assert said == ["A tiny story", "done"]
    assert not (written / "build").exists()


def test_a_failed_notebook_stays_as_it_was(notebook, written, capsys):
    path = notebook("print('so far')", "raise ValueError('no good')", "print('never')")
    before = path.read_bytes()
    with pytest.raises(RenderFailed) as caught:
        render(path, timeout=60)
    assert str(caught.value) == (
        "Tiny.ipynb, cell 3 (A tiny story): ValueError: no good; "
        "notebook unchanged, see build/Tiny.failed.ipynb"
    )
    assert path.read_bytes() == before
    assert "raise ValueError('no good')" in capsys.readouterr().err
    copy = read(written / "build" / "Tiny.failed.ipynb")
    assert copy.cells[1].outputs[0].text == "so far\n"
    assert copy.cells[2].outputs[0].ename == "ValueError"
    assert copy.cells[3].execution_count is None


@pytest.mark.parametrize(
    ("source", "timeout", "reason"),
    [
        ("import time\ntime.sleep(60)", 1, "took over 1 s; raise --timeout"),
        ("import os\nos._exit(1)", 60, "its kernel died"),
    ],
)
def test_a_cell_that_does_not_end_is_named(notebook, source, timeout, reason):
    with pytest.raises(RenderFailed, match=f"cell 2 .*: {reason}"):
        render(notebook(source), timeout)


def test_an_edit_made_during_the_run_is_kept(notebook, monkeypatch):
    path = notebook("1")
    monkeypatch.setattr(notebooks, "_execute", lambda *_: path.write_text("mine"))
    with pytest.raises(RenderFailed, match="edited while it ran"):
        render(path)
    assert path.read_text(encoding="utf-8") == "mine"


def pretend(monkeypatch, failing=()):
    """Replace the rendering of one notebook; the list that it returns fills with the names."""
    done = []

    def rendered(path, timeout):
        done.append(path.name)
        return int(path.name in failing)

    monkeypatch.setattr(notebooks, "_render_apart", rendered)
    return done


def test_compare_comes_last_wherever_it_is_named(monkeypatch):
    done = pretend(monkeypatch)
    notebooks.render_all([Path("Compare.ipynb"), Path("VAE.ipynb"), Path("GAN.ipynb")])
    assert sorted(done[:2]) == ["GAN.ipynb", "VAE.ipynb"]
    assert done[2:] == ["Compare.ipynb"]


def test_compare_is_not_begun_after_a_failure(monkeypatch):
    done = pretend(monkeypatch, failing={"VAE.ipynb"})
    with pytest.raises(RenderFailed, match=r"not rendered: VAE\.ipynb; the reason stands above"):
        notebooks.render_all([Path("VAE.ipynb"), Path("GAN.ipynb"), Path("Compare.ipynb")])
    assert sorted(done) == ["GAN.ipynb", "VAE.ipynb"]


# --------------------------------------------------------------------------------- the command line


def test_notebooks_stand_in_reading_order(notebook, tmp_path):
    for name in ("labs/B.ipynb", "labs/A.ipynb", "Compare.ipynb", "VAE.ipynb", "Scratch.ipynb"):
        notebook("1", name=name)
    expected = ["VAE.ipynb", "Compare.ipynb", "labs/A.ipynb", "labs/B.ipynb"]
    assert notebooks.listed(tmp_path) == [tmp_path / name for name in expected]


def test_two_notebooks_render_in_processes_of_their_own(notebook):
    paths = [notebook("6 * 7", name=name) for name in ("One.ipynb", "Two.ipynb")]
    assert notebooks.main(["render", *map(str, paths)]) == 0
    for path in paths:
        assert read(path).cells[1].outputs[0].data["text/plain"] == "42"


def test_a_failure_ends_with_one_line_and_status_one(notebook, capsys):
    assert notebooks.main(["render", str(notebook("1 / 0"))]) == 1
    error = capsys.readouterr().err
    assert error.startswith("\n1 / 0\n")
    assert error.splitlines()[-1].startswith("Tiny.ipynb, cell 2 (A tiny story): ZeroDivisionError")


def test_check_prints_complaints_and_tells_by_its_status(notebook, capsys):
    assert notebooks.main(["check", str(notebook("1"))]) == 1
    assert PARTED in capsys.readouterr().out
    assert notebooks.main(["check", "None.ipynb"]) == 1
    assert "no such notebook" in capsys.readouterr().err


def test_summary_counts_claims_films_and_runs(notebook, tmp_path):
    for folder in ("media", "data/runs/a"):
        (tmp_path / folder).mkdir(parents=True)
    notebook("1", name="labs/First.ipynb")
    second = notebook("1", name="labs/Second.ipynb")
    book = read(second)
    book.metadata[notebooks.STAMP] = {"minutes": 7.5}
    nbformat.write(book, second)
    ledger = claims.Ledger("Second")
    ledger.claim("a", True)
    with pytest.raises(claims.ClaimFailed):
        ledger.claim("b", False)
    (tmp_path / "media" / "gan.mp4").write_bytes(b"0" * 1_500_000)
    for name in ("seed1.zip", "seed12.zip", "seed1.frames.zip", "seed1.checkpoint.zip"):
        (tmp_path / "data" / "runs" / "a" / name).touch()
    lines = [line.split() for line in notebooks.summary(tmp_path).splitlines()]
    assert lines[1] == ["labs/First.ipynb", "not", "run", "–"]
    assert lines[2] == ["labs/Second.ipynb", "7.5", "1", "of", "2"]
    assert lines[3] == ["film", "media/gan.mp4:", "1.5", "MB"]
    assert lines[4][0] == "2"
