"""Writers of the official image formats, as those who published them wrote them."""

import gzip
import io
import pickle
from typing import ClassVar

import numpy as np
from PIL import Image


def pixels(*shape):
    """Random bytes of that shape."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def idx_bytes(array):
    """An array of bytes as an idx file."""
    head = (0x800 + array.ndim).to_bytes(4) + b"".join(n.to_bytes(4) for n in array.shape)
    return head + array.tobytes()


def write_mnist(folder, train=30, test=10, ending=".gz"):
    """The four files of MNIST, with so many images of 28 x 28; returns all pixels and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = pixels(train + test, 28, 28), np.arange(train + test, dtype=np.uint8) % 10
    for part, rows in (("train", slice(train)), ("t10k", slice(train, None))):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            raw = idx_bytes(array[rows])
            path = folder / f"{part}-{kind}-ubyte{ending}"
            path.write_bytes(gzip.compress(raw, 1) if ending else raw)
    return images, labels


class Python2Pickler(pickle._Pickler):
    """Writes as Python 2 did: bytes and text alike as byte strings, numpy by its old names."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text):
        raw = text if isinstance(text, bytes) else text.encode("latin-1")
        short = len(raw) < 256
        self.write((b"U" if short else b"T") + len(raw).to_bytes(1 if short else 4, "little") + raw)
        self.memoize(text)

    def save_global(self, thing, name=None):
        module = thing.__module__.replace("numpy._core", "numpy.core")
        self.write(f"c{module}\n{name or thing.__name__}\n".encode())
        self.memoize(thing)

    dispatch[bytes] = save_text
    dispatch[str] = save_text


def python2_pickle(thing):
    """The bytes that Python 2 would have written in protocol 2."""
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(thing)
    return file.getvalue()


def batch(n=10):
    """The contents of a batch of CIFAR-10: pixels are rows of red, then green, then blue."""
    return {
        b"batch_label": b"training batch 1 of 5",
        b"labels": [i % 10 for i in range(n)],
        b"data": pixels(n, 3072),
        b"filenames": [b"%d.png" % i for i in range(n)],
    }


def write_cifar10(folder, n=10):
    """The six batches of CIFAR-10's python version, n images each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(python2_pickle(batch(n)))


def write_image(path, width, height, mode="RGB"):
    """An image of smooth shades, as JPEG or PNG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(4, 4, 3)).resize((width, height)).convert(mode).save(path)


def write_birds(folder):
    """A tree like that of CUB-200-2011: three kinds, one image of them grey, none square."""
    kinds = ("001.Albatross", "002.Auk", "003.Blackbird")
    for kind, each in zip(kinds, (4, 3, 5), strict=True):
        for i in range(each):
            mode = "L" if (kind, i) == (kinds[1], 0) else "RGB"
            write_image(folder / "images" / kind / f"{i}.jpg", 50 + 10 * i, 40, mode)
    (folder / "classes.txt").write_text("1 001.Albatross\n", encoding="utf-8")
