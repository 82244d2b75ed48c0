"""Claims: a notebook says in words what it shows, and checks it where it says so.

    claim = Ledger("VAE").claim
    claim("no sampled point is far from every mode", share > 0.95, share)

Each claim prints one line, is kept in `data/claims/` for the ledger that closes the story,
and stops the notebook when it does not hold: no prose can outlive its evidence.
"""

import json
import os
from numbers import Integral

from helpers.places import existing, output

HOLDS, FAILS = "✓", "✗"


class ClaimFailed(AssertionError):
    """A claim whose condition is false; the message gives the claim and the value found."""


class NoClaims(FileNotFoundError):
    """A notebook whose claims were asked for has left no readable record."""


class Ledger:
    """The claims of one notebook, written anew by each run of it."""

    def __init__(self, name: str):
        self.name = name
        self.rows: dict[str, dict] = {}  # by claim: running a cell again replaces its row
        self.answers: dict[str, str] = {}  # by question

    def claim(self, text: str, holds: bool, value: object = None) -> None:
        """Print the claim with its value, record it, and raise ClaimFailed when it is false.

        `holds` may be any single truth value, NumPy's and PyTorch's included. `value` may be
        a string, a whole number (shown in full), any other number (four significant digits)
        or nothing.
        """
        shown = _shown(value)
        mark = HOLDS if bool(holds) else FAILS
        self.rows[text] = {"claim": text, "value": shown, "mark": mark}
        self._save()
        line = f"{text}  [{shown}]" if shown else text
        print(f"{mark} {line}")
        if mark == FAILS:
            raise ClaimFailed(f"does not hold: {line}")

    def note(self, question: str, text: str) -> None:
        """Keep an answer as it is shown, with its numbers, beside the claims it stands on."""
        self.answers[question] = text
        self._save()

    def _save(self) -> None:
        path = output(*_record(self.name))
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        answers = [{"question": q, "text": text} for q, text in self.answers.items()]
        record = {"notebook": self.name, "claims": [*self.rows.values()], "answers": answers}
        text = json.dumps(record, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8", newline="\n")
        os.replace(temporary, path)


def ledger(*names: str) -> list[dict]:
    """All claims of the named notebooks, in order: notebook, number, claim, value and mark.

    Raises NoClaims where a notebook has not been run.
    """
    return [
        {"notebook": name, "number": number, **row}
        for name in names
        for number, row in enumerate(_recorded(name), start=1)
    ]


def answered(name: str) -> dict[str, str]:
    """The answers of a notebook by question; raises NoClaims where it has not been run."""
    return {row["question"]: row["text"] for row in _recorded(name, "answers")}


def _recorded(name: str, part: str = "claims") -> list[dict]:
    path = existing(*_record(name))
    remedy = f"run {name}.ipynb from its first cell to its last, then ask again"
    try:
        return json.loads(path.read_text(encoding="utf-8"))[part]
    except FileNotFoundError:
        raise NoClaims(f"{name}: no claims in {'/'.join(_record(name))}; {remedy}") from None
    except (ValueError, KeyError, TypeError):
        raise NoClaims(f"{name}: {'/'.join(_record(name))} is damaged; {remedy}") from None


def _record(name: str) -> tuple[str, str, str]:
    return "data", "claims", f"{name}.json"


def _shown(value: object) -> str:
    if value is None:
        return ""
    if hasattr(value, "item"):  # a NumPy or PyTorch scalar
        value = value.item()
    if isinstance(value, (str, bool)):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else f"{value:.4g}"
