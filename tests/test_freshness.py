"""The committed notebooks are fresh; and each complaint is seen when its fault is planted."""

import nbformat
import pytest
from nbformat import v4

from helpers import freshness
from helpers.notebooks import STORY
from helpers.places import REPOSITORY

LABS = sorted(path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob("labs/*.ipynb"))


@pytest.mark.parametrize("name", [*STORY, *LABS])
def test_output_belongs_to_its_code(name):
    path = REPOSITORY / name
    if not path.exists():
        pytest.skip(f"{name} has not been written yet")
    assert freshness.problems(path) == []


@pytest.fixture
def sound(notebook, tiny):
    """A notebook as rendering leaves it: counted from one, stamped, with one printed line."""
    path = notebook("from helpers.top import size", "print(size())")
    book = nbformat.read(path, as_version=4)
    for count, cell in enumerate(book.cells[1:], start=1):
        cell.execution_count = count
    book.cells[2].outputs = [v4.new_output("stream", name="stdout", text="3\n")]
    book.metadata[freshness.STAMP] = {"fingerprint": freshness.fingerprint(path, tiny)}
    nbformat.write(book, path)
    return path


@pytest.fixture
def complaints(sound, tiny):
    """A function that plants a fault in the sound notebook and returns what is complained of."""

    def plant(fault):
        book = nbformat.read(sound, as_version=4)
        fault(book)
        nbformat.write(book, sound)
        return freshness.problems(sound, tiny)

    return plant


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


STALE = ["Tiny.ipynb: code and output have parted; run `make run`"]


def test_a_sound_notebook_has_no_problems(sound, tiny):
    assert freshness.problems(sound, tiny) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("helpers/low.py", "3", "4"),  # imported by an import
        ("helpers/top.py", "low.SIZE", "-low.SIZE"),
        ("data/gmm5.json", "0.5, 0.5", "0.4, 0.6"),
    ],
)
def test_a_change_below_the_notebook_makes_it_stale(sound, tiny, name, old, new):
    replace(tiny / name, old, new)
    assert freshness.problems(sound, tiny) == STALE


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("helpers/low.py", "# metres", "# feet"),
        ("helpers/low.py", "A room.", "A small room."),
        ("helpers/low.py", "SIZE = 3", "SIZE = (3)"),
        ("helpers/aside.py", "1", "2"),  # imported by none
        ("data/gmm5.json", ", ", ",\r\n  "),
    ],
)
def test_words_and_what_is_not_imported_leave_it_fresh(sound, tiny, name, old, new):
    replace(tiny / name, old, new)
    assert freshness.problems(sound, tiny) == []


def test_one_character_of_a_cell_makes_it_stale(complaints):
    def edit(book):
        book.cells[2].source += " "

    assert complaints(edit) == STALE


def test_prose_may_change(complaints):
    def edit(book):
        book.cells[0].source += ", told better"

    assert complaints(edit) == []


def test_a_notebook_never_rendered_is_stale(notebook, tiny):
    assert freshness.problems(notebook("1"), tiny) == [
        *STALE,
        "Tiny.ipynb: 1 of 1 code cells have not been executed; run `make run`",
    ]


def test_an_error_is_named(complaints):
    def fail(book):
        book.cells[2].outputs = [v4.new_output("error", ename="ValueError", evalue="bad")]

    assert complaints(fail) == [
        "Tiny.ipynb: code cell 2 ended in ValueError: bad; correct it and run `make run`"
    ]


def test_a_warning_is_named(complaints):
    def warn(book):
        book.cells[2].outputs.append(v4.new_output("stream", name="stderr", text="careful\n"))

    assert complaints(warn) == [
        "Tiny.ipynb: code cell 2 wrote to stderr ('careful'); print it or mend its cause"
    ]


def test_a_widget_and_its_state_are_named(complaints):
    def show(book):
        data = {freshness.WIDGET: {"model_id": "a", "version_major": 2, "version_minor": 0}}
        book.cells[2].outputs = [v4.new_output("display_data", data=data)]
        book.metadata.widgets = {}

    shown, state = complaints(show)
    assert "code cell 2 shows a widget" in shown
    assert "holds widget state" in state


@pytest.mark.parametrize("counts", [(2, 1), (1, 3), (2, 3)])
def test_counts_out_of_order_are_named(complaints, counts):
    def disorder(book):
        for cell, count in zip(book.cells[1:], counts, strict=True):
            cell.execution_count = count

    assert complaints(disorder) == [
        f"Tiny.ipynb: cells were executed in the order {list(counts)}, not 1 to 2; run `make run`"
    ]


def test_an_empty_cell_needs_no_count(complaints):
    assert complaints(lambda book: book.cells.append(v4.new_code_cell("\n"))) == []


def test_a_large_file_is_named(complaints):
    def grow(book):
        book.cells[2].outputs[0].text = "3" * 2_100_000

    assert complaints(grow) == [
        "Tiny.ipynb: takes 2.1 MB of at most 2; show fewer or smaller pictures"
    ]


def test_a_folder_of_this_machine_is_named(complaints, tiny):
    def tell(book):
        book.cells[2].outputs[0].text = f"saved in {tiny}\n"

    assert complaints(tell) == [
        "Tiny.ipynb: names a folder of this machine; print paths relative to the repository"
    ]


@pytest.mark.parametrize(("lines", "faults"), [(15, 0), (16, 1)])
def test_a_long_cell_is_named(notebook, tiny, lines, faults):
    path = notebook("\n".join(["1"] * lines))
    found = [complaint for complaint in freshness.problems(path, tiny) if "split it" in complaint]
    assert len(found) == faults


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\nfrom helpers import low",
        "%%time\nfrom helpers import low",
        "if True:\n    !ls\n    from helpers import low",
        "text = '''\n%s'''\nfrom helpers import low",
    ],
)
def test_imports_are_seen_beside_magics(notebook, tiny, source):
    path = notebook(source)
    before = freshness.fingerprint(path, tiny)
    replace(tiny / "helpers" / "low.py", "3", "4")
    assert freshness.fingerprint(path, tiny) != before


def test_a_cell_that_is_not_python_is_named(notebook, tiny):
    with pytest.raises(freshness.BadNotebook, match=r"Tiny.ipynb, code cell 2: not Python"):
        freshness.fingerprint(notebook("1", "for"), tiny)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}'])
def test_a_file_that_is_no_notebook_is_named(tmp_path, text):
    path = tmp_path / "Broken.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(freshness.BadNotebook, match=r"Broken.ipynb: not a notebook"):
        freshness.read(path)


def test_a_missing_notebook_is_named(tmp_path):
    with pytest.raises(freshness.BadNotebook, match="no such notebook"):
        freshness.read(tmp_path / "None.ipynb")
