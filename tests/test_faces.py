"""The faces: drawn from seeds, each different, kept once drawn; and whose work they are."""

import json
import sys
from importlib.resources import files

import numpy as np
import pytest
import torch

from helpers import faces
from helpers.imagefiles import BadImages

SEED = 77  # not that of the courses' own faces, which may lie in the repository's cache


def draw(n=12, size=64):
    return faces.draw(n, size, SEED, progress=False)


def kept(written):
    (path,) = (written / "data" / "cache").iterdir()
    return path


@pytest.fixture
def no_pencil(monkeypatch):
    """A function after which nothing can be drawn."""
    return lambda: monkeypatch.setattr(faces, "_face", None)


def test_faces_are_pictures_all_different():
    drawn = draw()
    assert (drawn.shape, drawn.dtype) == ((12, 3, 64, 64), torch.uint8)
    assert len(drawn.flatten(1).unique(dim=0)) == 12
    assert all(len(face.flatten(1).unique(dim=1).T) > 20 for face in drawn)  # colours


def test_a_face_fills_the_middle_and_stands_on_a_plain_ground():
    for face in draw():
        corner = face[:, 0, 0]
        away = (face != corner[:, None, None]).any(0)  # (h, w)
        assert away[20:50, 20:44].float().mean() > 0.8
        assert away[:8, :4].float().mean() < 0.2


def test_a_face_depends_on_its_seed_and_number_alone(tmp_path, monkeypatch):
    first = draw()
    monkeypatch.setenv("FIVE_GAUSSIANS_OUT", str(tmp_path))  # without the cache
    assert torch.equal(draw(5), first[:5])
    other = faces.draw(5, 64, SEED + 1, progress=False)
    assert not any(torch.equal(*pair) for pair in zip(first, other, strict=False))


def test_faces_are_drawn_once(written, no_pencil):
    first = draw(5, 16)
    assert kept(written).name.startswith("faces-5x16-seed77-")
    no_pencil()
    assert torch.equal(draw(5, 16), first)
    with pytest.raises(TypeError):
        draw(6, 16)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def turn_a_bit(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def write_text(path):
    path.write_text("hello", encoding="utf-8")


def write_others(path):
    with path.open("wb") as file:
        np.savez(file, faces=np.zeros((5, 3, 8, 8), np.uint8))


def write_objects(path):
    with path.open("wb") as file:
        np.savez(file, faces=np.array([{}]))


@pytest.mark.parametrize("damage", [cut, turn_a_bit, write_text, write_others, write_objects])
def test_a_damaged_cache_is_drawn_again(written, damage, no_pencil):
    first = draw(5, 16)
    damage(kept(written))
    assert torch.equal(draw(5, 16), first)
    no_pencil()
    assert torch.equal(draw(5, 16), first)


def test_other_looks_have_a_cache_of_their_own(monkeypatch):
    first = draw(4, 16)
    monkeypatch.setattr(faces, "BACKGROUNDS", ["#000000"])
    assert not torch.equal(draw(4, 16), first)


def test_a_failure_leaves_nothing_behind(written, monkeypatch):
    monkeypatch.setattr("helpers.faces.os.replace", None)
    with pytest.raises(TypeError):
        draw(4, 16)
    assert not list((written / "data" / "cache").iterdir())


@pytest.mark.parametrize(("module", "package"), faces.PACKAGES.items())
def test_a_missing_package_is_named(monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadImages, match=f"^faces: .*; pip install {package}$"):
        draw(4, 16)


@pytest.mark.parametrize(("n", "size"), [(0, 64), (5, 0), (-1, 64)])
def test_no_faces_or_no_pixels_are_refused(n, size):
    with pytest.raises(BadImages, match=f"n={n} and size={size}; both must be 1 or more"):
        draw(n, size)


def test_credit_is_given_as_the_definitions_ask_for_it():
    assert set(faces.CREDITS) == set(faces.LOOKS)
    for style, credit in faces.CREDITS.items():
        text = files("dicebear_styles").joinpath(f"{style}.json").read_text("utf-8")
        meta = json.loads(text)["meta"]
        source, licence = meta["source"], meta["license"]["name"]
        assert credit == (source["name"], meta["creator"]["name"], licence, source["url"])
        assert f"{credit.work} by {credit.author} ({credit.licence})" in faces.note()
