import sys

import nbformat
import pytest

from helpers import freshness, rendering


@pytest.fixture
def rendered(notebook, tiny, monkeypatch, capsys):
    """One notebook that tells of its surroundings, rendered; with what the terminal showed."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    path = notebook(
        "import os, sys\nfrom pathlib import Path\nprint(sys.executable)",
        "",
        "print(Path.cwd().name)",
        "print(os.environ['OMP_NUM_THREADS'], os.environ['MPLBACKEND'])",
        name="Story.ipynb",
    )
    book = nbformat.read(path, as_version=4)
    book.cells[1].metadata["execution"] = {"iopub.execute_input": "2001-01-01"}
    book.cells[1].metadata["tags"] = ["nbval-check-output"]
    book.metadata["widgets"] = {"state": {}}
    nbformat.write(book, path)
    rendering.render(path, timeout=60, root=tiny)
    return path, nbformat.read(path, as_version=4), capsys.readouterr().out


def test_a_rendered_notebook(rendered, tiny, written):
    path, book, terminal = rendered
    texts = [cell.outputs[0].text for cell in freshness.code_cells(book)]
    assert texts[0] == f"{sys.executable}\n"
    assert texts[1] == f"{tiny.name}\n"
    assert texts[2] == "1 module://matplotlib_inline.backend_inline\n"
    assert freshness.problems(path, tiny) == []
    assert set(book.metadata) == {"kernelspec", "language_info", freshness.STAMP}
    assert book.cells[1].metadata == {"tags": ["nbval-check-output"]}
    assert [line.split("min")[1].strip() for line in terminal.splitlines()] == [
        "A tiny story",
        "done",
    ]
    assert not (written / "build").exists()


def test_a_failed_notebook_stays_as_it_was(notebook, tiny, written, capsys):
    path = notebook("print('so far')", "raise ValueError('no good')", "print('never')")
    before = path.read_bytes()
    with pytest.raises(rendering.RenderFailed) as caught:
        rendering.render(path, timeout=60, root=tiny)
    assert str(caught.value) == (
        "Tiny.ipynb, cell 3 (A tiny story): ValueError: no good; "
        "notebook unchanged, see build/Tiny.failed.ipynb"
    )
    assert path.read_bytes() == before
    assert "raise ValueError('no good')" in capsys.readouterr().err
    copy = nbformat.read(written / "build" / "Tiny.failed.ipynb", as_version=4)
    assert copy.cells[1].outputs[0].text == "so far\n"
    assert copy.cells[2].outputs[0].ename == "ValueError"
    assert copy.cells[3].execution_count is None


def test_a_cell_that_takes_too_long_is_named(notebook, tiny):
    path = notebook("import time\ntime.sleep(60)")
    with pytest.raises(rendering.RenderFailed, match=r"cell 2 .*: took over 1 s; raise --timeout"):
        rendering.render(path, timeout=1, root=tiny)


def test_a_kernel_that_dies_is_named(notebook, tiny):
    path = notebook("import os\nos._exit(1)")
    with pytest.raises(rendering.RenderFailed, match=r"cell 2 .*: its kernel died"):
        rendering.render(path, timeout=60, root=tiny)


@pytest.fixture
def meanwhile(monkeypatch):
    """A function that has something happen in place of the cells' execution."""

    def happens(event):
        monkeypatch.setattr(rendering, "_execute", lambda *_: event())

    return happens


def test_an_edit_made_during_the_run_is_kept(notebook, tiny, meanwhile):
    path = notebook("1")
    meanwhile(lambda: path.write_text("mine", encoding="utf-8"))
    with pytest.raises(rendering.RenderFailed, match="edited while it ran"):
        rendering.render(path, root=tiny)
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_helper_edited_during_the_run_leaves_the_notebook_stale(notebook, tiny, meanwhile):
    path = notebook("from helpers import low")
    before = freshness.fingerprint(path, tiny)
    meanwhile(lambda: (tiny / "helpers" / "low.py").write_text("SIZE = 4", encoding="utf-8"))
    rendering.render(path, root=tiny)
    book = nbformat.read(path, as_version=4)
    assert book.metadata[freshness.STAMP]["fingerprint"] == before
    assert freshness.fingerprint(path, tiny) != before
