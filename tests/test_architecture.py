"""The house rules, held by reading the source; and each rule seen to fail on a planted fault.

A file imports from the floors below its own. Lines of a function are counted from `def` to
its end, signature included; docstring, comments and blank lines are not.
"""

import ast
import statistics
import sys
from pathlib import Path

import pytest

from helpers import provenance
from helpers.places import REPOSITORY

FLOORS = {
    "places": 0,
    "provenance": 0,
    "claims": 0,
    "targets": 0,
    "answers": 0,
    "images": 0,
    "imagefiles": 0,
    "faces": 0,
    "models": 0,
    "convolutions": 0,
    "objectives": 0,
    "perturbations": 0,
    "schedules": 0,
    "devices": 0,
    "rewriting": 1,
    "folding": 1,
    "compiling": 1,
    "freshness": 1,
    "stepping": 1,
    "loop": 1,
    "training": 1,
    "metrics.modes": 1,
    "metrics.samples": 1,
    "metrics.likelihood": 1,
    "metrics.latent": 1,
    "metrics.images": 1,
    "metrics.ranges": 1,
    "metrics.scorecard": 1,
    "metrics.catalogue": 1,
    "metrics.shape": 1,
    "metrics.transport": 1,
    "metrics.copying": 1,
    "metrics.classifier": 1,
    "metrics.faults": 1,
    "metrics.pushforward": 1,
    "metrics.divergences": 1,
    "metrics.atlas": 1,
    "plots": 1,
    "maps": 1,
    "pictures": 1,
    "galleries": 1,
    "metrics.cells": 1,
    "fields": 1,
    "animation": 2,
    "scenes": 2,
    "recipes": 2,
    "experiments": 2,
    "densities": 2,
    "trust": 2,
    "peers": 2,
    "usual": 2,
    "building": 2,
    "probes": 2,
    "judges": 2,
    "budgets": 2,
    "imagescenes": 2,
    "rendering": 2,
    "storage": 2,
    "uploads": 2,
    "flags": 3,
    "scoring": 3,
    "runs": 3,
    "recorder": 3,
    "recording": 3,
    "notebooks": 3,
    "orders": 3,
    "costs": 4,
    "films": 4,
    "parallel": 4,
    "sweep": 4,
    "mixtures": 4,
    "references": 4,
    "trials": 4,
    "bench": 5,
    "portraits": 5,
    "shelf": 5,
    "views": 5,
    "worker": 5,
    "contenders": 4,
    "evidence": 6,
    "widgets": 6,
    "launch": 6,
    "commands": 7,
    "results": 7,
    "screens.train": 7,
    "screens.generate": 7,
    "screens.explore": 7,
    "screens.compare": 7,
    "screens.watch": 7,
    "app": 7,
    "__main__": 8,
}
SCORES = {
    f"metrics.{room}"
    for room in ("classifier", "copying", "modes", "samples", "shape", "transport")
}
NEIGHBOURS = {  # the only imports within one floor: who may import whom
    "claims": {"places"},
    "provenance": {"places"},
    "training": {"loop", "stepping"},
    "loop": {"rewriting", "stepping"},
    "stepping": {"compiling", "folding"},
    "compiling": {"rewriting"},
    "answers": {"claims"},
    "faces": {"places", "imagefiles"},
    "images": {"places", "imagefiles", "faces"},
    "metrics.classifier": {"metrics.samples"},
    "metrics.transport": {"metrics.samples"},
    "metrics.images": {"metrics.divergences", "metrics.samples"},
    "metrics.catalogue": SCORES,
    "metrics.scorecard": SCORES | {"metrics.catalogue", "metrics.ranges"},
    "experiments": {"recipes"},
    "probes": {"densities"},
    "judges": {"probes"},
    "budgets": {"experiments", "recipes"},
    "imagescenes": {"animation"},
    "convolutions": {"models"},
    "maps": {"plots"},
    "fields": {"maps", "metrics.atlas"},
    "scenes": {"animation"},
    "building": {"recipes"},
    "recorder": {"runs"},
    "recording": {"runs", "recorder"},
}
MIRRORS = {"__main__": "tests/test_main.py"}  # where a test's name cannot follow its room's
PLAIN = frozenset({"places", "provenance", "claims"})  # the standard library suffices
VAGUE = frozenset({"utils", "util", "common", "misc"})
LONGEST_FUNCTION, MEDIAN_FUNCTION, LONGEST_FILE = 40, 10, 250
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (*FUNCTIONS, ast.ClassDef, ast.Module)


def rooms(root):
    """Every helper file but the packages' own, by dotted name: `metrics.modes`."""
    paths = (path.relative_to(root / "helpers") for path in (root / "helpers").rglob("*.py"))
    files = {".".join(path.with_suffix("").parts): root / "helpers" / path for path in paths}
    return {name: path for name, path in sorted(files.items()) if path.stem != "__init__"}


