"""The notebooks together: render them, check what is committed, sum up what there is.

python -m helpers.notebooks render VAE.ipynb GAN.ipynb Compare.ipynb
python -m helpers.notebooks check
python -m helpers.notebooks summary
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers import claims, freshness
from helpers.places import REPOSITORY
from helpers.rendering import TIMEOUT, RenderFailed, render

STORY = ("VAE.ipynb", "GAN.ipynb", "Compare.ipynb")
LAST = frozenset({"Compare.ipynb"})  # reads what the others leave behind


def notebooks(root: Path = REPOSITORY) -> list[Path]:
    """The story's notebooks and the labs, those that exist, in reading order."""
    story = [root / name for name in STORY]
    return [path for path in story if path.exists()] + sorted((root / "labs").glob("*.ipynb"))


def render_all(paths: Sequence[Path], workers: int = 2, timeout: int = TIMEOUT) -> None:
    """Render independent notebooks side by side, then those that read what they leave.

    Raises RenderFailed naming all that failed; later ones are not begun after a failure.
    """
    paths = [Path(path).resolve() for path in paths]
    for last in (False, True):
        stage = [path for path in paths if (path.name in LAST) == last]
        with ThreadPoolExecutor(workers) as pool:
            codes = list(pool.map(lambda path: _render_apart(path, timeout), stage))
        failed = [path.name for path, code in zip(stage, codes, strict=True) if code]
        if failed:
            raise RenderFailed(f"not rendered: {', '.join(failed)}; the reason stands above")


def _render_apart(path: Path, timeout: int) -> int:
    """Render in a process of its own, which an interrupt reaches by itself; its exit code."""
    command = [sys.executable, "-m", "helpers.notebooks", "render", str(path)]
    return subprocess.run([*command, "--timeout", str(timeout)], cwd=REPOSITORY).returncode


def summary(root: Path = REPOSITORY) -> str:
    """What has been made, as a table in plain text: notebooks, films, runs."""
    lines = [f"{'notebook':<22}{'minutes':>9}{'claims held':>14}"]
    lines += [_row(path, root) for path in notebooks(root)]
    films = sorted((root / "media").glob("*.mp4"))
    lines += [f"film media/{film.name}: {film.stat().st_size / 1e6:.1f} MB" for film in films]
    runs = len(list((root / "data" / "runs").rglob("*.json")))
    lines += [f"{runs} records of training runs in data/runs"]
    return "\n".join([*lines, "The answers are in Compare.ipynb."])


def _row(path: Path, root: Path) -> str:
    stamp = freshness.read(path).metadata.get(freshness.STAMP, {})
    name = path.relative_to(root).as_posix()
    return f"{name:<22}{stamp.get('minutes', 'not run'):>9}{_held(path.stem):>14}"


def _held(name: str) -> str:
    try:
        marks = [row["mark"] for row in claims.ledger(name)]
    except claims.NoClaims:
        return "–"
    return f"{marks.count(claims.HOLDS)} of {len(marks)}"


def _check(paths: Sequence[Path]) -> int:
    found = [complaint for path in paths for complaint in freshness.problems(path)]
    well = f"{len(paths)} notebooks: code and output belong together"
    print("\n".join(found) or well, flush=True)
    return int(bool(found))


def _render(paths: Sequence[Path], workers: int, timeout: int) -> int:
    if len(paths) == 1:
        render(paths[0], timeout)
    else:
        render_all(paths, workers, timeout)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m helpers.notebooks", description=__doc__, formatter_class=plain
    )
    parser.add_argument("verb", choices=("render", "check", "summary"))
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks; all if none is named")
    parser.add_argument("--workers", type=int, default=2, help="notebooks side by side")
    parser.add_argument("--timeout", type=int, default=TIMEOUT, help="seconds for one cell")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 when all is well, else 1 with the reason in one line."""
    chosen = _arguments(argv)
    paths = chosen.paths or notebooks()
    try:
        if chosen.verb == "render":
            return _render(paths, chosen.workers, chosen.timeout)
        if chosen.verb == "check":
            return _check(paths)
        print(summary(), flush=True)
    except (RenderFailed, freshness.BadNotebook) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
