"""The readers of image files: idx, the batches of CIFAR-10, folders of pictures.

A file that is missing, cut short, of another format or hostile raises BadImages with one line
that names the file, what was expected and the remedy.
"""

import gzip
import math
import pickle
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

AGAIN = "download it again"
GZIP = b"\x1f\x8b"
BYTES = 0x800  # an idx file of unsigned bytes begins with this plus its number of dimensions
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
CIFAR10 = ("airplane", "automobile", *ANIMALS, "ship", "truck")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # whatever the name says; others may run programs
FITS = {"crop": ImageOps.fit, "pad": ImageOps.pad}  # both about the centre
ARRAYS = frozenset(  # all that a pickled numpy array asks for, by the names of numpy 1 and 2
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    }
)


class BadImages(ValueError):
    """Images that are missing or cannot be used; the message says which file and what to do."""


class Stack(NamedTuple):
    """Images of one size, as the files have them."""

    images: Tensor  # (n, c, h, w), uint8
    labels: Tensor | None  # (n,), int64
    classes: tuple[str, ...]  # what the labels mean


def find(folder: Path, name: str, obtain: str) -> Path:
    """The file of that name, or with `.gz` after it, in the folder or below.

    Raises BadImages where there is none; `obtain` tells how one comes by it.
    """
    names = {name, f"{name}.gz", name.replace("-idx", ".idx")}  # some archives write a dot
    found = [path for path in folder.rglob("*") if path.name in names and path.is_file()]
    if not found:
        raise BadImages(f"{folder}: no file '{name}' in this folder or below; {obtain}")
    return min(found, key=lambda path: (len(path.parts), path.as_posix()))


# ------------------------------------------------------------------------------------- idx


def idx_pair(folder: Path, part: str, classes: tuple[str, ...], obtain: str) -> Stack:
    """The images and labels of one part, `train` or `t10k`: (n, 1, h, w).

    Raises BadImages where a file is missing or damaged, or the two do not belong together.
    """
    images = idx(find(folder, f"{part}-images-idx3-ubyte", obtain), 3)
    path = find(folder, f"{part}-labels-idx1-ubyte", obtain)
    return _labelled(path, images[:, None], idx(path, 1).long(), classes)


def idx(path: Path, dimensions: int) -> Tensor:
    """An idx file of unsigned bytes, gzipped or not, as a uint8 tensor of so many dimensions.

    Raises BadImages unless the magic number, the dimensions and the length are right.
    """
    raw = _unzipped(path)
    if raw[:4] != (magic := (BYTES + dimensions).to_bytes(4)):
        raise BadImages(
            f"{path}: begins with '{raw[:4].hex()}', not with '{magic.hex()}' as an idx file of "
            f"{dimensions} dimensions; {AGAIN}"
        )
    head = 4 + 4 * dimensions
    shape = [int.from_bytes(raw[at : at + 4]) for at in range(4, head, 4)]
    if len(raw) != head + math.prod(shape):
        size = " x ".join(map(str, shape))
        raise BadImages(
            f"{path}: holds {len(raw) - head} bytes, not the {size} it announces; {AGAIN}"
        )
    return torch.tensor(np.frombuffer(raw, np.uint8, offset=head).reshape(shape))


