from types import SimpleNamespace

import numpy as np
import torch

from helpers.animation import pictures
from helpers.galleries import Gallery
from helpers.imagescenes import GalleryScene


def test_a_frame_shows_its_samples_and_epoch():
    gallery = Gallery("digits", 8, 1)
    scene = GalleryScene(gallery)
    dark = SimpleNamespace(epoch=1, probe={"samples": -torch.ones(64, 64)})
    bright = SimpleNamespace(epoch=12, probe={"samples": np.ones((64, 64), np.float16)})
    first, second = (picture.copy() for picture in pictures(scene, [dark, bright]))
    assert first.shape == (680, 640, 4)
    assert second[300:600, 100:500].mean() > first[300:600, 100:500].mean() + 100
    assert scene.epoch.get_text() == "12"
