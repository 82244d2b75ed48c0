"""The notebooks: render them, check what is committed, sum up what there is.

python -m helpers.study.notebooks render VAE.ipynb GAN.ipynb Compare.ipynb
python -m helpers.study.notebooks check
python -m helpers.study.notebooks summary

A rendered notebook carries the hash of its own code cells: where it no longer matches, output and
code have parted. Whether the helpers still give that output is for nbval to find out, by running.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image

from helpers import claims, files
from helpers.files import REPOSITORY
from helpers.study import paper

STORY = ("VAE.ipynb", "GAN.ipynb", "Compare.ipynb")
LAST = "Compare.ipynb"  # reads what the others leave behind
STAMP = "five_gaussians"  # our entry in a notebook's metadata
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
TIMEOUT = 1800  # seconds for one cell
LONGEST_CELL = 15  # lines
MOST_IN_A_ROW = 3  # code cells without a word between them
LARGEST_FILE = 1.5  # MB; beyond this GitHub is slow to show a notebook, or refuses
LARGEST_LAB = 4  # MB; grids of images take more
HEAVY = 200_000  # bytes of a picture
PICTURES = ("image/png", "image/jpeg", "image/gif")  # in base64
WIDGET = "application/vnd.jupyter.widget-view+json"
REASONS = {
    CellTimeoutError: "took over {timeout} s; raise --timeout if it should",
    DeadKernelError: "its kernel died or was interrupted; is there enough memory?",
}


class BadNotebook(ValueError):
    """A notebook that cannot be read; the message says where and what to do."""


class RenderFailed(RuntimeError):
    """A notebook did not run to its end; the message says which cell and why."""


def listed(root: Path = REPOSITORY) -> list[Path]:
    """The story's notebooks and the labs, those that exist, in reading order."""
    story = [root / name for name in STORY]
    return [path for path in story if path.exists()] + sorted((root / "labs").glob("*.ipynb"))


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


def code_hash(book: NotebookNode) -> str:
    """SHA-256 (64 hex digits) of the notebook's own code, to the letter; prose does not count."""
    return hashlib.sha256(json.dumps([c.source for c in code_cells(book)]).encode()).hexdigest()


# --------------------------------------------------------------------------------- checking


def problems(path: Path, root: Path = REPOSITORY) -> list[str]:
    """One line for each fault of a rendered notebook; none means that it can be believed."""
    book = read(path)
    cells = code_cells(book)
    found = [*_whole(book), *_counts(cells), *_cells(cells), *_file(path, root)]
    if path.name in STORY:
        found += _silent(book)
    return [f"{path.name}: {problem}" for problem in found]


def _whole(book: NotebookNode) -> Iterator[str]:
    if book.metadata.get(STAMP, {}).get("code") != code_hash(book):
        yield "code and output have parted; run `make run`"
    if "widgets" in book.metadata:
        yield "holds widget state, for which GitHub refuses the whole notebook; run `make run`"


def _counts(cells: Sequence[NotebookNode]) -> Iterator[str]:
    counts = [cell.execution_count for cell in cells]
    if waiting := counts.count(None):
        yield f"{waiting} of {len(cells)} code cells have not been executed; run `make run`"
    elif counts != list(range(1, len(cells) + 1)):
        yield f"cells were executed in the order {counts}, not 1 to {len(cells)}; run `make run`"


def _cells(cells: Sequence[NotebookNode]) -> Iterator[str]:
    for number, cell in enumerate(cells, start=1):
        yield from (f"code cell {number} {fault}" for fault in map(_fault, cell.outputs) if fault)
        lines = len(cell.source.strip().splitlines())
        if lines > LONGEST_CELL:
            yield f"code cell {number} has {lines} lines, at most {LONGEST_CELL} are read; split it"


def _silent(book: NotebookNode) -> Iterator[str]:
    """A run of code cells that is too long for a reader to follow without a word."""
    kinds = groupby(book.cells, key=lambda cell: cell.cell_type)
    longest = max((len(list(run)) for kind, run in kinds if kind == "code"), default=0)
    if longest > MOST_IN_A_ROW:
        yield f"{longest} code cells in a row, at most {MOST_IN_A_ROW} are followed; say more"


