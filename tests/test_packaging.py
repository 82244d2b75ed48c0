"""What is declared: every package that the helpers import, and the reason for each."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from helpers.files import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]


def names(requirements) -> set[str]:
    """Distributions without versions and extras, as the index spells them."""
    found = (re.match(r"[\w.-]+", line).group(0) for line in requirements)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def imported(folder) -> set[str]:
    """The distributions that the modules of a folder import."""
    modules = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.partition(".")[0])
    known = packages_distributions()
    return names(known[m][0] for m in modules - sys.stdlib_module_names - {"helpers"})


def test_all_that_the_helpers_import_is_declared():
    """Else a bare `pip install` of a clone, as on Colab, could not run a notebook's first cells."""
    declared = names(PROJECT["dependencies"])
    app, cluster = (names(OPTIONAL[name]) for name in ("app", "cluster"))
    assert imported(REPOSITORY / "helpers") <= declared | app | cluster
    assert imported(REPOSITORY / "helpers" / "metrics") <= declared


def test_every_declared_package_is_pinned_with_its_reason():
    lines = (REPOSITORY / "requirements.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    every = [*PROJECT["dependencies"], *(one for group in OPTIONAL.values() for one in group)]
    assert names(every) <= names(pins)
    heads = [line for line in lines if line.startswith("#")]
    for line in pins:
        assert "==" in line
        assert " #" in line or any("torch" in head or "exactly" in head for head in heads)
