"""What is scored while a training runs, and when it ends: a mixture's way and a gallery's.

A mixture is known, so its scores are exact and cheap, and taken after every epoch. A gallery is
known by images alone: samples are compared with held-out images through the features of another
network, which is slow, so it is done about ten times in a training.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from helpers import probes
from helpers.galleries import Gallery
from helpers.metrics import images
from helpers.targets import Draws, GaussianMixture

TIMES = 10  # that a gallery's samples are scored in a training
SCORED = 500  # images to a score
NAMED = ("KID", "loss", "reconstruction", "kl", "critic", "generator")  # in a line of progress
SUBSETS = 25  # of them to a KID on the way: its mean alone is kept


class Judge(Protocol):
    """How a training is scored."""

    watched: int  # samples looked at after an epoch
    filmed: int  # of which so many are kept

    def watch(self, epoch: int, epochs: int, x: Tensor) -> dict[str, float]:
        """Scores of samples (n, d) after an epoch; empty when it is not their turn."""

    def final(self, model: nn.Module, test: Tensor, generator: torch.Generator) -> dict:
        """Scores of a finished model."""

    def line(self, row: dict[str, float]) -> str:
        """A row of the history in a few words."""


def judge_of(target: GaussianMixture | Gallery, data: Draws) -> Judge:
    """The judge that fits a target."""
    if isinstance(target, Gallery):
        return ImageJudge(target, data.validation.points)
    return PlaneJudge(target)


class PlaneJudge:
    """Scores against a known mixture."""

    def __init__(self, target: GaussianMixture):
        self.target = target
        self.watched, self.filmed = probes.WATCHED, probes.FILMED

    def watch(self, epoch: int, epochs: int, x: Tensor) -> dict[str, float]:
        """Share within 3σ, KL of the modes' weights, log-likelihood; after every epoch."""
        return probes.quality(self.target, x)

    def final(self, model: nn.Module, test: Tensor, generator: torch.Generator) -> dict:
        """Those of 100,000 samples, and a VAE's likelihood."""
        return probes.final_scores(model, self.target, test, generator)

    def line(self, row: dict[str, float]) -> str:
        """Share and KL."""
        return f"within 3σ {row['share']:.2%}, KL of mode weights {row['weight_kl']:.1e} nats"


class ImageJudge:
    """Scores of images (flat rows) against held-out ones, by KID on EfficientNet-Lite0."""

    def __init__(self, gallery: Gallery, held_out: Tensor):
        self.gallery = gallery
        self.held_out = held_out[:SCORED]
        self.watched, self.filmed = len(self.held_out), 64
        self.real: Tensor | None = None  # features of the held-out images, taken once

    def watch(self, epoch: int, epochs: int, x: Tensor) -> dict[str, float]:
        """KID, FID and more ten times in a training, the first and last epoch among them.

        `diversity` is how much samples differ in their features, over how much real ones do.
        """
        if epoch not in (0, 1, epochs) and epoch % max(1, epochs // TIMES):
            return {}
        if self.real is None:
            self.real = self._features(self.held_out)
        seen = self._features(x)
        return {
            "kid": images.kid(self.real, seen, _stream(), SUBSETS).value,
            "fid": images.fid(self.real, seen),
            "diversity": (seen.var(0).sum() / self.real.var(0).sum()).item(),
            "detail": images.detail(self.gallery.fold(x)),
        }

    @torch.no_grad()
    def final(self, model: nn.Module, test: Tensor, generator: torch.Generator) -> dict:
        """All image scores of decoded latents, real against real beside them."""
        x = model.decode(torch.randn(self.watched, model.latent, generator=generator))
        parts = (self.held_out, x, test[:SCORED])
        real, fake, reference = (self.gallery.fold(part) for part in parts)
        return images.image_scores(real, fake, reference, _stream(), images.LITE0)

    def line(self, row: dict[str, float]) -> str:
        """The KID where it was taken, else the losses."""
        shown = {"KID": row["kid"]} if row.get("kid") is not None else row
        return ", ".join(f"{name} {shown[name]:.3g}" for name in shown if name in NAMED)

    def _features(self, x: Tensor) -> Tensor:
        return images.features(self.gallery.fold(x))


def _stream() -> torch.Generator:
    return torch.Generator().manual_seed(0)  # the same subsets each time
