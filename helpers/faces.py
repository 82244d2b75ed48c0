"""Comic faces, drawn from seeds: colourful pictures without a download.

DiceBear puts a face together from the parts of a style, resvg turns it into pixels. The styles
take turns, so that face i depends on the seed and on i alone. The drawings are the work of the
artists in CREDITS; here they are framed closely and set on a plain background.
"""

import functools
import hashlib
import io
import json
import os
import zipfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from helpers import places
from helpers.imagefiles import BadImages

PACKAGES = {
    "dicebear": "dicebear-core",
    "dicebear_styles": "dicebear-styles",
    "resvg_py": "resvg-py",
}
BACKGROUNDS = ["#cfe8f7", "#dcd6f7", "#d3f0dc", "#fdf1c7", "#e6e9ef"]
LOOKS = {  # by style: how far the picture is magnified and shifted, in % of its side
    "toon-head": {"scale": 1.25, "translateY": 5},
    "adventurer": {"scale": 1.12, "translateY": 2},
    "personas": {"scale": 1.4, "translateY": 12},
    "micah": {"scale": 1.1, "translateY": 3},
}
STYLES = tuple(LOOKS)
COUNT = 8_300


class Credit(NamedTuple):
    """Whose work a style is, and on what terms."""

    work: str
    author: str
    licence: str
    source: str


CREDITS = {
    "toon-head": Credit(
        "ToonHead",
        "Johan Melin",
        "CC BY 4.0",
        "https://www.figma.com/community/file/1589627891082866389",
    ),
    "adventurer": Credit(
        "Adventurer",
        "Lisa Wischofsky",
        "CC BY 4.0",
        "https://www.figma.com/community/file/1184595184137881796",
    ),
    "personas": Credit(
        "Personas by Draftbit",
        "Draftbit - draftbit.com",
        "CC BY 4.0",
        "https://personas.draftbit.com/",
    ),
    "micah": Credit(
        "Avatar Illustration System",
        "Micah Lanier",
        "CC BY 4.0",
        "https://www.figma.com/community/file/829741575478342595",
    ),
}


def note() -> str:
    """One line on where the faces come from, with the credit that their licences ask for."""
    works = (f"{c.work} by {c.author} ({c.licence})" for c in CREDITS.values())
    return f"comic faces drawn with DiceBear after {', '.join(works)}"


def draw(n: int = COUNT, size: int = 64, seed: int = 5, progress: bool = True) -> Tensor:
    """Faces 0 to n − 1 of a seed, (n, 3, size, size), uint8; face i is in style i mod 4.

    They are drawn once and kept in `data/cache`. Raises BadImages where a package is missing.
    """
    if n < 1 or size < 1:
        raise BadImages(f"faces: n={n} and size={size}; both must be 1 or more")
    way = ("data", "cache", f"faces-{n}x{size}-seed{seed}-{_fingerprint()}.npz")
    faces = _kept(places.existing(*way), (n, 3, size, size))
    if faces is None:
        faces = _drawn(n, size, seed, progress)
        _keep(places.output(*way), faces)
    return torch.from_numpy(faces)


def _fingerprint() -> str:
    """Changes with the looks, so that no cache outlives them."""
    return hashlib.sha256(json.dumps([LOOKS, BACKGROUNDS]).encode()).hexdigest()[:8]


def _kept(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """What `_keep` wrote, or None where it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            faces = arrays["faces"]
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    return faces if (faces.shape, faces.dtype) == (shape, np.uint8) else None


def _keep(path: Path, faces: np.ndarray) -> None:
    """Write beside `path`, then rename: a cache is whole or not there."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, faces=faces)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _drawn(n: int, size: int, seed: int, progress: bool) -> np.ndarray:
    _check_packages()
    faces = np.empty((n, 3, size, size), np.uint8)
    for i in tqdm(range(n), unit="face", disable=None if progress else True):
        name = STYLES[i % len(STYLES)]
        options = {**LOOKS[name], "seed": f"{seed}-{i}", "backgroundColor": BACKGROUNDS}
        faces[i] = _face(_style(name), options, size)
    return faces


def _check_packages() -> None:
    for module, package in PACKAGES.items():
        if find_spec(module) is None:
            raise BadImages(f"faces: they need the package {package}; pip install {package}")


@functools.cache  # DiceBear checks a definition for half a second
def _style(name: str):
    from dicebear import Style

    text = files("dicebear_styles").joinpath(f"{name}.json").read_text("utf-8")
    return Style(json.loads(text))


def _face(style, options: dict, size: int) -> np.ndarray:
    """One face, (3, size, size)."""
    import resvg_py
    from dicebear import Avatar

    drawing = Avatar(style, options).to_string()
    png = resvg_py.svg_to_bytes(drawing, width=size, height=size, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).transpose(2, 0, 1)
