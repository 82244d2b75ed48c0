"""The readers on files written in the official formats; on damaged and hostile ones, one line."""

import gzip
import os
import pickle

import formats
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import imagefiles
from helpers.imagefiles import BadImages

DIGITS = tuple("0123456789")


def complaint(path, pattern, read, *arguments):
    """Reading fails in one line that begins with the file's name."""
    with pytest.raises(BadImages, match=pattern) as caught:
        read(*arguments)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------- idx


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("below", ["", "MNIST/raw"])
def test_idx_files_come_back(tmp_path, ending, below):
    images, labels = formats.write_mnist(tmp_path / below, 30, 10, ending)
    found = imagefiles.idx_pair(tmp_path, "t10k", DIGITS, "")
    assert np.array_equal(found.images.numpy()[:, 0], images[30:])
    assert np.array_equal(found.labels.numpy(), labels[30:])
    assert (found.images.dtype, found.labels.dtype) == (torch.uint8, torch.int64)


def test_a_zipped_file_is_known_by_its_bytes_and_a_dot_in_the_name_is_no_matter(tmp_path):
    path = tmp_path / "train-images.idx3-ubyte"
    path.write_bytes(gzip.compress(formats.idx_bytes(formats.pixels(2, 5, 7))))
    assert imagefiles.find(tmp_path, "train-images-idx3-ubyte", "") == path
    assert imagefiles.idx(path, 3).shape == (2, 5, 7)


SOUND = formats.idx_bytes(formats.pixels(3, 4, 5))
IDX = {  # what lies in the file, and the words that must answer
    "empty": (b"", "begins with '', not with '00000803'"),
    "labels for images": (formats.idx_bytes(formats.pixels(60)), "begins with '00000801'"),
    "floats": (b"\0\0\x0d\x03" + SOUND[4:], "begins with '00000d03'"),
    "text": (b"hello", "begins with '68656c6c'"),
    "cut in the header": (SOUND[:9], "bytes, not the 3 x "),
    "cut": (SOUND[:-1], "holds 59 bytes, not the 3 x 4 x 5 it announces; download it again"),
    "too long": (SOUND + b"a", "holds 61 bytes, not the 3 x 4 x 5"),
    "boastful": (b"\0\0\x08\x03" + b"\xff" * 12 + b"a", "holds 1 bytes, not the 4294967295 x"),
    "zip cut": (gzip.compress(SOUND)[:-9], "cannot be read .*; download it again"),
    "zip spoilt": (b"\x1f\x8b" + b"a" * 30, "cannot be read"),
}


@pytest.mark.parametrize("case", IDX)
def test_a_damaged_idx_file_is_refused(tmp_path, case):
    raw, pattern = IDX[case]
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(raw)
    complaint(path, pattern, imagefiles.idx, path, 3)


