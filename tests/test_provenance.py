import ast
import textwrap

import pytest

from helpers import provenance

FILES = {
    "__init__.py": '"""A package."""\n',
    "low.py": "SIZE = 3\n",
    "middle.py": "from helpers.low import SIZE\n\ndef twice():\n    return 2 * SIZE\n",
    "top.py": "def late():\n    from helpers import middle\n    return middle.twice()\n",
    "aside.py": "OTHER = 1\n",
    "rooms/__init__.py": '"""A package inside."""\n',
    "rooms/near.py": "from ..low import SIZE\nfrom . import far\n",
    "rooms/far.py": "import helpers.aside as a\n",
}


@pytest.fixture
def root(tmp_path):
    for name, source in FILES.items():
        path = tmp_path / "helpers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return tmp_path


def rewrite(root, name, source):
    (root / "helpers" / name).write_text(source, encoding="utf-8")


def code(source):
    return provenance.canonical(ast.parse(textwrap.dedent(source)))


def test_imports_are_followed_into_functions_and_through_modules(root):
    through = {"helpers.top", "helpers.middle", "helpers.low"}
    assert provenance.closure(["helpers.top"], root) == through | {"helpers"}


def test_relative_imports_and_packages_are_followed(root):
    inside = {"helpers.rooms", "helpers.rooms.near", "helpers.rooms.far"}
    outside = {"helpers", "helpers.low", "helpers.aside"}
    assert provenance.closure(["helpers.rooms.near"], root) == inside | outside


@pytest.mark.parametrize(
    "statement",
    [
        "import helpers.low",
        "import helpers.low as l",
        "from helpers import low",
        "from helpers.low import SIZE",
        "def f():\n    import helpers.low",
        "if True:\n    from helpers import aside, low",
    ],
)
def test_every_form_of_import_is_seen(root, statement):
    assert "helpers.low" in provenance.imports(ast.parse(statement), root)


def test_other_packages_are_no_business_of_ours(root):
    tree = ast.parse("import os, numpy.linalg\nfrom helperspace import low\nfrom json import loads")
    assert provenance.imports(tree, root) == set()


def test_code_far_below_changes_the_fingerprint(root):
    before = provenance.code_fingerprint(["helpers.top"], root)
    rewrite(root, "low.py", "SIZE = 4\n")
    assert provenance.code_fingerprint(["helpers.top"], root) != before


def test_a_module_not_imported_does_not_count(root):
    before = provenance.code_fingerprint(["helpers.top"], root)
    rewrite(root, "aside.py", "OTHER = 2\n")
    assert provenance.code_fingerprint(["helpers.top"], root) == before


def test_where_code_stands_counts(root):
    before = provenance.code_fingerprint(["helpers.low", "helpers.aside"], root)
    rewrite(root, "low.py", FILES["aside.py"])
    rewrite(root, "aside.py", FILES["low.py"])
    assert provenance.code_fingerprint(["helpers.low", "helpers.aside"], root) != before


def test_order_and_repetition_of_names_do_not_count(root):
    names = ["helpers.low", "helpers.aside"]
    once = provenance.code_fingerprint(names, root)
    assert provenance.code_fingerprint(names[::-1] + names, root) == once


def test_comments_docstrings_and_format_do_not_count():
    bare = "def f(x, y=None):\n    return x+1\nclass A:\n    z: int = 1"
    dressed = '''
        """A module."""
        def f(
            x: float,  # metres
            y: object = None,
        ) -> float:
            """Add one."""
            return (x + 1)

        class A:
            """A class."""

            z: int = 1  # a field
    '''
    assert code(bare) == code(dressed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = None", "x = 0"),
        ("f(a, b)", "f(a, *b)"),
        ("{**a}", "{a: a}"),
        ("def f(a, *, b): pass", "def f(a, b): pass"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
        ("class A:\n    z: int = 1", "class A:\n    z = 1"),
        ("x = 'text'", "x = 'test'"),
        ("def f():\n    'doc'\n    'second'", "def f():\n    'doc'"),
        ("f'{a:.2f}'", "f'{a:.3f}'"),
        ("x[1:]", "x[:1]"),
        ("@d\ndef f(): pass", "def f(): pass"),
    ],
)
def test_code_that_differs_is_told_apart(one, other):
    assert code(one) != code(other)


def test_the_text_is_the_same_on_every_python():
    """Written out by hand: a later Python with further empty fields must still give this."""
    assert code("def f(x=None):\n    return x") == (
        "Module(body=[FunctionDef(name='f',args=arguments(args=[arg(arg='x')],"
        "defaults=[Constant()]),body=[Return(value=Name(id='x',ctx=Load()))])])"
    )


def test_an_empty_piece_of_an_f_string_does_not_count():
    plain = ast.parse("f'{a:{b}}'")
    padded = ast.parse("f'{a:{b}}'")
    padded.body[0].value.values.append(ast.Constant(value=""))
    assert provenance.canonical(plain) == provenance.canonical(padded)


@pytest.mark.parametrize("name", ["low", "helpers.nothing", "numpy"])
def test_an_unknown_module_is_named(root, name):
    with pytest.raises(provenance.UnknownModule, match=rf"^{name}: no such helper"):
        provenance.code_fingerprint([name], root)


def test_the_real_helpers_have_a_fingerprint():
    digest = provenance.code_fingerprint(["helpers.targets"])
    assert len(digest) == 64
    assert digest != provenance.code_fingerprint(["helpers.claims"])
