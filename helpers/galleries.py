"""Galleries: image sets as targets of a training, beside the mixtures of `helpers.targets`.

A gallery is known by its images alone: it can be drawn from, not evaluated. Its points are flat
rows of pixels in [-1, 1], one dimension a pixel.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers import images
from helpers.targets import Draws, Labelled

ALL = 1_000_000  # more images than any set has
SIZES = {
    "digits": 28,
    "inks": 32,
    "mnist": 28,
    "fashion": 28,
    "cifar10": 32,
    "faces": 64,
    "cub": 32,
}


@dataclass(frozen=True)
class Gallery:
    """An image set at one size, of which `most` images of each part are used."""

    source: str  # a name that `images.load` knows, or a folder
    size: int
    channels: int
    most: int = ALL

    @property
    def name(self) -> str:
        """Source and size, as in `digits-28`; the number of images where it is cut short."""
        few = f"-{self.most}" if self.most < ALL else ""
        return f"{self.source}-{self.size}{few}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.size, self.size

    @property
    def dimensions(self) -> int:
        """Numbers in an image."""
        return self.channels * self.size**2

    def definition(self) -> dict:
        """What `from_definition` reads back."""
        return {"source": self.source, "size": self.size, "most": self.most}

    def fold(self, x: Tensor) -> Tensor:
        """Flat rows as images: (n, c · h · w) to (n, c, h, w)."""
        return x.view(-1, *self.shape)


def named(name: str, most: int = ALL) -> Gallery:
    """The gallery of that source at its usual size, or `source-size`; raises BadImages."""
    source, _, size = name.rpartition("-")
    if source not in SIZES or not size.isdigit():
        source, size = name, SIZES.get(name, 64)
    grey = source in ("digits", "mnist", "fashion")
    return Gallery(source, int(size), 1 if grey else 3, most)


def from_definition(definition: dict) -> Gallery:
    """Read back what `Gallery.definition` wrote."""
    gallery = named(definition["source"], definition["most"])
    return Gallery(gallery.source, definition["size"], gallery.channels, gallery.most)


def draws(gallery: Gallery, seed: int) -> Draws:
    """Training, validation and test images as flat rows with labels (zero where there are none).

    The held-out images are parted in two: a half to watch a training, a half for its end.
    """
    few = None if gallery.most == ALL else 4 * gallery.most  # loaded, so that a tenth can be held
    found = _loaded(gallery.source, gallery.size, seed, few)
    train = _labelled(found.train, found.train_labels)
    held = _labelled(found.held_out, found.held_out_labels)
    half = len(held.points) // 2
    return Draws(
        Labelled(*(part[: gallery.most] for part in train)),
        Labelled(*(part[:half][: gallery.most] for part in held)),
        Labelled(*(part[half:][: gallery.most] for part in held)),
    )


@functools.lru_cache(maxsize=2)
def _loaded(source: str, size: int, seed: int, n: int | None) -> images.ImageSet:
    return images.load(source, size, torch.Generator().manual_seed(seed), n=n)


def _labelled(x: Tensor, labels: Tensor | None) -> Labelled:
    blank = torch.zeros(len(x), dtype=torch.long)
    return Labelled(x.flatten(1), blank if labels is None else labels)