def _fault(output: NotebookNode) -> str:
    """What is wrong with one output, or an empty string."""
    if output.output_type == "error":
        return f"ended in {output.ename}: {output.evalue}; correct it and run `make run`"
    if output.output_type == "stream" and output.name == "stderr":
        return f"wrote to stderr ({output.text.strip()[:60]!r}); print it or mend its cause"
    if WIDGET in output.get("data", {}):
        return "shows a widget, which GitHub cannot; print a line or draw a picture instead"
    return ""


def _file(path: Path, root: Path) -> Iterator[str]:
    megabytes = path.stat().st_size / 1e6
    most = LARGEST_LAB if path.parent.name == "labs" else LARGEST_FILE
    if megabytes > most:
        yield f"takes {megabytes:.1f} MB of at most {most}; show fewer or smaller pictures"
    if any(str(root) in text for text in _texts(read(path))):
        yield "names a folder of this machine; print paths relative to the repository"


def _texts(book: NotebookNode) -> Iterator[str]:
    """Everything in a notebook that can be read, so no pictures."""
    for cell in book.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            data = output.get("data", {}).items()
            yield from (str(output.get(name, "")) for name in ("text", "traceback"))
            yield from (str(value) for kind, value in data if kind not in PICTURES)


# -------------------------------------------------------------------------------- rendering


class Progress:
    """Prints one line a section and remembers where the run has got to."""

    def __init__(self, name: str):
        self.name, self.started = name, time.monotonic()
        self.section, self.cell, self.minutes = "start", 0, 0.0

    def __call__(self, cell: NotebookNode, cell_index: int) -> None:
        """Called before each cell, prose included."""
        self.cell = cell_index
        first = cell.source.strip().partition("\n")[0]
        if cell.cell_type == "markdown" and first.startswith(("# ", "## ")):
            self.section = first.lstrip("# ")
            self.say(self.section)

    def say(self, what: str) -> None:
        """Print one line on the terminal, at once."""
        self.minutes = (time.monotonic() - self.started) / 60
        print(f"{self.name:<14} {self.minutes:5.1f} min  {what}", flush=True)


def render(path: Path, timeout: int = TIMEOUT) -> None:
    """Execute a notebook in its place, from a fresh kernel of this interpreter, and stamp it.

    The file changes only when every cell has run, at one stroke. Otherwise RenderFailed is
    raised, and the failed copy is left in `build/`. `timeout` is in seconds for each cell.
    """
    path = path.resolve()
    book, before, progress = _cleared(read(path)), path.read_bytes(), Progress(path.name)
    try:
        _execute(book, path.parent, timeout, progress)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        reason = REASONS.get(type(error), "{error.ename}: {error.evalue}")
        raise _failure(book, progress, reason.format(error=error, timeout=timeout)) from None
    if path.read_bytes() != before:
        raise RenderFailed(f"{path.name}: edited while it ran, so left as it is; render it again")
    progress.say("done")
    paper.keep_figures(book, path.stem)
    lighten(book)
    stamp = {"code": code_hash(book), "minutes": round(progress.minutes, 1)}
    kept = {"kernelspec": KERNEL, "language_info": {"name": "python"}, STAMP: stamp}
    book.metadata = nbformat.from_dict(kept)  # nothing of this machine, no widgets
    _write(book, path)


def _execute(book: NotebookNode, folder: Path, timeout: int, on_cell_start: Callable) -> None:
    own = KernelSpecManager(kernel_dirs=[])  # not another Python that is registered by this name
    client = NotebookClient(
        book,
        AsyncKernelManager(kernel_name=KERNEL["name"], kernel_spec_manager=own),
        timeout=timeout,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        on_cell_start=on_cell_start,
        # The terminal shows progress, no kernel's notes; figures are drawn as vectors too.
        extra_arguments=["--log-level=ERROR", "--InlineBackend.figure_formats={'png', 'pdf'}"],
    )
    # A backend chosen for the terminal would silence the notebook's own pictures.
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    fixed = {"OMP_NUM_THREADS": "1", "SOURCE_DATE_EPOCH": "0"}  # no date in a figure's file
    client.execute(env={**inherited, **fixed}, cleanup_kc=True)


def _cleared(book: NotebookNode) -> NotebookNode:
    """The notebook without outputs, counts and timings of earlier runs."""
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book


