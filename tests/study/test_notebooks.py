"""Committed notebooks can be believed; planted faults are seen; rendering is all or nothing."""

import base64
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbformat import v4
from PIL import Image

from helpers import claims
from helpers.files import REPOSITORY
from helpers.study import notebooks
from helpers.study.notebooks import BadNotebook, RenderFailed, code_cells, problems, render

STORY = notebooks.STORY
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
            lambda at: at.last.outputs[0].update(text="3" * 1_600_000),
            ["takes 1.6 MB of at most 1.5;"],
        ),
        (lambda at: at.last.outputs[0].update(text=f"in {at.folder}\n"), ["names a folder of"]),
    ],
)
def test_each_fault_is_named(planted, fault, expected):
    found = planted(fault)
    assert len(found) == len(expected)
    for complaint, start in zip(found, expected, strict=True):
        assert complaint.startswith(f"Tiny.ipynb: {start}")


def test_a_story_says_a_word_after_three_cells(notebook):
    def told(cells):
        return [p for p in problems(notebook(*["1"] * cells, name="VAE.ipynb")) if "row" in p]

    assert told(3) == []
    assert told(4) == ["VAE.ipynb: 4 code cells in a row, at most 3 are followed; say more"]


@pytest.mark.parametrize("name", STORY)
def test_the_argument_is_in_words(name):
    cells = read(REPOSITORY / name).cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    lines = [line for cell in cells if cell.cell_type == "code" for line in cell.source.split("\n")]
    assert words / sum(map(bool, lines)) > 3.5


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', None])
def test_a_file_that_is_no_notebook_is_named(tmp_path, text):
    path = tmp_path / "Broken.ipynb"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    expected = "no such notebook" if text is None else "not a notebook"
    with pytest.raises(BadNotebook, match=f"Broken.ipynb: {expected}"):
        notebooks.read(path)


# -------------------------------------------------------------------------------------- rendering


def test_a_rendered_notebook(notebook, tmp_path, written, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    path = notebook(
        "import os, sys\nfrom pathlib import Path\nprint(sys.executable)",
        "",
        "print(Path.cwd().name)",
        "print(os.environ['OMP_NUM_THREADS'], os.environ['MPLBACKEND'])",
    )
    book = read(path)
    book.metadata["widgets"] = {"state": {}}
    nbformat.write(book, path)
    render(path, timeout=60)
    book = read(path)
    texts = [cell.outputs[0].text for cell in code_cells(book)]
    assert texts[0] == f"{sys.executable}\n"
    assert texts[1] == f"{tmp_path.name}\n"
    assert texts[2] == "1 module://matplotlib_inline.backend_inline\n"
    assert problems(path, tmp_path) == []
    assert set(book.metadata) == {"kernelspec", "language_info", notebooks.STAMP}
    assert not (written / "build").exists()


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


# --------------------------------------------------------------------------------- the command line


def test_compare_comes_last_and_not_after_a_failure(monkeypatch):
    done, failing = [], set()

    def rendered(path, timeout):
        done.append(path.name)
        return int(path.name in failing)

    monkeypatch.setattr(notebooks, "_render_apart", rendered)
    named = [Path("Compare.ipynb"), Path("VAE.ipynb"), Path("GAN.ipynb")]
    notebooks.render_all(named)
    assert sorted(done[:2]) == ["GAN.ipynb", "VAE.ipynb"]
    assert done[2:] == ["Compare.ipynb"]
    failing.add("VAE.ipynb")
    with pytest.raises(RenderFailed, match=r"not rendered: VAE\.ipynb; the reason stands above"):
        notebooks.render_all(named)
    assert sorted(done[3:]) == ["GAN.ipynb", "VAE.ipynb"]


def test_a_failure_leaves_the_notebook_as_it_was_and_ends_with_one_line(notebook, written, capsys):
    path = notebook("print('so far')", "raise ValueError('no good')", "print('never')")
    before = path.read_bytes()
    assert notebooks.main(["render", str(path)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Tiny.ipynb, cell 3 (A tiny story): ValueError: no good; "
        "notebook unchanged, see build/Tiny.failed.ipynb"
    )
    assert path.read_bytes() == before
    copy = read(written / "build" / "Tiny.failed.ipynb")
    assert copy.cells[1].outputs[0].text == "so far\n"
    assert copy.cells[2].outputs[0].ename == "ValueError"


def test_check_prints_complaints_and_tells_by_its_status(notebook, capsys):
    assert notebooks.main(["check", str(notebook("1"))]) == 1
    assert PARTED in capsys.readouterr().out
    assert notebooks.main(["check", "None.ipynb"]) == 1
    assert "no such notebook" in capsys.readouterr().err


def test_heavy_pictures_become_jpeg_and_look_the_same():
    rng = np.random.default_rng(0)
    grain = Image.fromarray(rng.integers(90, 160, (400, 500, 3), np.uint8))
    plain = Image.new("RGB", (400, 300), "white")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x")])
    for picture in (grain, plain):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        data = {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": "a"}
        book.cells[0].outputs.append(nbformat.v4.new_output("display_data", data))
    kept = book.cells[0].outputs[1].copy()
    notebooks.lighten(book)
    heavy, light = book.cells[0].outputs
    assert light == kept
    assert set(heavy.data) == {"image/jpeg", "text/plain"}
    back = Image.open(io.BytesIO(base64.b64decode(heavy.data["image/jpeg"])))
    assert back.size == grain.size
    assert (
        np.abs(np.asarray(back, float) - np.asarray(grain, float)).mean() < 10
    )  # of noise with σ 20, the hardest there is