LABELS = {
    "of another file": (np.arange(9, dtype=np.uint8), "9 labels for 30 images"),
    "out of range": (np.arange(30, dtype=np.uint8), "label 10 is not one of 0 to 9"),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_must_belong_to_the_images(tmp_path, case):
    formats.write_mnist(tmp_path)
    labels, pattern = LABELS[case]
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(formats.idx_bytes(labels))
    complaint(path, pattern, imagefiles.idx_pair, tmp_path, "train", DIGITS, "")


def test_files_without_images_are_refused(tmp_path):
    formats.write_mnist(tmp_path, test=0)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    complaint(path, "0 labels for 0", imagefiles.idx_pair, tmp_path, "t10k", DIGITS, "")


def test_a_missing_file_is_named_with_the_way_to_it(tmp_path):
    formats.write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    pattern = "no file 'train-labels-idx1-ubyte' in this folder or below; ask a friend"
    complaint(tmp_path, pattern, imagefiles.idx_pair, tmp_path, "train", DIGITS, "ask a friend")
    nowhere = tmp_path / "nowhere"
    complaint(nowhere, "no file", imagefiles.idx_pair, nowhere, "train", DIGITS, "")


# ---------------------------------------------------------------------------------- CIFAR-10


def python3_pickle(thing):
    return pickle.dumps(thing, 2)


@pytest.mark.parametrize("dump", [formats.python2_pickle, python3_pickle])
def test_a_batch_comes_back_channel_by_channel(tmp_path, dump):
    path = tmp_path / "data_batch_1"
    path.write_bytes(dump(formats.batch(10)))
    found = imagefiles.cifar_batch(path)
    pixels = formats.batch(10)[b"data"]
    assert found.images.shape == (10, 3, 32, 32)
    assert np.array_equal(found.images[3, 1].numpy().ravel(), pixels[3, 1024:2048])  # green
    assert found.labels.tolist() == list(range(10))


def test_the_writer_writes_as_python_2_did():
    raw = formats.python2_pickle(formats.batch(1))
    assert raw.startswith(b"\x80\x02}q\x00(U\x0bbatch_label")
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in raw
    assert b"_codecs" not in raw


def test_an_array_kept_by_columns_comes_back(tmp_path):
    path = tmp_path / "data_batch_1"
    contents = formats.batch(4)
    path.write_bytes(
        formats.python2_pickle({**contents, b"data": np.asfortranarray(contents[b"data"])})
    )
    assert np.array_equal(imagefiles.cifar_batch(path).images.flatten(1), contents[b"data"])


def test_all_batches_are_found_below_the_folder(tmp_path):
    formats.write_cifar10(tmp_path / "cifar-10-batches-py", 4)
    assert imagefiles.cifar10(tmp_path, "train", "").images.shape == (20, 3, 32, 32)
    assert imagefiles.cifar10(tmp_path, "test", "").images.shape == (4, 3, 32, 32)
    (tmp_path / "cifar-10-batches-py" / "data_batch_4").unlink()
    complaint(
        tmp_path, "no file 'data_batch_4'.*unpack", imagefiles.cifar10, tmp_path, "train", "unpack"
    )


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
    pattern = f"it asks for {os.system.__module__}.system, which is not run.*; download it again"
    complaint(path, pattern, imagefiles.cifar_batch, path)
    assert not mark.exists()
    pickle.loads(raw)  # and it would have been
    assert mark.exists()


def changed(**values):
    return formats.python2_pickle(
        {**formats.batch(10), **{k.encode(): v for k, v in values.items()}}
    )


BATCHES = {
    "empty": (b"", "EOFError"),
    "text": (b"hello\nworld\n", "not a batch of CIFAR-10 .*; download it again"),
    "cut": (changed()[:-2000], "not a batch of CIFAR-10"),
    "a list": (formats.python2_pickle([1, 2]), "not a batch of CIFAR-10"),
    "without labels": (formats.python2_pickle({b"data": formats.pixels(1, 3072)}), "b'labels'"),
    "labels too few": (changed(labels=[1, 2]), "cannot reshape array"),
    "labels of nothing": (changed(labels=None), "not a batch of CIFAR-10"),
    "a label too high": (changed(labels=[10] * 10), "label 10 is not one of 0 to 9"),
    "numbers with a point": (changed(data=np.zeros((10, 3072))), "array of b?'f8', not of bytes"),
    "objects": (changed(data=np.full((10, 3072), None)), "array of b?'O8', not of bytes"),
    "small images": (changed(data=formats.pixels(10, 768)), "cannot reshape array"),
    "no array": (changed(data=b"a" * 30720), "not a batch of CIFAR-10"),
    "a name of two lines": (b"\x80\x04\x8c\x02os\x8c\x04sy\nm\x93.", "asks for os.sy m"),
    "code to evaluate": (b"c__builtin__\neval\n(S'1'\ntR.", "asks for .*eval, which is not run"),
    "a numpy loader": (b"cnumpy\nload\n.", "asks for numpy.load, which is not run"),
}


@pytest.mark.parametrize("case", BATCHES)
def test_a_damaged_batch_is_refused(tmp_path, case):
    raw, pattern = BATCHES[case]
    path = tmp_path / "data_batch_1"
    path.write_bytes(raw)
    complaint(path, pattern, imagefiles.cifar_batch, path)


def test_a_batch_that_is_not_there_is_refused(tmp_path):
    complaint(tmp_path / "a", "FileNotFoundError", imagefiles.cifar_batch, tmp_path / "a")


# ----------------------------------------------------------------------- folders of pictures


def test_a_tree_has_the_folders_for_classes(tmp_path):
    formats.write_birds(tmp_path)
    found = imagefiles.tree(tmp_path, 16, "crop", "")
    assert (found.images.shape, found.images.dtype) == ((12, 3, 16, 16), torch.uint8)
    assert found.labels.tolist() == [0] * 4 + [1] * 3 + [2] * 5
    assert found.classes == ("001.Albatross", "002.Auk", "003.Blackbird")
    red, green, _ = found.images[4]  # the grey one
    assert torch.equal(red, green)
    assert not torch.equal(*found.images[0, :2])


def test_a_flat_folder_has_no_classes_and_what_is_hidden_or_no_picture_is_left_out(tmp_path):
    for name in ("b.JPG", "a.png", "._a.png", ".trash/c.png"):
        formats.write_picture(tmp_path / name, 20, 20)
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    found = imagefiles.tree(tmp_path, 8, "crop", "")
    assert found.labels is None
    assert len(found.images) == 2
    assert torch.equal(found.images[0], imagefiles.picture(tmp_path / "a.png", 8, "crop"))


def stripes(path, wide):
    """Red, green and blue side by side, or one below the other."""
    rows = np.repeat(np.eye(3, dtype=np.uint8) * 255, 20, axis=0)[:, None].repeat(20, 1)
    Image.fromarray(rows.swapaxes(0, 1) if wide else rows).save(path)


@pytest.mark.parametrize("wide", [True, False])
def test_pictures_are_cropped_or_padded_about_the_centre(tmp_path, wide):
    stripes(tmp_path / "a.png", wide)
    cropped = imagefiles.picture(tmp_path / "a.png", 20, "crop")
    assert (cropped[1] == 255).all()  # the middle third alone
    padded = imagefiles.picture(tmp_path / "a.png", 30, "pad")
    upright = padded if not wide else padded.transpose(1, 2)
    assert upright[:, :, :9].max() == upright[:, :, 21:].max() == 0
    assert upright[:, [5, 15, 25], 15].tolist() == (255 * torch.eye(3, dtype=int)).tolist()


def test_a_picture_taken_on_its_side_is_set_upright(tmp_path):
    stripes(tmp_path / "a.png", wide=True)
    turned = Image.Exif()
    turned[0x112] = 6  # the camera was held a quarter to the left
    with Image.open(tmp_path / "a.png") as image:
        image.save(tmp_path / "b.png", exif=turned)
    padded = imagefiles.picture(tmp_path / "b.png", 30, "pad")
    assert padded[:, [5, 15, 25], 15].argmax(0).tolist() == [0, 1, 2]


PICTURES = {
    "text": b"This is not a picture.",
    "empty": b"",
    "a program for printers": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
}


@pytest.mark.parametrize("case", [*PICTURES, "cut"])
def test_what_is_no_picture_is_named(tmp_path, case):
    formats.write_birds(tmp_path)
    path = tmp_path / "images" / "002.Auk" / "1.jpg"
    path.write_bytes(PICTURES.get(case, path.read_bytes()[:-300]))
    complaint(path, "cut short or not a picture; remove", imagefiles.tree, tmp_path, 8, "crop", "")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_pictures_is_named_with_the_way_to_them(tmp_path, name):
    (tmp_path / "empty").mkdir()
    path = tmp_path / name
    pattern = r"no \.jpg, \.jpeg.* in this folder or below; ask a friend"
    complaint(path, pattern, imagefiles.tree, path, 8, "crop", "ask a friend")
