"""Damaged and hostile files are read rightly or refused in one line; nothing in them is run."""

import os
import pickle
import random
from dataclasses import replace

import damage
import pytest
import torch
from damage import campaign, hostile, kinds, trained, weights_in_bytes
from small import shrink

from helpers import runs
from helpers.images import readers


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it then refuses or reads
def test_damaged_files_are_read_rightly_or_refused_in_one_line(tmp_path):
    table, wrong = campaign(kinds(tmp_path), 2_000)
    assert not wrong, "\n".join(wrong[:20])
    assert sum(map(sum, (counts.values() for counts in table.values()))) == 2_000
    assert all(counts["refused"] for counts in table.values())


def test_a_reader_that_takes_anything_would_be_seen(tmp_path):
    """The campaign itself can fail: a format without checksums, held to what lay there, does."""
    idx = next(kind for kind in kinds(tmp_path) if kind.name == "idx")
    strict = replace(idx, exact=True, read=lambda: readers.idx(idx.path, 3).tolist())
    assert any("not what lay there" in line for line in campaign([strict], 100)[1])
    careless = replace(idx, read=lambda: idx.path.read_bytes()[160])
    assert any("IndexError" in line for line in campaign([careless], 100)[1])


class Trap:
    """A pickle that would make a folder when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


TENSOR = torch.zeros(3)
HOSTILE = {
    "a program": pickle.dumps(Trap()),
    "a program in an archive": weights_in_bytes({"model": Trap()}),
    "a list": weights_in_bytes([TENSOR]),
    "no model": weights_in_bytes({"critic": {}}),
    "numbers for weights": weights_in_bytes({"model": 3, "critic": {}}),
    "other names": weights_in_bytes({"model": {"x": TENSOR}, "critic": {}}),
    "other shapes": weights_in_bytes({"model": {"net.0.weight": TENSOR}, "critic": {}}),
    "words": weights_in_bytes({"model": {"net.0.weight": "words"}, "critic": {}}),
    "a vast tensor": weights_in_bytes(
        {"model": {"net.0.weight": torch.zeros(1).expand(10**12)}, "critic": {}}
    ),
    "nothing": b"",
    "text": b"weights",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_weights_with_the_right_hash_are_refused_in_one_line(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stem = trained(tmp_path / "run", True)
    hostile(stem, HOSTILE[case])
    with pytest.raises(runs.BadRun, match=r"seed5\.zip: .*train the run again") as refused:
        _ = runs.read(stem).model
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "sprung").exists()


def test_damaged_weights_with_the_right_hash_are_refused_in_one_line(tmp_path):
    """The hash only says that record and weights belong together, not who wrote them."""
    stem = trained(tmp_path / "run", True)
    (raw,), chance = runs.unpack(runs.file_of(stem), "weights.pt"), random.Random(0)
    kind = damage.Kind("weights", tmp_path / "aside", lambda: bool(runs.read(stem).model), False)
    outcomes = []
    for number in range(200):
        hostile(stem, damage.WAYS[number % 5](raw, chance))
        outcomes.append(damage.outcome(kind, b"", True))
    assert set(outcomes) <= {"read", "refused"}
    assert outcomes.count("refused") > 50
