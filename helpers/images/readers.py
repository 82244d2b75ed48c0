"""Readers of image files: idx, the batches of CIFAR-10, folders of images, uploads.

A file that is missing, cut short, of another format or hostile raises BadImages with one line
that names the file, what was expected and the remedy.
"""

import gzip
import io
import math
import os
import pickle
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from helpers.targets import BadTarget

AGAIN = "download it again"
GZIP = b"\x1f\x8b"
BYTES = 0x800  # an idx file of unsigned bytes begins with this plus its number of dimensions
CLASSES = 10  # of MNIST, Fashion-MNIST and CIFAR-10 alike
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")  # by content; others may run programs
UPLOADS = ("JPEG", "PNG")  # formats a browser may send
MEGABYTES = 20  # of an upload, at the most
DEEPEST = 65_535  # of a grey of 16 bits
PIXELS = 20_000_000  # a file of a few kilobytes can claim billions
ARRAYS = {  # all that a pickled numpy array asks for, by the names of numpy 1 and 2
    *(("numpy", "ndarray"), ("numpy", "dtype")),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
}


class BadImages(BadTarget):
    """Images that are missing or cannot be used; the message says which file and what to do."""


class Images(NamedTuple):
    """Images of one size, decoded or drawn only when they are asked for."""

    pixels: Callable[[Tensor], Tensor]  # of images by number: (m,) to (m, c, h, w), uint8
    labels: Tensor  # (n,), int64; all zero where there are no classes
    test: int = 0  # so many, the last ones, are the source's own test set


def find(folder: Path, name: str, obtain: str) -> Path:
    """The file of that name, or with `.gz` after it, in the folder or below.

    Raises BadImages where there is none; `obtain` tells how one comes by it.
    """
    names = {name, f"{name}.gz", name.replace("-idx", ".idx")}  # some archives write a dot
    found = [path for path in folder.rglob("*") if path.name in names and path.is_file()]
    if not found:
        raise BadImages(f"{folder}: no file '{name}' in this folder or below; {obtain}")
    return min(found, key=lambda path: (len(path.parts), path.as_posix()))


def _joined(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Images:
    """Two pairs of images and labels as one source."""
    images, labels = map(torch.cat, zip(train, test, strict=True))
    return Images(images.__getitem__, labels, test=len(test[1]))


def _checked(path: Path, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    if not 0 < len(images) == len(labels):
        raise BadImages(f"{path}: {len(labels)} labels for {len(images)} images; {AGAIN}")
    if (wrong := labels[(labels < 0) | (labels >= CLASSES)]).numel():
        raise BadImages(f"{path}: label {wrong[0]} is not one of 0 to {CLASSES - 1}; {AGAIN}")
    return images, labels


# ------------------------------------------------------------------------------------- idx


def idx_files(folder: Path, obtain: str) -> Images:
    """The four files of MNIST, or of a set in its format: images (n, 1, h, w).

    Raises BadImages where a file is missing or damaged, or two do not belong together.
    """
    return _joined(*(_idx_pair(folder, part, obtain) for part in ("train", "t10k")))


def _idx_pair(folder: Path, part: str, obtain: str) -> tuple[Tensor, Tensor]:
    images = idx(find(folder, f"{part}-images-idx3-ubyte", obtain), 3)
    path = find(folder, f"{part}-labels-idx1-ubyte", obtain)
    return _checked(path, images[:, None], idx(path, 1).long())


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


# ---------------------------------------------------------------------------------- CIFAR-10


def cifar10(folder: Path, obtain: str) -> Images:
    """CIFAR-10's five training batches and its test batch: images (n, 3, 32, 32).

    Raises BadImages where a batch is missing or damaged.
    """
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    *batches, test = (cifar_batch(find(folder, name, obtain)) for name in names)
    return _joined(tuple(map(torch.cat, zip(*batches, strict=True))), test)


def cifar_batch(path: Path) -> tuple[Tensor, Tensor]:
    """One batch of CIFAR-10's python version: images (n, 3, 32, 32) and labels (n,).

    Nothing in the file is run. Raises BadImages where it is damaged or asks for anything but an
    array.
    """
    try:
        with path.open("rb") as file:
            batch = _Unpickler(file, encoding="bytes").load()
        labels = torch.tensor(batch[b"labels"], dtype=torch.int64)
        pixels = _array(batch[b"data"]).reshape(len(labels), 3, 32, 32)
    except Exception as error:  # an unpickler that reads garbage raises nearly anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadImages(f"{path}: not a batch of CIFAR-10 ({reason}); {AGAIN}") from None
    return _checked(path, torch.tensor(pixels), labels)


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
            return lambda text, _: text.encode("latin-1")
        if (module, name) in ARRAYS:
            return _Described
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not run")


def _array(described: _Described) -> np.ndarray:
    """The array of unsigned bytes that a pickle describes."""
    _, shape, kind, by_columns, raw = described.state
    if kind.arguments[0] not in ("u1", b"u1"):
        raise ValueError(f"an array of {kind.arguments[0]!r}, not of bytes")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if by_columns else "C")


# ------------------------------------------------------------------------- folders, uploads


def folder_images(folder: Path, size: int, obtain: str) -> Images:
    """Every image in the folder and below, (n, 3, size, size), in the order of their paths.

    An image's class is the sub-folder it lies in. Other files are left out, and it is said how
    many. Raises BadImages where there is no image, and when one is asked for that cannot be read.
    """
    paths, others = _image_paths(folder)
    if not paths:
        raise BadImages(f"{folder}: no {', '.join(ENDINGS)} in this folder or below; {obtain}")
    if others:
        some = ", ".join(f"{n} {ending}" for ending, n in others.most_common(5))
        print(f"{folder}: {len(paths)} images; other files are left out ({some})", flush=True)
    names = [path.parent.name for path in paths]
    classes = {name: i for i, name in enumerate(sorted(set(names)))}

    def pixels(rows: Tensor) -> Tensor:
        bar = tqdm(rows.tolist(), unit="image", disable=None, leave=False)
        return torch.stack([read_image(paths[i], size) for i in bar])

    return Images(pixels, torch.tensor([classes[name] for name in names]))


def _image_paths(folder: Path) -> tuple[list[Path], Counter]:
    """All images by name, and how many other files by their ending."""
    found, others = [], Counter()
    for path in listed(folder):
        if pictured(path):
            found.append(path)
        else:
            others[path.suffix.lower() or "without ending"] += 1
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix()), others


