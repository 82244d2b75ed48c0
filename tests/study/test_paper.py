"""The report shows what the notebooks show, word for word, and asks for nothing else."""

import base64
import io
import re

import nbformat
import pytest
from nbformat import v4
from pypdf import PdfReader

from helpers import claims
from helpers.files import REPOSITORY
from helpers.study import paper
from helpers.study.paper import BadReport

ROWS = "<tr><th>model</th><th>nats</th></tr><tr><td>VAE</td><td>0.25</td></tr>"
SAID = (
    "*Figure 7.* As Figures 7 and 2 say, section 4.1 and Figure 7 of Tiny.ipynb too, not Figure 7 "
    "of Another.ipynb."
)
TABLE = f"<div><style>th {{}}</style><table>{ROWS}</table></div>"


def shown(**data):
    return v4.new_output("display_data", data={k.replace("_", "/"): v for k, v in data.items()})


@pytest.fixture
def root(tmp_path):
    """A repository of one notebook: prose, an answer, a table, a figure and a printed line."""
    cells = [
        v4.new_markdown_cell("## Heading\nSome *prose*.", id="words"),
        v4.new_code_cell("1", id="answer", outputs=[shown(text_markdown="### Why?\n\nSo: 7.")]),
        v4.new_code_cell("2", id="table", outputs=[shown(text_html=TABLE)]),
        v4.new_code_cell("3", id="line", outputs=[v4.new_output("stream", text="printed")]),
        v4.new_code_cell("4", id="picture", outputs=[shown(application_pdf="", image_png="")]),
    ]
    cells[-1].outputs[0].data[paper.PDF] = base64.b64encode(b"%PDF-").decode()
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "Tiny.ipynb")
    return tmp_path


def test_an_include_is_what_its_cell_shows(root):
    text = "A\n\n{{Tiny words}}\n\n{{Tiny answer}}\n\n{{Tiny table}}"
    found = paper.filled(text, root)
    assert found.startswith("A\n\nSome *prose*.\n\n## Why? {-}\n\nSo: 7.\n\n")
    assert re.search(r"VAE +\| +0\.25", found)
    assert "Heading" not in found
    assert "th {}" not in found
    assert ":::" not in found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{Tiny nothing}}", "Tiny.ipynb has no cell nothing; correct its name"),
        ("{{Tiny line}}", "cell line of Tiny.ipynb shows no text; name another"),
        ("![c](Tiny/picture)", "cell picture of Tiny.ipynb left no figure; run `make run`"),
    ],
)
def test_what_no_notebook_shows_is_named(root, text, complaint):
    with pytest.raises(BadReport, match=re.escape(f"report.md: {complaint}")[:-1]):
        paper.filled(text, root)


def test_figures_that_are_asked_for_leave_the_notebook_as_vectors(root, monkeypatch):
    monkeypatch.setenv("FIVE_GAUSSIANS_OUT", str(root))
    (root / "report.md").write_text("See @fig-a.\n\n![c](Tiny/picture){#fig-a}", encoding="utf-8")
    stale = root / "media" / "figures" / "Tiny" / "old.pdf"
    stale.parent.mkdir(parents=True)
    stale.touch()
    book = nbformat.read(root / "Tiny.ipynb", as_version=4)
    paper.keep_figures(book, "Tiny", root)
    assert list(book.cells[-1].outputs[0].data) == ["image/png"]
    kept = stale.with_name("picture.pdf")
    assert kept.read_bytes() == b"%PDF-"
    assert not stale.exists()
    found = paper.filled((root / "report.md").read_text(encoding="utf-8"), root)
    assert found == "See `@fig-a`{=typst}.\n\n![c](/media/figures/Tiny/picture.pdf){#fig-a}"


def test_words_of_a_notebook_take_the_reports_numbers(root):
    book = nbformat.read(root / "Tiny.ipynb", as_version=4)
    book.cells.append(v4.new_markdown_cell(SAID, id="said"))
    nbformat.write(book, root / "Tiny.ipynb")
    (root / "media" / "figures" / "Tiny").mkdir(parents=True)
    (root / "media" / "figures" / "Tiny" / "picture.pdf").touch()
    found = paper.filled("![c](Tiny/picture){#fig-a}\n\n{{Tiny said}}", root)
    reference = "`@fig-a`{=typst}"
    assert found.endswith(
        f"*{reference}.* As {reference} and Figure 2 of Tiny.ipynb say, section 4.1 of Tiny.ipynb "
        f"and {reference} too, not Figure 7 of Another.ipynb."
    )


def words(content):
    """The text of a PDF, its white space made single."""
    pages = PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split()), len(pages)


def test_markdown_becomes_pages_with_numbered_tables():
    text = (
        "# One\n\nSee `@tbl-a`{=typst}.\n\n| a | b |\n|---|---|\n| 1 | 0.25 |\n\n: Few {#tbl-a}\n"
    )
    found, pages = words(paper.as_pdf(text))
    assert pages == 1
    assert "See Table 1" in found
    assert "Table 1: Few" in found
    assert "0.25" in found


def test_the_committed_report_has_the_answers_with_their_numbers():
    content = (REPOSITORY / "report.pdf").read_bytes()
    found, pages = words(content)
    assert 8 <= pages <= 12
    assert len(content) < 3e6
    for question, answer in claims.answered("Compare").items():
        assert question[:30] in found
        numbers = re.findall(r"\d+\.\d+", answer)
        assert numbers
        assert [n for n in numbers if n not in found] == []