def lighten(book: NotebookNode) -> None:
    """Keep heavy pictures, which are grids of grainy images, as JPEG instead of PNG."""
    outputs = (output for cell in book.cells for output in cell.get("outputs", []))
    for data in (output.data for output in outputs if "image/png" in output.get("data", {})):
        raw = base64.b64decode(data["image/png"])
        if len(raw) > HEAVY:
            buffer = io.BytesIO()
            picture = Image.open(io.BytesIO(raw)).convert("RGB")
            picture.save(buffer, "JPEG", quality=90, subsampling=0)
            del data["image/png"]
            data["image/jpeg"] = base64.b64encode(buffer.getvalue()).decode()


def _failure(book: NotebookNode, progress: Progress, reason: str) -> RenderFailed:
    """Keep the failed copy, show the cell, and put what happened in one line."""
    copy = files.output("build", f"{Path(progress.name).stem}.failed.ipynb")
    _write(book, copy)
    print(f"\n{book.cells[progress.cell].source}\n", file=sys.stderr, flush=True)
    where = f"{progress.name}, cell {progress.cell + 1} ({progress.section})"
    return RenderFailed(f"{where}: {reason}; notebook unchanged, see build/{copy.name}")


def _write(book: NotebookNode, path: Path) -> None:
    files.write_text(path, nbformat.writes(book) + "\n")


def render_all(paths: Sequence[Path], workers: int = 2, timeout: int = TIMEOUT) -> None:
    """Render independent notebooks side by side, then the one that reads what they leave.

    Raises RenderFailed naming all that failed; later ones are not begun after a failure.
    """
    paths = [path.resolve() for path in paths]
    for last in (False, True):
        stage = [path for path in paths if (path.name == LAST) == last]
        with ThreadPoolExecutor(workers) as pool:
            codes = list(pool.map(lambda path: _render_apart(path, timeout), stage))
        failed = [path.name for path, code in zip(stage, codes, strict=True) if code]
        if failed:
            raise RenderFailed(f"not rendered: {', '.join(failed)}; the reason stands above")


def _render_apart(path: Path, timeout: int) -> int:
    """Render in a process of its own, which an interrupt reaches by itself; its exit code."""
    command = [sys.executable, "-m", "helpers.study.notebooks", "render", str(path)]
    return subprocess.run([*command, "--timeout", str(timeout)], cwd=REPOSITORY).returncode


# --------------------------------------------------------------- the summary, the command line


def summary(root: Path = REPOSITORY) -> str:
    """What has been made, as a table in plain text: notebooks, films, runs."""
    lines = [f"{'notebook':<22}{'minutes':>9}{'claims held':>14}"]
    for path in listed(root):
        minutes = read(path).metadata.get(STAMP, {}).get("minutes", "not run")
        name = path.relative_to(root).as_posix()
        lines.append(f"{name:<22}{minutes:>9}{_held(path.stem):>14}")
    films = sorted((root / "media").glob("[!.]*.mp4"))
    lines += [f"film media/{film.name}: {film.stat().st_size / 1e6:.1f} MB" for film in films]
    runs = len(list((root / "data" / "runs").rglob("seed*[0-9].zip")))
    return "\n".join([*lines, f"{runs} runs in data/runs", "The answers are in Compare.ipynb."])


def _held(name: str) -> str:
    try:
        marks = [row["mark"] for row in claims.ledger(name)]
    except claims.NoClaims:
        return "–"
    return f"{marks.count(claims.HOLDS)} of {len(marks)}"


def _check(paths: Sequence[Path]) -> int:
    found = [problem for path in paths for problem in problems(path)]
    well = f"{len(paths)} notebooks: code and output belong together"
    print("\n".join(found) or well, flush=True)
    return int(bool(found))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 when all is well, else 1 with the reason in one line."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("verb", choices=("render", "check", "summary"))
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks; all if none is named")
    parser.add_argument("--workers", type=int, default=2, help="notebooks side by side")
    parser.add_argument("--timeout", type=int, default=TIMEOUT, help="seconds for one cell")
    chosen = parser.parse_args(argv)
    paths = chosen.paths or listed()
    try:
        if chosen.verb == "check":
            return _check(paths)
        if chosen.verb == "summary":
            print(summary(), flush=True)
        elif len(paths) == 1:
            render(paths[0], chosen.timeout)
        else:
            render_all(paths, chosen.workers, chosen.timeout)
    except (RenderFailed, BadNotebook) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
