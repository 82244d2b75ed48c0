"""Claims: a notebook says in words what it shows, and checks it where it says so.

    notebook = Ledger("VAE")
    notebook.claim("no sampled point is far from every mode", share > 0.95, share)
    notebook.answer("Which objective?", f"The ELBO, {bound:.2f} nats.")

Each claim prints one line, is kept in `data/claims/` beside the answers that stand on it, and
stops the notebook when it does not hold: no prose can outlive its evidence.
"""

import json
from numbers import Integral

from IPython.display import Markdown, display

from helpers.files import existing, output, write_json

FILE = "data/claims/{}.json"
HOLDS, FAILS = "✓", "✗"
MOST_WORDS = 150


class ClaimFailed(AssertionError):
    """A claim whose condition is false; the message gives the claim and the value found."""


class NoClaims(FileNotFoundError):
    """A notebook whose claims were asked for has left no readable record."""


class TooLong(ValueError):
    """An answer of more than 150 words."""


class Ledger:
    """The claims and answers of one notebook, written anew by each run of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._claims: dict[str, dict] = {}  # by text: running a cell again replaces its row
        self._answers: dict[str, dict] = {}  # by question

    def claim(self, text: str, holds: bool, value: object = None) -> None:
        """Print the claim with its value, record it, and raise ClaimFailed when it is false.

        `holds` may also be NumPy's or PyTorch's. Whole numbers are shown in full, others to four
        significant digits.
        """
        shown, mark = _shown(value), HOLDS if bool(holds) else FAILS
        self._claims[text] = {"claim": text, "value": shown, "mark": mark}
        self._save()
        line = f"{text}  [{shown}]" if shown else text
        print(f"{mark} {line}")
        if mark == FAILS:
            raise ClaimFailed(f"does not hold: {line}")

    def answer(self, question: str, *paragraphs: str) -> None:
        """Show and keep question and answer, in Markdown; raises TooLong beyond 150 words."""
        words = sum(len(paragraph.split()) for paragraph in paragraphs)
        if words > MOST_WORDS:
            raise TooLong(f"{question}: {words} words; say it in {MOST_WORDS}")
        text = "\n\n".join(paragraphs)
        self._answers[question] = {"question": question, "text": text}
        self._save()
        display(Markdown(f"### {question}\n\n{text}"))

    def _save(self) -> None:
        kept = {"claims": [*self._claims.values()], "answers": [*self._answers.values()]}
        write_json(output(FILE.format(self.name)), {"notebook": self.name, **kept})


def ledger(*names: str) -> list[dict]:
    """All claims in sequence, with notebook, number and mark; NoClaims where it was not run."""
    return [
        {"notebook": name, "number": number, **row}
        for name in names
        for number, row in enumerate(_recorded(name, "claims"), start=1)
    ]


def answered(name: str) -> dict[str, str]:
    """The answers of a notebook by question; raises NoClaims where it has not been run."""
    return {row["question"]: row["text"] for row in _recorded(name, "answers")}


def _recorded(name: str, part: str) -> list[dict]:
    file = FILE.format(name)
    remedy = f"run {name}.ipynb from its first cell to its last, then ask again"
    try:
        return json.loads(existing(file).read_text(encoding="utf-8"))[part]
    except FileNotFoundError:
        raise NoClaims(f"{name}: no claims in {file}; {remedy}") from None
    except (ValueError, KeyError, TypeError):
        raise NoClaims(f"{name}: {file} is damaged; {remedy}") from None


def _shown(value: object) -> str:
    if value is None:
        return ""
    if hasattr(value, "item"):  # a NumPy or PyTorch scalar
        value = value.item()
    if isinstance(value, str | bool):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else f"{value:.4g}"
