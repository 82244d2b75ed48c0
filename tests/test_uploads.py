"""Pictures from a browser: what is one is read, what is not is refused with one line."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import galleries, uploads
from helpers.imagefiles import BadImages

DIGITS, FACES = galleries.named("digits"), galleries.named("faces")


def encoded(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("gallery", [DIGITS, FACES])
def test_a_picture_becomes_a_row_of_the_gallery(kind, gallery):
    pixels = np.full((40, 60, 3), 255, np.uint8)
    x = uploads.read(encoded(pixels, kind), gallery)
    assert x.shape == (1, gallery.dimensions)
    assert torch.allclose(x, torch.ones_like(x))


def test_dark_ink_becomes_light():
    x = uploads.read(encoded(np.full((28, 28), 255, np.uint8)), DIGITS, dark_ink=True)
    assert torch.equal(x, -torch.ones(1, 784))


def test_rows_and_colours_keep_their_place():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[0, 1, 2] = 255  # top row, second column, blue
    image = FACES.fold(uploads.read(encoded(pixels), FACES))
    assert image[0, 2, 0, 1] == 1
    assert image.sum() == 2 - image.numel()


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "not a picture"),
        (b"just some text", "not a picture"),
        (encoded(np.zeros((50, 50), np.uint8))[:60], "not a picture, or cut short"),
        (encoded(np.zeros((9, 9), np.uint8), "GIF"), "send a JPEG or PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture"),
        (bytes(5_000_001), "too large; send at most 5 MB"),
        (
            encoded(np.zeros((5_000, 5_000), np.uint8)),
            "5000 × 5000 pixels: too many",
        ),
    ],
)
def test_anything_else_is_refused_with_one_line(raw, complaint):
    with pytest.raises(BadImages, match=complaint) as refused:
        uploads.read(raw, DIGITS)
    assert "\n" not in str(refused.value)