def pictured(path: Path) -> bool:
    """Whether a file is an image by its name."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def listed(folder: Path) -> Iterator[Path]:
    """Every file in a folder and below, linked folders included, but nothing hidden.

    A link back to a folder above is not followed.
    """
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        key = Path(place).resolve()
        folders[:] = [] if key in seen else sorted(n for n in folders if n[0] != ".")
        if key not in seen:
            seen.add(key)
            yield from (Path(place, name) for name in names if name[0] != ".")


def read_image(path: Path, size: int) -> Tensor:
    """One image cut to a square about its centre: (3, size, size), uint8; raises BadImages."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_pixels(image, str(path))
            return _square(image, (3, size, size))
    except BadImages:
        raise
    except Exception:  # a decoder that reads garbage raises nearly anything
        raise BadImages(
            f"{path}: cut short, vast or no image; remove it or save it anew as JPEG or PNG"
        ) from None


def read_upload(raw: bytes, shape: tuple[int, int, int], on_dark: bool = False) -> Tensor:
    """What a browser sent, cut to a square of `shape` (c, h, w): (1, c · h · w) in [-1, 1].

    Where the images it joins are light `on_dark`, black on white becomes white on black, as the
    picture's edge tells. What is transparent turns to white below dark ink and to black below
    light. Raises BadImages.
    """
    if len(raw) > MEGABYTES * 1_000_000:
        raise BadImages(f"{len(raw) / 1e6:.1f} MB: too large; send at most {MEGABYTES} MB")
    try:
        with Image.open(io.BytesIO(raw), formats=UPLOADS) as image:
            _check_pixels(image, "upload")
            pixels = _square(image, shape, _ground(image))  # (c, h, w)
    except BadImages:
        raise
    except Exception:  # a decoder that reads garbage raises nearly anything
        raise BadImages("not an image, cut short or vast; send a JPEG or PNG") from None
    x = pixels.float() / 127.5 - 1
    edge = torch.cat([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], -1)
    return (-x if on_dark and edge.median() > 0 else x).reshape(1, -1)


def _ground(image: Image.Image) -> str:
    """White or black, whichever what a transparent picture shows stands out from."""
    shown = _eight_bits(image)
    if not shown.has_transparency_data:
        return "white"
    grey, alpha = (np.asarray(band, float) for band in shown.convert("RGBA").convert("LA").split())
    light = (grey * alpha).sum() > 127 * alpha.sum()
    return "black" if light else "white"


def _check_pixels(image: Image.Image, name: str) -> None:
    """Raise BadImages for a small file that claims to be a vast picture."""
    width, height = image.size
    if width * height > PIXELS:
        most = PIXELS // 1_000_000
        raise BadImages(f"{name}: {width} × {height} pixels; at most {most} million are read")


def _square(image: Image.Image, shape: tuple[int, int, int], ground: str = "white") -> Tensor:
    """An opened image as a viewer shows it, cut to `shape` (c, h, w), in grey or colour, uint8.

    The first picture of several, upright, on `ground` where it is transparent.
    """
    channels, *sides = shape
    shown = ImageOps.exif_transpose(_eight_bits(image))
    if shown.has_transparency_data:
        shown = shown.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, ground), shown)
    upright = shown.convert("L" if channels == 1 else "RGB")
    square = ImageOps.fit(upright, sides, Image.Resampling.LANCZOS)
    return torch.tensor(np.asarray(square)).view(*sides, channels).permute(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Greys of 16 bits or more as greys of 8, which Pillow would clip instead."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    deep = image.mode == "F" or values.max(initial=0) > DEEPEST  # no scale of its own is known
    most = max(values.max(initial=0), 1e-12) if deep else DEEPEST
    shown = (values.clip(0, most) / most * 255).round().astype(np.uint8)
    scaled = Image.fromarray(shown)
    if (hidden := image.info.get("transparency")) is not None:
        scaled.putalpha(Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)))
    if exif := image.getexif():
        scaled.info["exif"] = exif.tobytes()  # which way is up
    return scaled
