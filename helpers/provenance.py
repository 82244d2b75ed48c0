"""Which code an output came from: a fingerprint that changes when, and only when, code does.

Comments, docstrings, formatting and the annotations of functions can be improved without
making a finished run or notebook look out of date. Imports are found by reading the source,
also inside functions; a module imported by a name made up at run time is not seen.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path

from helpers.places import REPOSITORY

PACKAGE = "helpers"
SILENT = frozenset({"annotation", "returns", "kind", "type_comment"})  # never change what runs
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class UnknownModule(ValueError):
    """A module to be fingerprinted that is not among the helpers."""


def code_fingerprint(modules: Iterable[str], root: Path = REPOSITORY) -> str:
    """SHA-256 (64 hex digits) of the named helper modules and of all they import.

    Modules are named in full, as in `helpers.training`. Raises UnknownModule for a name
    that has no file below `root`.
    """
    modules = list(modules)
    for module in modules:
        if module_file(module, root) is None:
            raise UnknownModule(f"{module}: no such helper; name a module as in 'helpers.training'")
    digest = hashlib.sha256()
    for module in sorted(closure(modules, root)):
        digest.update(f"{module} {canonical(_tree(module, root))}\n".encode())
    return digest.hexdigest()


def closure(modules: Iterable[str], root: Path = REPOSITORY) -> set[str]:
    """The given helper modules with everything they import, directly or through others."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += imports(_tree(module, root), root, _package(module, root))
    return found


def imports(tree: ast.AST, root: Path = REPOSITORY, package: str = "") -> set[str]:
    """The helper modules that a syntax tree imports at any depth, packages above them included.

    `package` is where the tree's own relative imports start from.
    """
    named = {name for node in ast.walk(tree) for name in _names(node, package)}
    above = {name.rsplit(".", depth)[0] for name in named for depth in range(name.count(".") + 1)}
    return {name for name in named | above if module_file(name, root) is not None}


def module_file(module: str, root: Path = REPOSITORY) -> Path | None:
    """The file of a helper module, or None where the name is not one."""
    if module.split(".")[0] != PACKAGE:
        return None
    base = root.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_name(base.name + ".py"))
    return next((path for path in candidates if path.is_file()), None)


def canonical(node: object) -> str:
    """A syntax tree as text that is the same on every supported Python version.

    `ast.dump` lists empty fields, and versions disagree on which there are: leave them out.
    """
    if isinstance(node, list):
        return "[" + ",".join(map(canonical, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = (
        f"{name}={canonical(value)}"
        for name, value in _spoken_fields(node)
        if name not in SILENT and value not in (None, [])
    )
    return f"{type(node).__name__}({','.join(fields)})"


def _spoken_fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The fields of a node, without docstrings and empty pieces of f-strings."""
    documented = isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None
    for name, value in ast.iter_fields(node):
        if documented and name == "body":
            value = value[1:]
        elif isinstance(node, ast.JoinedStr):  # Python 3.12 ends some with an empty piece
            value = [piece for piece in value if getattr(piece, "value", None) != ""]
        yield name, value


def _names(node: ast.AST, package: str) -> list[str]:
    """Dotted names that an import statement may bring in: modules, or things inside them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    source = node.module or ""
    if node.level:
        source = resolve_name("." * node.level + source, package)
    return [source, *(f"{source}.{alias.name}" for alias in node.names)]


def _tree(module: str, root: Path) -> ast.Module:
    path = module_file(module, root)
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _package(module: str, root: Path) -> str:
    own = module_file(module, root).name == "__init__.py"
    return module if own else module.rpartition(".")[0]
