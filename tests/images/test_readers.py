"""The readers on files written in the official formats; on damaged and hostile ones, one line."""

import gzip
import io
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.images import readers
from helpers.images.readers import BadImages

from . import formats


def all_of(images):
    return images.pixels(torch.arange(len(images.labels)))


# ------------------------------------------------------------------------------------- idx


@pytest.mark.parametrize(("below", "ending"), [("", ".gz"), ("MNIST/raw", "")])
def test_idx_files_come_back_the_test_set_last(tmp_path, ending, below):
    images, labels = formats.write_mnist(tmp_path / below, 30, 10, ending)
    found = readers.idx_files(tmp_path, "")
    assert found.test == 10
    assert np.array_equal(all_of(found)[:, 0], images)
    assert np.array_equal(found.labels, labels)
    assert (all_of(found).dtype, found.labels.dtype) == (torch.uint8, torch.int64)


# ---------------------------------------------------------------------------------- CIFAR-10


@pytest.mark.parametrize("dump", [formats.python2_pickle, lambda thing: pickle.dumps(thing, 2)])
def test_a_batch_comes_back_channel_by_channel(tmp_path, dump):
    path = tmp_path / "data_batch_1"
    path.write_bytes(dump(formats.batch(10)))
    images, labels = readers.cifar_batch(path)
    assert images.shape == (10, 3, 32, 32)
    green = formats.batch(10)[b"data"][3, 1024:2048]
    assert np.array_equal(images[3, 1].numpy().ravel(), green)
    assert labels.tolist() == list(range(10))


