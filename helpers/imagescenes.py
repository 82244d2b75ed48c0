"""The film of a training on images: what fixed latents decode to after each epoch."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from helpers.animation import canvas_figure
from helpers.galleries import Gallery
from helpers.pictures import tiled

SIDE = 640  # pixels of the picture


class Frame(Protocol):
    """What the scene reads of a snapshot."""

    epoch: int
    probe: Mapping[str, Any]


class GalleryScene:
    """Samples of the same latents, 8 × 8, and the epoch above them."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self.figure = canvas_figure(SIDE, SIDE + 40)
        ax = self.figure.add_axes((0.01, 0.005, 0.98, 0.98 * SIDE / (SIDE + 40)))
        ax.set_axis_off()
        blank = tiled(torch.ones(64, *gallery.shape), 8)
        self.image = ax.imshow(blank, interpolation="nearest")
        words = {"va": "top", "fontsize": 13, "color": "#222222"}
        self.epoch = self.figure.text(0.99, 0.985, "", ha="right", fontweight="bold", **words)
        self.figure.text(0.01, 0.985, "the same 64 latents, decoded after epoch", **words)
        self.artists = [self.image, self.epoch]

    def update(self, frame: Frame) -> None:
        """Show the samples of a frame."""
        samples = torch.as_tensor(frame.probe["samples"]).float()[:64]
        self.image.set_data(tiled(self.gallery.fold(samples), 8))
        self.epoch.set_text(f"{frame.epoch}")
