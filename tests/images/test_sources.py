"""The faces: drawn from seeds, each different, kept once drawn; and whose work they are."""

import io
import json
import re
import sys
from importlib.resources import files

import numpy as np
import pytest
import torch

from helpers.files import REPOSITORY, output
from helpers.images import sources
from helpers.images.readers import BadImages
from images import formats

SEED = 77  # not that of the datasets, whose faces may lie in the repository's cache


def draw(n=12, size=64):
    return sources.draw_faces(range(n), size, SEED)


def kept(written):
    return next((written / "data" / "cache").iterdir())


@pytest.fixture
def no_pencil(monkeypatch):
    """A function after which nothing can be drawn."""
    return lambda: monkeypatch.setattr(sources, "_face", None)


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
    assert torch.equal(sources.draw_faces([7, 2, 7], 64, SEED), first[[7, 2, 7]])
    other = sources.draw_faces(range(5), 64, SEED + 1)
    assert not any(torch.equal(*pair) for pair in zip(first, other, strict=False))


def npz(array):
    buffer = io.BytesIO()
    np.savez(buffer, faces=array)
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


@pytest.mark.parametrize(("module", "package"), sources.PACKAGES.items())
def test_a_missing_package_is_named(monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadImages, match=f"^faces: .*; pip install {package}$"):
        draw(4, 16)


@pytest.mark.parametrize("style", sources.STYLES)
def test_the_readme_credits_the_artists_as_their_licences_ask(style):
    text = files("dicebear_styles").joinpath(f"{style}.json").read_text("utf-8")
    meta = json.loads(text)["meta"]
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    (credit,) = re.findall(rf"\[([^]]*)\]\({meta['source']['url']}\) by ([^,;.(]+)", readme)
    work, author = credit
    assert work in meta["source"]["name"]
    assert author.split(" and ")[0].strip() in meta["creator"]["name"]
    assert meta["license"]["name"] in readme


def test_of_cub_the_photographs_are_read_and_not_its_masks(written):
    root = output("data", "images", "cub", "CUB_200_2011", "x").parent
    formats.write_image(root / "images" / "001" / "a.jpg", 40, 40)
    formats.write_image(root / "segmentations" / "001" / "a.png", 40, 40)
    assert len(sources.SOURCES["cub"].read("cub", 32, None).labels) == 1
