import pytest
import torch

from helpers import galleries, images
from helpers.galleries import Gallery


@pytest.fixture
def loaded(monkeypatch):
    """Twenty images whose every pixel is their number, and how often they were loaded."""
    calls = []

    def load(name, size, generator, n):
        calls.append((name, size))
        x = torch.arange(20.0).view(-1, 1, 1, 1).expand(20, 1, size, size) / 20
        labels = torch.arange(20)
        return images.ImageSet(name, x[:14], labels[:14], x[14:], labels[14:], "", ())

    monkeypatch.setattr(images, "load", load)
    galleries._loaded.cache_clear()
    yield calls
    galleries._loaded.cache_clear()


def test_draws_are_flat_and_labelled_and_never_overlap(loaded):
    gallery = Gallery("digits", 4, 1)
    train, validation, test = galleries.draws(gallery, 5)
    assert train.points.shape == (14, 16)
    assert train.components.tolist() == list(range(14))
    assert validation.components.tolist() == [14, 15, 16]
    assert test.components.tolist() == [17, 18, 19]
    assert torch.equal(gallery.fold(train.points)[3, 0], torch.full((4, 4), 3 / 20))


def test_a_cut_gallery_has_fewer_to_train_on_and_its_own_name(loaded):
    cut = Gallery("digits", 4, 1, most=5)
    assert len(galleries.draws(cut, 5).train.points) == 5
    assert cut.name == "digits-4-5"


def test_images_are_loaded_once(loaded):
    for _ in range(3):
        galleries.draws(Gallery("digits", 4, 1), 5)
    assert len(loaded) == 1


@pytest.mark.parametrize(
    ("name", "shape"),
    [("digits", (1, 28, 28)), ("faces", (3, 64, 64)), ("faces-32", (3, 32, 32))],
)
def test_names_have_sizes_and_colours(name, shape):
    gallery = galleries.named(name)
    assert gallery.shape == shape
    assert gallery.dimensions == shape[0] * shape[1] * shape[2]


def test_a_definition_comes_back():
    gallery = Gallery("faces", 32, 3, most=100)
    assert galleries.from_definition(gallery.definition()) == gallery
