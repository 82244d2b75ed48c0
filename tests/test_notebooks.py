import nbformat
import pytest

from helpers import claims, notebooks
from helpers.claims import Ledger
from helpers.places import REPOSITORY
from helpers.rendering import RenderFailed


def test_notebooks_stand_in_reading_order(notebook, tiny):
    (tiny / "labs").mkdir()
    names = ["labs/B.ipynb", "labs/A.ipynb", "Compare.ipynb", "VAE.ipynb"]
    for name in names:
        notebook("1", name=name)
    notebook("1", name="Scratch.ipynb")
    expected = ["VAE.ipynb", "Compare.ipynb", "labs/A.ipynb", "labs/B.ipynb"]
    assert notebooks.notebooks(tiny) == [tiny / name for name in expected]


def stub(monkeypatch, failing=()):
    """Replace the rendering of one notebook; the list that it returns fills with the names."""
    done = []

    def pretend(path, timeout):
        done.append(path.name)
        return int(path.name in failing)

    monkeypatch.setattr(notebooks, "_render_apart", pretend)
    return done


def test_compare_comes_last_wherever_it_is_named(monkeypatch):
    done = stub(monkeypatch)
    notebooks.render_all(["Compare.ipynb", "VAE.ipynb", "GAN.ipynb"], workers=2)
    assert sorted(done[:2]) == ["GAN.ipynb", "VAE.ipynb"]
    assert done[2:] == ["Compare.ipynb"]


def test_compare_is_not_begun_after_a_failure(monkeypatch):
    done = stub(monkeypatch, failing={"VAE.ipynb"})
    with pytest.raises(RenderFailed, match=r"not rendered: VAE\.ipynb; the reason stands above"):
        notebooks.render_all(["VAE.ipynb", "GAN.ipynb", "Compare.ipynb"])
    assert sorted(done) == ["GAN.ipynb", "VAE.ipynb"]


def test_two_notebooks_render_in_processes_of_their_own(notebook):
    paths = [notebook("6 * 7", name=name) for name in ("One.ipynb", "Two.ipynb")]
    assert notebooks.main(["render", *map(str, paths)]) == 0
    for path in paths:
        cell = nbformat.read(path, as_version=4).cells[1]
        assert cell.outputs[0].data["text/plain"] == "42"


def test_a_failure_ends_with_one_line_and_status_one(notebook, capsys):
    assert notebooks.main(["render", str(notebook("1 / 0"))]) == 1
    error = capsys.readouterr().err
    assert error.startswith("\n1 / 0\n")
    assert error.splitlines()[-1].startswith("Tiny.ipynb, cell 2 (A tiny story): ZeroDivisionError")


def test_check_prints_complaints_and_tells_by_its_status(notebook, capsys):
    assert notebooks.main(["check", str(notebook("1"))]) == 1
    assert "code and output have parted" in capsys.readouterr().out


def test_a_missing_notebook_is_named(capsys):
    assert notebooks.main(["check", "None.ipynb"]) == 1
    assert "no such notebook" in capsys.readouterr().err


def test_summary_counts_claims_films_and_runs(notebook, tiny):
    for folder in ("labs", "media", "data/runs/a"):
        (tiny / folder).mkdir(parents=True)
    notebook("1", name="labs/First.ipynb")
    book = nbformat.read(notebook("1", name="labs/Second.ipynb"), as_version=4)
    book.metadata["five_gaussians"] = {"minutes": 7.5}
    nbformat.write(book, tiny / "labs" / "Second.ipynb")
    ledger = Ledger("Second")
    ledger.claim("a", True)
    with pytest.raises(AssertionError):
        ledger.claim("b", False)
    (tiny / "media" / "gan.mp4").write_bytes(b"0" * 1_500_000)
    (tiny / "data" / "runs" / "a" / "one.json").touch()
    lines = [line.split() for line in notebooks.summary(tiny).splitlines()]
    assert lines[1] == ["labs/First.ipynb", "not", "run", "–"]
    assert lines[2] == ["labs/Second.ipynb", "7.5", "1", "of", "2"]
    assert lines[3] == ["film", "media/gan.mp4:", "1.5", "MB"]
    assert lines[4][0] == "1"


def outputs(path):
    """All printed lines and all Markdown that a notebook's cells have left."""
    lines, pages = [], []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            lines += output.text.splitlines() if output.output_type == "stream" else []
            pages.append(output.get("data", {}).get("text/markdown", ""))
    return lines, pages


@pytest.mark.parametrize(
    "name", [p.relative_to(REPOSITORY).as_posix() for p in notebooks.notebooks()]
)
def test_every_number_shown_is_that_of_the_committed_record(name, monkeypatch):
    monkeypatch.delenv("FIVE_GAUSSIANS_OUT")
    lines, pages = outputs(REPOSITORY / name)
    stem = (REPOSITORY / name).stem
    rows = claims.ledger(stem)
    shown = [line[2:] for line in lines if line.startswith(claims.HOLDS)]
    assert shown == [
        f"{row['claim']}  [{row['value']}]" if row["value"] else row["claim"] for row in rows
    ]
    answers = claims.answered(stem)
    assert [f"### {q}\n\n{text}" for q, text in answers.items()] == [
        page for page in pages if page.startswith("### ")
    ]
