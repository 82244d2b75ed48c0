"""Run one notebook from a fresh kernel and keep its output, or keep the file as it was."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from helpers import freshness
from helpers.places import REPOSITORY, output

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
TIMEOUT = 1800  # seconds for one cell


class RenderFailed(RuntimeError):
    """A notebook did not run to its end; the message says which cell and why."""


class ThisInterpreter(AsyncKernelManager):
    """Starts kernels in the running interpreter, whatever kernels the machine has registered."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel that the installed ipykernel provides."""
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


@dataclass
class Progress:
    """Prints one line a section and remembers where the run has got to."""

    name: str
    started: float = field(default_factory=time.monotonic)
    section: str = "start"
    cell: int = 0

    @property
    def minutes(self) -> float:
        """Minutes since the start."""
        return (time.monotonic() - self.started) / 60

    def __call__(self, cell: NotebookNode, cell_index: int) -> None:
        """Called before each cell, prose included."""
        self.cell = cell_index
        first = cell.source.strip().partition("\n")[0]
        if cell.cell_type == "markdown" and first.startswith(("# ", "## ")):
            self.section = first.lstrip("# ")
            self.say(self.section)

    def say(self, what: str) -> None:
        """Print one line on the terminal, at once."""
        print(f"{self.name:<14} {self.minutes:5.1f} min  {what}", flush=True)


def render(path: Path, timeout: int = TIMEOUT, root: Path = REPOSITORY) -> None:
    """Execute a notebook in its place, from a fresh kernel, and stamp its fingerprint.

    The file changes only when every cell has run, at one stroke. Otherwise RenderFailed is
    raised, and the failed copy is left in `build/`. `timeout` is in seconds for each cell.
    """
    path = Path(path).resolve()
    book, before = _cleared(freshness.read(path)), path.read_bytes()
    # Taken before the run: a helper edited meanwhile must make the notebook stale.
    stamp = {"fingerprint": freshness.fingerprint(path, root)}
    progress = Progress(path.name)
    try:
        _execute(book, path.parent, timeout, progress)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise _failure(book, progress, _reason(error, timeout)) from None
    if path.read_bytes() != before:
        raise RenderFailed(f"{path.name}: edited while it ran, so left as it is; render it again")
    stamp["minutes"] = round(progress.minutes, 1)
    book.metadata = nbformat.from_dict(_metadata(stamp))
    _write(book, path)
    progress.say("done")


def _execute(book: NotebookNode, folder: Path, timeout: int, progress: Progress) -> None:
    client = NotebookClient(
        book,
        timeout=timeout,
        kernel_manager_class=ThisInterpreter,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        on_cell_start=progress,
        extra_arguments=["--log-level=ERROR"],  # the terminal shows progress, no kernel's notes
    )
    # A backend chosen for the terminal would silence the notebook's own pictures.
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    client.execute(env={**inherited, "OMP_NUM_THREADS": "1"})


def _cleared(book: NotebookNode) -> NotebookNode:
    """The notebook without outputs, counts and timings of earlier runs."""
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book


def _metadata(stamp: dict) -> dict:
    """What the file says of itself: nothing of this machine, no widgets."""
    return {"kernelspec": KERNEL, "language_info": {"name": "python"}, freshness.STAMP: stamp}


def _reason(error: Exception, timeout: int) -> str:
    if isinstance(error, CellTimeoutError):
        return f"took over {timeout} s; raise --timeout if it should"
    if isinstance(error, DeadKernelError):
        return "its kernel died or was interrupted; is there enough memory?"
    return f"{error.ename}: {error.evalue}"


def _failure(book: NotebookNode, progress: Progress, reason: str) -> RenderFailed:
    """Keep the failed copy, show the cell, and put what happened in one line."""
    copy = output("build", f"{Path(progress.name).stem}.failed.ipynb")
    _write(book, copy)
    print(f"\n{book.cells[progress.cell].source}\n", file=sys.stderr, flush=True)
    where = f"{progress.name}, cell {progress.cell + 1} ({progress.section})"
    return RenderFailed(f"{where}: {reason}; notebook unchanged, see build/{copy.name}")


def _write(book: NotebookNode, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(nbformat.writes(book) + "\n", encoding="utf-8", newline="\n")
    os.replace(temporary, path)
