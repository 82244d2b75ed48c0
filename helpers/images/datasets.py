"""Image datasets as targets of a training: scaled to [−1, 1], a part of them held out.

A dataset is known by its images alone: it can be drawn from, not evaluated. Its points are flat
rows of pixels, one dimension a pixel.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from helpers import memory
from helpers.images import drawn, models
from helpers.images.readers import BadImages, Images
from helpers.images.sources import FOLDER, SOURCES
from helpers.targets import DATA_SEED, Draws, Labelled

ALL = 1_000_000  # more images than any set has
NAME = re.compile(rf"(?P<source>{'|'.join(SOURCES)})(-(?P<size>\d+)(-(?P<most>\d+))?)?")
BYTES = 10  # a number of an image takes while it is read: as bytes, as float32, once more each
HELD_OUT = 1_000  # images for scores that are worth showing, if they are a fifth at most
FEWEST = 6  # held-out images; the balls of precision and recall reach to a fifth neighbour
LARGEST = 1_024  # pixels a side


@dataclass(frozen=True)
class ImageDataset:
    """An image set at one size, of which `most` images of each part are used."""

    domain: ClassVar[str] = "images"
    NAMES: ClassVar[tuple[str, ...]] = tuple(SOURCES)

    source: str  # one of NAMES, or a folder
    size: int
    channels: int
    most: int = ALL

    def __post_init__(self):
        if not 4 <= self.size <= LARGEST or self.most < 1:
            raise BadImages(
                f"{self.name}: give 4 to {LARGEST:,} pixels a side, and 1 image or more"
            )

    @classmethod
    def named(cls, name: str, most: int = ALL) -> "ImageDataset | None":
        """The dataset of `source`, `source-size` or `source-size-most`, or a folder, else None."""
        found = NAME.fullmatch(name)
        if not found and not (name and Path(name).expanduser().is_dir()):  # "" is where we are
            return None
        if not found and name != name.encode("utf-8", "replace").decode():
            raise BadImages(f"{name!a}: give the folder a name of letters that UTF-8 has")
        source, size, cut = found.group("source", "size", "most") if found else (name, None, None)
        kind = SOURCES.get(source, FOLDER)
        return cls(source, int(size or kind.size), kind.channels, min(most, int(cut or ALL)))

    @classmethod
    def from_definition(cls, definition: dict) -> "ImageDataset":
        """Read back what `definition` wrote; raises BadImages for what it did not write."""
        try:
            source, size, most = (definition[key] for key in ("source", "size", "most"))
        except KeyError as missing:
            raise BadImages(f"images: no {missing}; give source, size and most") from None
        if not (isinstance(source, str) and type(size) is int and type(most) is int):
            raise BadImages("images: source must be a name or folder, size and most whole numbers")
        return cls(source, size, SOURCES.get(source, FOLDER).channels, most)

    def definition(self) -> dict:
        """The dataset as a JSON-ready dictionary; `from_definition` reads it back."""
        return {"kind": "images", "source": self.source, "size": self.size, "most": self.most}

    @property
    def name(self) -> str:
        """Source and size, as in `digits-28`; the number of images where it is cut short."""
        cut = f"-{self.most}" if self.most < ALL else ""
        return f"{self.source}-{self.size}{cut}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.size, self.size

    @property
    def dimensions(self) -> int:
        """Numbers in an image."""
        return self.channels * self.size**2

    def fold(self, x: Tensor) -> Tensor:
        """Flat rows as images: (n, c · h · w) to (n, c, h, w)."""
        return x.view(-1, *self.shape)

    def draws(self, seed: int = DATA_SEED) -> Draws:
        """Training, validation and test images as flat rows with labels; raises BadImages.

        A tenth is held out where the source has no test set of its own, of small sets up to a
        fifth; one half of what is held out is to watch a training by, the other to score its end.
        Labels are zero where there are none.
        """
        return _draws(self, seed)

    def options(self, part: str, seed: int = DATA_SEED) -> dict[str, Tensor]:
        """What the avatars of a part of `draws` were drawn with besides style: (n,) by name."""
        found = SOURCES[self.source].read(self.source, self.size, _enough(self))
        numbers = _numbers(self, found, seed)[Draws._fields.index(part)]
        known = torch.tensor([drawn.options(i) for i in numbers.tolist()])  # (n, options)
        return dict(zip(drawn.OPTIONS, known.T, strict=True))

    def networks(self, recipe, points: Tensor, generator: torch.Generator) -> tuple[nn.Module, ...]:
        """A fresh VAE alone, or a generator and a discriminator; `points` are not looked at."""
        return models.BUILDERS[recipe.family](recipe, self.shape, generator)

    def evaluator(self, draws: Draws):
        """How samples are scored while a training runs: against the validation images.

        Raises BadImages for too few of them, before anything else is loaded.
        """
        count = len(draws.validation.points)
        if count < FEWEST:
            raise BadImages(
                f"{count} held-out images: too few to score by; give {FEWEST} or more, so ten "
                "times as many pictures in all, or --images 15"
            )
        from helpers.images import classifier  # takes a second to import
        from helpers.images.evaluator import ImageEvaluator

        return ImageEvaluator(
            self.shape, draws, classifier.of(self.whole) if self.classes else None
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that a classifier tells apart; none but at the usual size."""
        source = SOURCES.get(self.source, FOLDER)
        return source.classes if self.size == source.size else ()

    @property
    def whole(self) -> "ImageDataset":
        """The dataset with all of its images."""
        return replace(self, most=ALL)

    def scene(self):
        """The empty scene of a training's film."""
        from helpers.images.figures import ImageScene  # so does this

        return ImageScene(self.shape)