def trees(root):
    return {name: ast.parse(path.read_text("utf-8")) for name, path in rooms(root).items()}


def neighbours_of(root, name, tree):
    """The rooms that a room imports."""
    package = f"helpers.{name}".rpartition(".")[0]
    imported = provenance.imports(tree, root, package)
    return {module.removeprefix("helpers.") for module in imported} & set(rooms(root))


def unlisted_rooms(root):
    return sorted(set(rooms(root)) - set(FLOORS))


def upward_imports(root):
    return [
        f"{name} imports {other}"
        for name, tree in trees(root).items()
        for other in sorted(neighbours_of(root, name, tree) - NEIGHBOURS.get(name, set()))
        if FLOORS.get(other, 0) >= FLOORS.get(name, 0)
    ]


def outside_imports(root):
    """Rooms meant to need nothing but Python itself, and what else they import."""
    return [
        f"{name} imports {top}"
        for name, tree in trees(root).items()
        for node in ast.walk(tree)
        for top in [alias.name for alias in getattr(node, "names", []) if type(node) is ast.Import]
        + ([node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])
        if name in PLAIN and top.split(".")[0] not in {*sys.stdlib_module_names, "helpers"}
    ]


def cycles(root):
    waiting = {name: neighbours_of(root, name, tree) for name, tree in trees(root).items()}
    while free := {name for name, others in waiting.items() if not others & set(waiting)}:
        waiting = {name: others for name, others in waiting.items() if name not in free}
    return sorted(waiting)


def star_imports(root):
    return [
        name
        for name, tree in trees(root).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]


def backends_chosen(root):
    """Calls of `use` on matplotlib or pyplot, and of `switch_backend`, wherever they stand."""
    chosen = {"matplotlib.use", "mpl.use", "switch_backend", "plt.switch_backend"}
    return [
        f"{name}, line {node.lineno}"
        for name, tree in trees(root).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in chosen
    ]


def is_passive(statement):
    """Whether a module-level statement only defines or names something."""
    if isinstance(statement, DEFINITIONS):
        return True
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, (ast.Name, ast.Tuple)) for target in statement.targets)
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        return isinstance(statement.target, ast.Name)
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) in {"__name__ == '__main__'", "TYPE_CHECKING"}
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def work_at_import(root):
    return [
        f"{name}, line {statement.lineno}"
        for name, tree in trees(root).items()
        for statement in tree.body
        if not is_passive(statement)
    ]


def re_exports(root):
    """Packages whose own file holds more than a docstring."""
    files = sorted((root / "helpers").rglob("__init__.py"))
    bodies = {path: ast.parse(path.read_text("utf-8")).body for path in files}
    return [
        path.parent.name
        for path, body in bodies.items()
        if len(body) > 1
        or not all(is_passive(node) and isinstance(node, ast.Expr) for node in body)
    ]


def vague_names(root):
    return [name for name in rooms(root) if name.split(".")[-1] in VAGUE]


def docstring_lines(tree):
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
    first = [body[0] for body in bodies if body and isinstance(body[0], ast.Expr)]
    strings = [node for node in first if isinstance(getattr(node.value, "value", None), str)]
    return {line for node in strings for line in range(node.lineno, node.end_lineno + 1)}


def function_lengths(root):
    """Lines of code of every function, those inside others included: `room.function`."""
    lengths = {}
    for name, path in rooms(root).items():
        source = path.read_text("utf-8")
        lines, tree = source.splitlines(), ast.parse(source)
        silent = docstring_lines(tree) | {
            n for n, line in enumerate(lines, 1) if not line.strip() or line.strip()[0] == "#"
        }
        for node in (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)):
            spoken = set(range(node.lineno, node.end_lineno + 1)) - silent
            lengths[f"{name}.{node.name}:{node.lineno}"] = len(spoken)
    return lengths


def long_functions(root):
    return [name for name, lines in function_lengths(root).items() if lines > LONGEST_FUNCTION]


def long_files(root):
    sizes = {name: len(path.read_text("utf-8").splitlines()) for name, path in rooms(root).items()}
    return [name for name, lines in sizes.items() if lines > LONGEST_FILE]


def untested_rooms(root):
    def mirror(name):
        *folders, room = name.split(".")
        return MIRRORS.get(name, "/".join(["tests", *folders, f"test_{room}.py"]))

    return [mirror(name) for name in rooms(root) if not (root / mirror(name)).exists()]


RULES = [
    unlisted_rooms,
    upward_imports,
    outside_imports,
    cycles,
    star_imports,
    backends_chosen,
    work_at_import,
    re_exports,
    vague_names,
    long_functions,
    long_files,
    untested_rooms,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule):
    assert rule(REPOSITORY) == []