def _unzipped(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(GZIP) else raw
    except (OSError, EOFError, zlib.error) as error:
        raise BadImages(f"{path}: cannot be read ({error}); {AGAIN}") from None


def _labelled(path: Path, images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Stack:
    if not 0 < len(images) == len(labels):
        raise BadImages(f"{path}: {len(labels)} labels for {len(images)} images; {AGAIN}")
    if (wrong := labels[(labels < 0) | (labels >= len(classes))]).numel():
        last = len(classes) - 1
        raise BadImages(f"{path}: label {wrong[0]} is not one of 0 to {last}; {AGAIN}")
    return Stack(images, labels, classes)


# ---------------------------------------------------------------------------------- CIFAR-10


def cifar10(folder: Path, part: str, obtain: str) -> Stack:
    """The five training batches, or for any part but `train` the test batch: (n, 3, 32, 32).

    Raises BadImages where a batch is missing or damaged.
    """
    names = [f"data_batch_{i}" for i in range(1, 6)] if part == "train" else ["test_batch"]
    images, labels, _ = zip(*(cifar_batch(find(folder, n, obtain)) for n in names), strict=True)
    return Stack(torch.cat(images), torch.cat(labels), CIFAR10)


def cifar_batch(path: Path) -> Stack:
    """One batch of CIFAR-10's python version, (n, 3, 32, 32); nothing in the file is run.

    Raises BadImages where the file is damaged or asks for anything but an array.
    """
    try:
        with path.open("rb") as file:
            batch = _Unpickler(file, encoding="bytes").load()
        labels = torch.tensor(batch[b"labels"], dtype=torch.int64)
        pixels = _array(batch[b"data"]).reshape(len(labels), 3, 32, 32)
    except Exception as error:  # an unpickler that reads garbage raises nearly anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadImages(f"{path}: not a batch of CIFAR-10 ({reason}); {AGAIN}") from None
    return _labelled(path, torch.tensor(pixels), labels, CIFAR10)


class _Described:
    """Stands in for what a pickle would build: keeps what is said about it, and does nothing."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Reads lists, dictionaries, numbers, text and bytes; of an array, only its description."""

    def find_class(self, module, name):
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in protocol 2
            return _latin1
        if (module, name) in ARRAYS:
            return _Described
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not run")


def _latin1(text: str, _: str) -> bytes:
    return text.encode("latin-1")


def _array(described: _Described) -> np.ndarray:
    """The array of unsigned bytes that a pickle describes."""
    _, shape, kind, by_columns, raw = described.state
    if kind.arguments[0] not in ("u1", b"u1"):
        raise ValueError(f"an array of {kind.arguments[0]!r}, not of bytes")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if by_columns else "C")


# ----------------------------------------------------------------------- folders of pictures


def tree(folder: Path, size: int, fit: str, obtain: str) -> Stack:
    """Every picture in the folder and below, (n, 3, size, size), in the order of their paths.

    A picture's class is the sub-folder it lies in; without sub-folders there are no labels.
    Raises BadImages where there is no picture, or one cannot be read.
    """
    paths = [folder / name for name in _pictures(folder)]
    if not paths:
        raise BadImages(f"{folder}: no {', '.join(PICTURES)} in this folder or below; {obtain}")
    bar = tqdm(paths, unit="image", disable=None, leave=False)
    images = torch.stack([picture(path, size, fit) for path in bar])
    if all(path.parent == folder for path in paths):
        return Stack(images, None, ())
    classes = sorted({path.parent.name for path in paths})
    labels = torch.tensor([classes.index(path.parent.name) for path in paths])
    return Stack(images, labels, tuple(classes))


def _pictures(folder: Path) -> list[str]:
    """The names of all pictures, folders within included, but for what is hidden."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    shown = (name for name in names if not any(part[0] == "." for part in name.parts))
    return sorted(name.as_posix() for name in shown if name.suffix.lower() in PICTURES)


def picture(path: Path, size: int, fit: str) -> Tensor:
    """One picture as (3, size, size), uint8; `crop` cuts it to a square, `pad` adds black.

    Raises BadImages where it cannot be read.
    """
    make_square = FITS[fit]
    try:
        with Image.open(path, formats=FORMATS) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        square = make_square(upright, (size, size), Image.Resampling.LANCZOS)
    except Exception:  # a decoder that reads garbage raises nearly anything
        raise BadImages(
            f"{path}: cut short or not a picture; remove it or save it anew as JPEG or PNG"
        ) from None
    return torch.tensor(np.asarray(square)).permute(2, 0, 1)