@lru_cache(maxsize=2)
def _draws(dataset: ImageDataset, seed: int) -> Draws:
    source = SOURCES.get(dataset.source, FOLDER)
    found = source.read(dataset.source, dataset.size, _enough(dataset))
    numbers = _numbers(dataset, found, seed)
    every, sizes = torch.cat(numbers), [len(part) for part in numbers]
    copies = (2 * source.shift + 1) ** 2
    needed = BYTES * (len(every) + (copies - 1) * sizes[0]) * dataset.dimensions
    memory.check(
        needed, f"{len(every):,} images of {dataset.name}", "give fewer (--images) or smaller ones"
    )
    images = _resized(found.pixels(every), dataset.size).float().div_(127.5).sub_(1)
    parts = zip(images.split(sizes), found.labels[every].split(sizes), strict=True)
    train, *held_out = (Labelled(part.flatten(1), labels) for part, labels in parts)
    moved = _moved(dataset.fold(train.points), source.shift).flatten(1)  # (n · copies, c · h · w)
    return Draws(Labelled(moved, train.components.repeat(copies)), *held_out)


def _enough(dataset: ImageDataset) -> int | None:
    """So many images in all that some can be held out; None means every one there is."""
    return 4 * dataset.most if dataset.most < ALL else None


def _numbers(dataset: ImageDataset, found: Images, seed: int) -> tuple[Tensor, ...]:
    """The numbers of the images to train, validate and test on, shuffled."""
    generator, enough = torch.Generator().manual_seed(seed), _enough(dataset)
    n = len(found.labels) - found.test
    total = min(enough or n, n)
    if total < 2:
        raise BadImages(f"{dataset.name}: {total} image; expected 2 or more, some to hold out")
    few = max(1, total // 10, min(HELD_OUT, total // 5))
    train = torch.randperm(n, generator=generator)
    if not found.test:
        train, held_out = train[few:total], train[:few]
    else:
        held_out = n + torch.randperm(found.test, generator=generator)
        if enough:
            train, held_out = train[: total - few], held_out[:few]
    half = len(held_out) // 2
    return tuple(part[: dataset.most] for part in (train, held_out[:half], held_out[half:]))


def _moved(images: Tensor, by: int) -> Tensor:
    """Images (n, c, h, w) on black, and copies moved by up to so many pixels each way."""
    height, width = images.shape[2:]
    wide = pad(images, (by,) * 4, value=-1.0)
    ways = sorted(range(2 * by + 1), key=lambda at: abs(at - by))  # those not moved come first
    return torch.cat([wide[..., y : y + height, x : x + width] for y in ways for x in ways])


def _resized(images: Tensor, size: int) -> Tensor:
    """Images of `size` pixels a side; 28 become 32 by a black margin, all else by resampling."""
    sides = images.shape[-2:]
    if sides == (size, size):
        return images
    if sides == (28, 28) and size == 32:
        return pad(images, (2, 2, 2, 2))
    return interpolate(images, (size, size), mode="bilinear", antialias=True)