def test_functions_are_short():
    assert statistics.median(function_lengths(REPOSITORY).values()) < MEDIAN_FUNCTION


@pytest.fixture
def house(tmp_path):
    """A function that builds a house of the given files beside a small sound one."""

    def build(files):
        sound = {"__init__.py": '"""Helpers."""\n', "places.py": '"""Folders."""\n\nROOT = "."\n'}
        for name, source in {**sound, **files, "../tests/test_places.py": ""}.items():
            path = tmp_path / "helpers" / Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return tmp_path

    return build


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_house_passes(house, rule):
    assert rule(house({})) == []


PASSIVE = (
    '"""Doc."""\nimport os\n\nA = 1\nB: int = 2\nC, D = 3, 4\nif __name__ == "__main__":\n    f()\n'
)
FAULTS = [
    (unlisted_rooms, {"attic.py": ""}, ["attic"]),
    (unlisted_rooms, {"metrics/attic.py": ""}, ["metrics.attic"]),
    (
        upward_imports,
        {"targets.py": "from helpers import plots", "plots.py": ""},
        ["targets imports plots"],
    ),
    (
        upward_imports,
        {"runs.py": "", "recipes.py": "def f():\n    import helpers.runs"},
        ["recipes imports runs"],
    ),
    (
        upward_imports,
        {"models.py": "from helpers.targets import x", "targets.py": ""},
        ["models imports targets"],
    ),
    (
        upward_imports,
        {"metrics/modes.py": "from . import samples", "metrics/samples.py": ""},
        ["metrics.modes imports metrics.samples"],
    ),
    (
        upward_imports,
        {
            "training.py": "from helpers import loop",
            "loop.py": "from helpers import targets",
            "targets.py": "",
        },
        [],
    ),
    (outside_imports, {"claims.py": "import os, torch.nn"}, ["claims imports torch.nn"]),
    (
        outside_imports,
        {"claims.py": "from numpy import pi\nfrom . import places"},
        ["claims imports numpy"],
    ),
    (outside_imports, {"targets.py": "import torch\nfrom helpers import places"}, []),
    (
        cycles,
        {
            "loop.py": "from helpers import stepping",
            "stepping.py": "from helpers import loop",
            "maps.py": "import helpers.loop",
        },
        ["loop", "maps", "stepping"],
    ),
    (star_imports, {"maps.py": "from math import *"}, ["maps"]),
    (
        backends_chosen,
        {"maps.py": "import matplotlib\n\n\ndef f():\n    matplotlib.use('Agg')"},
        ["maps, line 5"],
    ),
    (backends_chosen, {"maps.py": "plt.style.use('x')"}, []),
    (work_at_import, {"maps.py": PASSIVE}, []),
    (work_at_import, {"maps.py": "import os\nprint(1)"}, ["maps, line 2"]),
    (work_at_import, {"maps.py": "for i in range(3):\n    pass"}, ["maps, line 1"]),
    (work_at_import, {"maps.py": "import os\nos.environ['A'] = '1'"}, ["maps, line 2"]),
    (work_at_import, {"maps.py": "if True:\n    pass"}, ["maps, line 1"]),
    (
        re_exports,
        {"metrics/__init__.py": '"""Scores."""\nfrom helpers.places import ROOT'},
        ["metrics"],
    ),
    (re_exports, {"metrics/__init__.py": "from helpers.places import ROOT"}, ["metrics"]),
    (vague_names, {"metrics/utils.py": "", "misc.py": ""}, ["metrics.utils", "misc"]),
    (long_functions, {"maps.py": "def f():\n" + "    1\n" * 39}, []),
    (long_functions, {"maps.py": "def f():\n" + "    1\n" * 40}, ["maps.f:1"]),
    (
        long_functions,
        {"maps.py": "class A:\n    def f(self):\n" + "        1\n" * 40},
        ["maps.f:2"],
    ),
    (long_files, {"maps.py": "\n" * 250}, []),
    (long_files, {"maps.py": "\n" * 251}, ["maps"]),
    (
        untested_rooms,
        {"maps.py": "", "metrics/modes.py": ""},
        ["tests/test_maps.py", "tests/metrics/test_modes.py"],
    ),
    (untested_rooms, {"__main__.py": "", "../tests/test_main.py": ""}, []),
]


@pytest.mark.parametrize(("rule", "files", "complaints"), FAULTS)
def test_a_planted_fault_is_seen(house, rule, files, complaints):
    assert rule(house(files)) == complaints


def test_a_function_is_counted_without_docstring_comments_and_blank_lines(house):
    source = '''
@decorator
def f(
    x,
):
    """One.

    Two.
    """
    # why
    y = x

    def inner():
        return y  # (n, 2)

    return inner
'''
    lengths = function_lengths(house({"maps.py": source}))
    assert lengths == {"maps.f:3": 7, "maps.inner:13": 2}
