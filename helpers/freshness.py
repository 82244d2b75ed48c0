"""Does a notebook's output still belong to its code? Read the file and tell, without running it.

A rendered notebook carries a fingerprint of everything its output was made from: its code
cells, the helpers they import, and the definition of the target. When any of them changes,
the fingerprint no longer matches.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers import provenance
from helpers.places import REPOSITORY

STAMP = "five_gaussians"  # our entry in the notebook's metadata
LONGEST_CELL = 15  # lines
LARGEST_FILE = 2  # MB; beyond this GitHub is slow to show a notebook, or refuses
LARGEST_LAB = 4  # MB; grids of images take more
WIDGET = "application/vnd.jupyter.widget-view+json"
MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)


class BadNotebook(ValueError):
    """A notebook that cannot be read; the message says where and what to do."""


def read(path: Path) -> NotebookNode:
    """The notebook at `path`, in format 4; raises BadNotebook when missing or malformed."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise BadNotebook(f"{path}: no such notebook; check the name") from None
    except (ValueError, AttributeError, TypeError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BadNotebook(f"{path}: not a notebook ({reason}); restore it from git") from None


def code_cells(book: NotebookNode) -> list[NotebookNode]:
    """The cells that hold any code, in order."""
    return [cell for cell in book.cells if cell.cell_type == "code" and cell.source.strip()]


def fingerprint(path: Path, root: Path = REPOSITORY) -> str:
    """SHA-256 (64 hex digits) of all that the notebook's output depends on.

    Cells count to the letter, because a reader sees them beside their output; helpers count
    by their code alone (see `provenance`), the target by its numbers.
    """
    cells = [cell.source for cell in code_cells(read(path))]
    name = Path(path).name
    trees = [_parsed(cell, f"{name}, code cell {n}") for n, cell in enumerate(cells, start=1)]
    modules = set().union(*(provenance.imports(tree, root) for tree in trees))
    target = json.loads((root / "data" / "gmm5.json").read_text(encoding="utf-8"))
    parts = [cells, provenance.code_fingerprint(modules, root), target]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def problems(path: Path, root: Path = REPOSITORY) -> list[str]:
    """One line for each fault of a rendered notebook; none means that it can be believed."""
    path = Path(path)
    book = read(path)
    complaints = [
        *_staleness(book, fingerprint(path, root)),
        *_counts(code_cells(book)),
        *_outputs(code_cells(book)),
        *_layout(book),
        *_file(path, root),
    ]
    return [f"{path.name}: {complaint}" for complaint in complaints]


def _parsed(source: str, where: str) -> ast.AST:
    """The cell's syntax tree; lines that only IPython understands are passed over."""
    try:
        return ast.parse(source)
    except SyntaxError:
        try:
            return ast.parse(MAGIC.sub(r"\1pass", source))
        except SyntaxError as error:
            raise BadNotebook(f"{where}: not Python ({error.msg}); correct the cell") from None


def _staleness(book: NotebookNode, current: str) -> Iterator[str]:
    if book.metadata.get(STAMP, {}).get("fingerprint") != current:
        yield "code and output have parted; run `make run`"


def _counts(cells: list[NotebookNode]) -> Iterator[str]:
    counts = [cell.execution_count for cell in cells]
    waiting = counts.count(None)
    if waiting:
        yield f"{waiting} of {len(cells)} code cells have not been executed; run `make run`"
    elif counts != list(range(1, len(cells) + 1)):
        yield f"cells were executed in the order {counts}, not 1 to {len(cells)}; run `make run`"


def _outputs(cells: list[NotebookNode]) -> Iterator[str]:
    for number, cell in enumerate(cells, start=1):
        for output in cell.outputs:
            fault = _fault(output)
            if fault:
                yield f"code cell {number} {fault}"


def _fault(output: NotebookNode) -> str:
    """What is wrong with one output, or an empty string."""
    if output.output_type == "error":
        return f"ended in {output.ename}: {output.evalue}; correct it and run `make run`"
    if output.output_type == "stream" and output.name == "stderr":
        return f"wrote to stderr ({output.text.strip()[:60]!r}); print it or mend its cause"
    if WIDGET in output.get("data", {}):
        return "shows a widget, which GitHub cannot; print a line or draw a picture instead"
    return ""


def _layout(book: NotebookNode) -> Iterator[str]:
    if "widgets" in book.metadata:
        yield "holds widget state, for which GitHub refuses the whole notebook; run `make run`"
    for number, cell in enumerate(code_cells(book), start=1):
        lines = len(cell.source.strip().splitlines())
        if lines > LONGEST_CELL:
            yield f"code cell {number} has {lines} lines, at most {LONGEST_CELL} are read; split it"


def _file(path: Path, root: Path) -> Iterator[str]:
    megabytes = path.stat().st_size / 1e6
    most = LARGEST_LAB if path.parent.name == "labs" else LARGEST_FILE
    if megabytes > most:
        yield f"takes {megabytes:.1f} MB of at most {most}; show fewer or smaller pictures"
    if json.dumps(str(root)).strip('"') in path.read_text(encoding="utf-8"):
        yield "names a folder of this machine; print paths relative to the repository"
