"""The comparison as a paper: `report.md` with what the notebooks show filled in, as `report.pdf`.

`python -m helpers.study.paper` makes it, by pandoc and Typst. In `report.md`

    {{Compare compare-42}}                       stands for what that cell shows, word for word,
    ![caption](Compare/compare-07){#fig-three}   for the figure of that cell, and
    @fig-three                                   refers to it.

So no number is written twice. Figures are those that `keep_figures` took out of the notebooks, as
vectors, when they were rendered.
"""

import base64
import re
from pathlib import Path

import nbformat
import pypandoc
import typst
from nbformat import NotebookNode

from helpers import files
from helpers.files import REPOSITORY

SOURCE = "report.md"
PDF = "application/pdf"  # what a notebook's kernel draws beside each PNG
INCLUDE = re.compile(r"^\{\{(\w+) ([\w-]+)\}\}$", re.MULTILINE)
FIGURE = re.compile(r"(?<=\]\()(\w+)/([\w-]+)(?=\))")
REFERENCE = re.compile(r"(?<!\w)@((?:fig|tbl)-[\w-]+)")
LABELLED = re.compile(r"\]\((\w+)/([\w-]+)\)\{#([\w-]+)[ }]")
LABELLED_TABLE = re.compile(r"\{\{(\w+) ([\w-]+)\}\}\n\n: .*\{#([\w-]+)\}")
NUMBERED = re.compile(  # possessive: `section 4` is no part of `section 4.1`
    r"\b((?:Figure|Table|[Ss]ection) \d++(?:\.\d++)*+)(?: of (\w+)\.ipynb|(?! of ))"
)
HEAD = 80  # characters of prose in which it names the figure or table at hand
PIPES = "markdown-simple_tables-multiline_tables-grid_tables"  # which leaves pipe tables
LOOK = {"papersize": "a4", "fontsize": "10pt", "section-numbering": "1.1"}


class BadReport(ValueError):
    """A report that asks for what no notebook shows; the message says what and where."""


def keep_figures(book: NotebookNode, name: str, root: Path = REPOSITORY) -> None:
    """Take the figures that a notebook's cells hold as PDF out of it.

    Those that the report asks for go to `media/figures/<name>/`; of cells that it no longer asks
    for nothing stays there.
    """
    source = root / SOURCE
    text = source.read_text(encoding="utf-8") if source.exists() else ""
    asked = {cell for stem, cell in FIGURE.findall(text) if stem == name}
    for cell in book.cells:
        for output in cell.get("outputs", []):
            content = output.get("data", {}).pop(PDF, None)
            if content and cell.id in asked:
                place = files.output("media", "figures", name, f"{cell.id}.pdf")
                _write(place, base64.b64decode(content))
    for path in files.output("media", "figures", name).glob("*.pdf"):
        if path.stem not in asked:
            path.unlink()


def filled(text: str, root: Path = REPOSITORY) -> str:
    """The report's Markdown, each include and figure in its place; raises BadReport."""
    books = {
        name: _cells(name, root) for name, _ in [*INCLUDE.findall(text), *FIGURE.findall(text)]
    }
    labels = _labels(text, books)

    def included(match: re.Match) -> str:
        name, cell = match.groups()
        if cell not in books[name]:
            raise BadReport(f"{SOURCE}: {name}.ipynb has no cell {cell}; correct its name")
        return _renumbered(_shown(books[name][cell]) or _nothing(name, cell), name, labels)

    text = INCLUDE.sub(included, text)
    for name, cell in FIGURE.findall(text):
        if not (root / "media" / "figures" / name / f"{cell}.pdf").exists():
            raise BadReport(f"{SOURCE}: cell {cell} of {name}.ipynb left no figure; run `make run`")
    text = FIGURE.sub(r"/media/figures/\1/\2.pdf", text)
    return REFERENCE.sub(r"`@\1`{=typst}", text)


def _cells(name: str, root: Path) -> dict[str, NotebookNode]:
    path = root / f"{name}.ipynb"
    if not path.exists():
        path = root / "labs" / f"{name}.ipynb"
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


def _labels(text: str, books: dict) -> dict[tuple[str, str], str]:
    """The report's label of each figure and table, by notebook and what it is called there."""
    found = {}
    for name, cell, label in LABELLED.findall(text) + LABELLED_TABLE.findall(text):
        kind = "Figure" if label.startswith("fig") else "Table"
        if number := _number(list(books[name].values()), cell, kind):
            found[name, f"{kind} {number}"] = label
    return found


def _number(cells: list[NotebookNode], cell: str, kind: str) -> str:
    """What the prose after a cell calls its figure or table, else the prose before; or nothing."""
    at = next((i for i, one in enumerate(cells) if one.id == cell), 0)
    prose = [one.source[:HEAD] for one in cells[at:] if one.cell_type == "markdown"][:1]
    prose += [one.source[-HEAD:] for one in cells[:at] if one.cell_type == "markdown"][-1:]
    found = (re.search(rf"{kind}s? (\d+)(?!, continued)", one) for one in prose)
    return next((match[1] for match in found if match), "")


def _renumbered(text: str, name: str, labels: dict[tuple[str, str], str]) -> str:
    """A notebook's words with the report's numbers; what is not in the report keeps its place."""

    def said(match: re.Match) -> str:
        what, book = match[1], match[2] or name
        label = labels.get((book, what))
        return f"@{label}" if label else f"{what} of {book}.ipynb"

    text = re.sub(r"\b(Figure|Table)s (\d+) and (\d+)", r"\1 \2 and \1 \3", text)
    return NUMBERED.sub(said, text)


def _shown(cell: NotebookNode) -> str:
    """What a reader sees of a cell but for figures and printed lines, as Markdown."""
    if cell.cell_type == "markdown":
        return "\n".join(line for line in cell.source.splitlines() if not line.startswith("#"))
    found = [_markdown(output.get("data", {})) for output in cell.get("outputs", [])]
    return "\n\n".join(part for part in found if part)


def _markdown(data: dict) -> str:
    if "text/markdown" in data:
        return re.sub(r"^### (.*)", r"## \1 {-}", data["text/markdown"])  # a question, of a section
    table = re.search(r"<table.*</table>", data.get("text/html", ""), re.DOTALL)
    return pypandoc.convert_text(table[0], PIPES, format="html").strip() if table else ""


def _nothing(name: str, cell: str) -> str:
    raise BadReport(f"{SOURCE}: cell {cell} of {name}.ipynb shows no text; name another")


def as_pdf(text: str, root: Path = REPOSITORY) -> bytes:
    """Markdown as a PDF; pictures lie below `root`."""
    options = [f"--variable={name}:{value}" for name, value in LOOK.items()]
    source = pypandoc.convert_text(text, "typst", format="markdown", extra_args=["-s", *options])
    return typst.compile(source.encode(), root=str(root))


def _write(path: Path, content: bytes) -> None:
    with files.replacing(path) as temporary:
        temporary.write_bytes(content)


def main() -> None:
    """Write `report.pdf`."""
    text = (REPOSITORY / SOURCE).read_text(encoding="utf-8")
    path = files.output("report.pdf")
    _write(path, as_pdf(filled(text)))
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
