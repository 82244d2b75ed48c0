"""Pictures that a browser sends: decoded with care, or refused with one line."""

import io

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from helpers.galleries import Gallery
from helpers.imagefiles import BadImages

MEGABYTES = 5
PIXELS = 20_000_000  # a file of a few kilobytes can claim billions
FORMATS = ("JPEG", "PNG")  # whatever the name says; others may run programs


def read(raw: bytes, gallery: Gallery, dark_ink: bool = False) -> Tensor:
    """A picture as a gallery's images are, cut to a square: (1, c · h · w) in [-1, 1].

    `dark_ink` turns black on white into white on black. Raises BadImages.
    """
    if len(raw) > MEGABYTES * 1_000_000:
        raise BadImages(f"{len(raw) / 1e6:.1f} MB: too large; send at most {MEGABYTES} MB")
    square = _square(raw, gallery.size, "L" if gallery.channels == 1 else "RGB")
    pixels = np.asarray(ImageOps.invert(square) if dark_ink else square, dtype=np.float32)
    x = torch.from_numpy(pixels.reshape(gallery.size, gallery.size, gallery.channels))
    return (x / 127.5 - 1).permute(2, 0, 1).reshape(1, -1)


def _square(raw: bytes, size: int, mode: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            _check_pixels(*image.size)
            upright = ImageOps.exif_transpose(image).convert(mode)
        return ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    except BadImages:
        raise
    except Exception:  # a decoder that reads garbage raises nearly anything
        raise BadImages("not a picture, or cut short; send a JPEG or PNG") from None


def _check_pixels(width: int, height: int) -> None:
    if width * height > PIXELS:
        most = PIXELS // 1_000_000
        raise BadImages(f"{width} × {height} pixels: too many; send at most {most} million")