class Hostile:
    """Unpickled by the usual means, it runs a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_hostile_batch_is_not_run(tmp_path):
    path, mark = tmp_path / "data_batch_1", tmp_path / "mark"
    raw = pickle.dumps({b"data": Hostile(f"echo run > {mark}"), b"labels": []}, 2)
    path.write_bytes(raw)
    with pytest.raises(BadImages, match=f"asks for {os.system.__module__}.system, which is not"):
        readers.cifar_batch(path)
    assert not mark.exists()
    pickle.loads(raw)  # and it would have been
    assert mark.exists()


# ----------------------------------------------------------------------------------- folders


def test_a_folder_has_its_sub_folders_for_classes(tmp_path):
    formats.write_birds(tmp_path)
    found = readers.folder_images(tmp_path, 16, "")
    images = all_of(found)
    assert (images.shape, images.dtype) == ((12, 3, 16, 16), torch.uint8)
    assert found.labels.tolist() == [0] * 4 + [1] * 3 + [2] * 5
    red, green, _ = images[4]  # the grey one
    assert torch.equal(red, green)
    assert not torch.equal(*images[0, :2])


def test_what_is_hidden_or_no_image_is_left_out(tmp_path):
    for name in ("b.JPG", "a.png", "._a.png", ".trash/c.png"):
        formats.write_image(tmp_path / name, 20, 20)
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    found = readers.folder_images(tmp_path, 8, "")
    assert found.labels.tolist() == [0, 0]
    (tmp_path / "b.JPG").write_bytes(b"no image, but nobody asks for it")
    (first,) = found.pixels(torch.tensor([0]))
    assert torch.equal(first, readers.read_image(tmp_path / "a.png", 8))


@pytest.mark.parametrize("wide", [True, False])
def test_images_are_cut_to_a_square_about_their_centre(tmp_path, wide):
    stripes = np.repeat(np.eye(3, dtype=np.uint8) * 255, 20, axis=0)[:, None].repeat(20, 1)
    Image.fromarray(stripes.swapaxes(0, 1) if wide else stripes).save(tmp_path / "a.png")
    image = readers.read_image(tmp_path / "a.png", 20)
    assert image[:, 10, 10].tolist() == [0, 255, 0]
    assert (image[1] == 255).all()  # the middle third alone


def test_an_image_taken_on_its_side_is_set_upright(tmp_path):
    turned = Image.Exif()
    turned[0x112] = 6  # the camera was held a quarter to the left
    dots = np.zeros((20, 20, 3), np.uint8)
    dots[:10, :10, 0] = 255  # red at the top left of what was stored
    Image.fromarray(dots).save(tmp_path / "a.png", exif=turned)
    image = readers.read_image(tmp_path / "a.png", 20)
    assert image[0, 5, 15] == 255  # which belongs to the right
    assert image[0, 5, 5] == 0


# ----------------------------------------------------------------------------------- uploads

GREY, COLOUR = (1, 28, 28), (3, 64, 64)


def encoded(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("shape", [GREY, COLOUR])
def test_an_upload_becomes_a_row_of_the_dataset(kind, shape):
    white = encoded(np.full((40, 60, 3), 255, np.uint8), kind)
    light = readers.read_upload(white, shape)
    assert torch.equal(light, torch.ones(1, np.prod(shape)))
    assert torch.equal(readers.read_upload(white, shape, on_dark=True), -light)


def test_ink_on_paper_is_turned_for_digits_alone_and_light_on_dark_stays():
    shape, paper = (1, 28, 28), np.full((28, 28), 230, np.uint8)
    paper[10:18, 10:18] = 20
    read = {dark: readers.read_upload(encoded(paper), shape, dark) for dark in (False, True)}
    assert read[False][0, 0] > 0 > read[False].view(28, 28)[14, 14]
    assert torch.equal(read[True], -read[False])
    night = encoded(255 - paper)
    assert torch.equal(readers.read_upload(night, shape, True), readers.read_upload(night, shape))


@pytest.mark.parametrize(("ink", "ground"), [(20, 1.0), (240, -1.0)])
def test_what_is_transparent_becomes_what_the_ink_stands_out_from(ink, ground):
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[15:25, 15:25] = (ink, ink, ink, 255)
    read = readers.read_upload(encoded(pixels), (3, 8, 8)).view(3, 8, 8)
    assert read[0, 0, 0] == ground
    assert read[0, 4, 4] * ground < 0


def test_rows_and_colours_keep_their_place():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[0, 1, 2] = 255  # top row, second column, blue
    image = readers.read_upload(encoded(pixels), COLOUR).view(COLOUR)
    assert image[2, 0, 1] == 1
    assert image.sum() == 2 - image.numel()


# -------------------------------------------------------------------------------- bad inputs

SOUND = formats.idx_bytes(formats.pixels(3, 4, 5))


def changed(**values):
    return formats.python2_pickle(
        {**formats.batch(10), **{key.encode(): value for key, value in values.items()}}
    )


IDX = {  # what lies in the file, and the words that must answer
    "empty": (b"", "begins with '', not with '00000803'"),
    "labels for images": (formats.idx_bytes(formats.pixels(60)), "begins with '00000801'"),
    "cut": (SOUND[:-1], "holds 59 bytes, not the 3 x 4 x 5 it announces; download it again"),
    "too long": (SOUND + b"a", "holds 61 bytes, not the 3 x 4 x 5"),
    "boastful": (b"\0\0\x08\x03" + b"\xff" * 12 + b"a", "holds 1 bytes, not the 4294967295 x"),
    "zip cut": (gzip.compress(SOUND)[:-9], "cannot be read .*; download it again"),
    "zip spoilt": (b"\x1f\x8b" + b"a" * 30, "cannot be read"),
}
LABELS = {
    "of another file": (formats.idx_bytes(formats.pixels(9)), "9 labels for 30 images"),
    "out of range": (formats.idx_bytes(np.arange(30, dtype=np.uint8)), "label 10 is not one of 0"),
}
BATCHES = {
    "empty": (b"", "EOFError"),
    "text": (b"hello\nworld\n", "not a batch of CIFAR-10 .*; download it again"),
    "cut": (changed()[:-2000], "not a batch of CIFAR-10"),
    "without labels": (formats.python2_pickle({b"data": formats.pixels(1, 3072)}), "b'labels'"),
    "labels too few": (changed(labels=[1, 2]), "cannot reshape array"),
    "a label too high": (changed(labels=[10] * 10), "label 10 is not one of 0 to 9"),
    "numbers with a point": (changed(data=np.zeros((10, 3072))), "array of b?'f8', not of bytes"),
    "objects": (changed(data=np.full((10, 3072), None)), "array of b?'O8', not of bytes"),
    "a name of two lines": (b"\x80\x04\x8c\x02os\x8c\x04sy\nm\x93.", "asks for os.sy m"),
    "code to evaluate": (b"c__builtin__\neval\n(S'1'\ntR.", "asks for .*eval, which is not run"),
    "a numpy loader": (b"cnumpy\nload\n.", "asks for numpy.load, which is not run"),
}
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
NO_IMAGE = "cut short, vast or no image; remove"
IMAGES = {
    "text": (b"This is not an image.", NO_IMAGE),
    "a program for printers": (EPS, NO_IMAGE),
    "cut": (encoded(formats.pixels(50, 50, 3), "JPEG")[:-300], NO_IMAGE),
}
UPLOADS = {
    "text": (b"just some text", "not an image"),
    "cut": (encoded(np.zeros((50, 50), np.uint8))[:60], "not an image, cut short or vast"),
    "of another format": (encoded(np.zeros((9, 9), np.uint8), "GIF"), "send a JPEG or PNG"),
    "a program for printers": (EPS, "not an image"),
    "too long": (bytes(20_000_001), "too large; send at most 20 MB"),
    "boastful": (
        encoded(np.zeros((5_000, 5_000), np.uint8)),
        "5000 × 5000 pixels; at most 20 million",
    ),
}
GZ = "train-labels-idx1-ubyte.gz"
NAMES = {  # of the damaged file, and who reads it
    "idx": ("a", IDX, lambda path: readers.idx(path, 3)),
    "labels": (GZ, LABELS, lambda path: readers.idx_files(path.parent, "")),
    "batch": ("data_batch_1", BATCHES, readers.cifar_batch),
    "image": ("a.jpg", IMAGES, lambda path: readers.read_image(path, 8)),
    "upload": ("", UPLOADS, lambda raw: readers.read_upload(raw, GREY)),
}


@pytest.mark.parametrize(
    ("kind", "case"), [(kind, case) for kind, (_, cases, _) in NAMES.items() for case in cases]
)
def test_what_is_damaged_is_refused_in_one_line_that_names_it(tmp_path, kind, case):
    name, cases, read = NAMES[kind]
    raw, message = cases[case]
    formats.write_mnist(tmp_path)  # sound, but for what is damaged below
    if name:
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(BadImages, match=message) as refused:
        read(tmp_path / name if name else raw)
    assert str(refused.value).startswith(str(tmp_path / name) if name else "")
    assert "\n" not in str(refused.value)


MISSING = {
    "labels": lambda path: readers.idx_files(path, "ask a friend"),
    "batch": lambda path: readers.cifar10(path, "ask a friend"),
    "images": lambda path: readers.folder_images(path, 8, "ask a friend"),
    "no such folder": lambda path: readers.folder_images(path / "nowhere", 8, "ask a friend"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_is_named_with_the_way_to_it(tmp_path, case):
    formats.write_mnist(tmp_path)
    formats.write_cifar10(tmp_path)
    for name in (GZ, "data_batch_4"):
        (tmp_path / name).unlink()
    with pytest.raises(BadImages, match=r"no .* in this folder or below; ask a friend") as refused:
        MISSING[case](tmp_path)
    assert str(refused.value).startswith(str(tmp_path))


# ----------------------------------------------------------------- as a viewer shows them

GREY = np.linspace(0, 65_535, 64).reshape(8, 8)
RED = (255, 0, 0)


def picture(mode, colour, hidden=False):
    """One colour; with `hidden`, transparent everywhere."""
    image = Image.new(mode, (8, 8), colour)
    if hidden:
        image.putalpha(0)
    return image


def grey16():
    return Image.fromarray(GREY.astype(np.uint16))


def palette_with_a_hole():
    image = picture("RGB", RED).convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    return image


SHOWN = {  # what a viewer shows in the middle of it, by how it is kept
    "16-bit black": (lambda: Image.fromarray(np.zeros((8, 8), np.uint16)), "PNG", (0, 0, 0)),
    "16-bit grey": (
        lambda: Image.fromarray(np.full((8, 8), 32_768, np.uint16)), "PNG", (128, 128, 128)),
    "16-bit grey, hidden": (
        lambda: Image.fromarray(np.full((8, 8), 32_768, np.uint16)), "PNG", (255, 255, 255)),
    "16-bit TIFF": (
        lambda: Image.fromarray(np.full((8, 8), 32_768, np.uint16)), "TIFF", (128, 128, 128)),
    "RGBA, hidden": (lambda: picture("RGBA", (*RED, 0)), "PNG", (255, 255, 255)),
    "RGBA, half": (lambda: picture("RGBA", (*RED, 128)), "PNG", (255, 127, 127)),
    "LA, hidden": (lambda: picture("LA", (0, 0)), "PNG", (255, 255, 255)),
    "palette": (lambda: picture("RGB", RED).convert("P"), "PNG", RED),
    "palette, hidden": (palette_with_a_hole, "PNG", (255, 255, 255)),
    "one bit": (lambda: picture("1", 1), "PNG", (255, 255, 255)),
    "GIF": (lambda: picture("RGB", RED).convert("P"), "GIF", RED),
    "CMYK": (lambda: picture("CMYK", (0, 255, 255, 0)), "TIFF", RED),
    "WEBP, hidden": (lambda: picture("RGBA", (*RED, 0)), "WEBP", (255, 255, 255)),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOWN)
def test_pictures_are_read_as_a_viewer_shows_them(tmp_path, case):
    make, kind, expected = SHOWN[case]
    options = {"transparency": make().info["transparency"]} if "transparency" in make().info else {}
    if case == "16-bit grey, hidden":
        options = {"transparency": 32_768}
    make().save(tmp_path / "a.img", kind, **options)
    found = readers.read_image(tmp_path / "a.img", 8)[:, 4, 4].tolist()
    assert found == pytest.approx(expected, abs=2)
    if kind in readers.UPLOADS:
        sent = readers.read_upload((tmp_path / "a.img").read_bytes(), (3, 8, 8)).view(3, 8, 8)
        assert ((sent[:, 4, 4] + 1) * 127.5).tolist() == pytest.approx(expected, abs=2)


def test_every_shade_of_a_16_bit_grey_is_kept(tmp_path):
    grey16().save(tmp_path / "a.png")
    found = readers.read_image(tmp_path / "a.png", 8)[0].double().numpy()
    np.testing.assert_allclose(found, GREY / 257, atol=1)


def test_of_an_animation_the_first_picture_is_read(tmp_path):
    first, second = picture("RGB", RED), picture("RGB", (0, 0, 255))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert readers.read_image(tmp_path / "a.gif", 8)[:, 4, 4].tolist() == [255, 0, 0]


def test_linked_folders_are_read_once_and_what_is_left_out_is_told(tmp_path, capsys):
    formats.write_image(tmp_path / "cats" / "a.png", 9, 9)
    formats.write_image(tmp_path / "elsewhere" / "b.TIFF", 9, 9)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cats").symlink_to(tmp_path / "cats")
    (photos / "dogs").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "cats" / "round").symlink_to(photos)  # a way back
    for name in ("a.svg", "b.svg", "notes"):
        (photos / name).touch()
    assert readers.folder_images(photos, 8, "").labels.tolist() == [0, 1]
    said = capsys.readouterr().out
    assert "photos: 2 images; other files are left out (2 .svg, 1 without ending)" in said


def test_a_picture_that_claims_to_be_vast_is_refused(tmp_path):
    Image.new("1", (5_000, 5_000)).save(tmp_path / "a.png")
    with pytest.raises(BadImages, match=r"a\.png: 5000 × 5000 pixels; at most 20 million"):
        readers.read_image(tmp_path / "a.png", 8)
