"""Comic faces, drawn from seeds: colourful images without a download.

DiceBear puts a face together from the parts of a style, resvg turns it into pixels. The styles
take turns, so that face i depends on the seed and on i alone. The drawings are the work of the
artists whom the README names; here they are framed closely and set on a plain background.
"""

import functools
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from helpers.files import existing, output, replacing
from helpers.images.readers import BadImages

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


def draw(numbers: Sequence[int], size: int = 64, seed: int = 5, progress: bool = True) -> Tensor:
    """The faces of those numbers, (n, 3, size, size), uint8; face i is in style i mod 4.

    They are drawn once and kept in `data/cache`. Raises BadImages where a package is missing.
    """
    if len(numbers) < 1 or size < 1:
        raise BadImages(f"faces: {len(numbers)} of size={size}; both must be 1 or more")
    way = ("data", "cache", f"faces-{len(numbers)}x{size}-{_fingerprint(numbers, seed)}.npz")
    faces = _kept(existing(*way), (len(numbers), 3, size, size))
    if faces is None:
        faces = _drawn(numbers, size, seed, progress)
        with replacing(output(*way)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, faces=faces)
    return torch.from_numpy(faces)


def _fingerprint(numbers: Sequence[int], seed: int) -> str:
    """Changes with whatever the faces depend on, so that no cache outlives it."""
    whole = json.dumps([list(numbers), seed, LOOKS, BACKGROUNDS])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _kept(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The faces in a cache, or None where it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            faces = arrays["faces"]
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
        return None
    return faces if (faces.shape, faces.dtype) == (shape, np.uint8) else None


def _drawn(numbers: Sequence[int], size: int, seed: int, progress: bool) -> np.ndarray:
    _check_packages()
    faces = np.empty((len(numbers), 3, size, size), np.uint8)
    for at, i in enumerate(tqdm(numbers, unit="face", disable=None if progress else True)):
        name = STYLES[i % len(STYLES)]
        options = {**LOOKS[name], "seed": f"{seed}-{i}", "backgroundColor": BACKGROUNDS}
        faces[at] = _face(_style(name), options, size)
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
