"""How a training on images is scored: by their features, about ten times and at its end."""

from functools import cached_property

import torch
from torch import Tensor, nn

from helpers import training
from helpers.images import metrics

TIMES = 10  # that samples are scored in a training
SCORED = 500  # images to a score
SUBSETS = 25  # to a KID on the way: its mean alone is kept
LOSSES = ("loss", "reconstruction", "kl", "discriminator", "generator")  # in a line of progress


class ImageEvaluator:
    """Scores of images (flat rows) against held-out ones, by KID on EfficientNet-Lite0.

    Features take seconds, so samples are scored about ten times in a training. `watched` is how
    many samples `watch` wants, `filmed` how many of them a film keeps.
    """

    def __init__(self, shape: tuple[int, int, int], held_out: Tensor):
        self.shape, self.held_out = shape, held_out[:SCORED]  # (n, c · h · w)
        self.watched, self.filmed = len(self.held_out), 64

    @cached_property
    def real(self) -> Tensor:
        """Features of the held-out images: (n, 1280)."""
        return self._features(self.held_out)

    def watch(self, epoch: int, epochs: int, x: Tensor) -> dict[str, float]:
        """KID, FID and more of samples ten times in a training, first and last epoch included.

        `diversity` is how much samples differ in their features, over how much real ones do.
        """
        if epoch not in (0, 1, epochs) and epoch % max(1, epochs // TIMES):
            return {}
        seen = self._features(x)
        return {
            "kid": metrics.kid(self.real, seen, training.stream(0), SUBSETS).value,
            "fid": metrics.fid(self.real, seen),
            "diversity": (seen.var(0).sum() / self.real.var(0).sum()).item(),
            "detail": metrics.detail(x.view(-1, *self.shape)),
        }

    @torch.no_grad()
    def final(self, model: nn.Module, test: Tensor, generator: torch.Generator) -> dict:
        """All image scores of decoded latents, real against real beside them."""
        x = model.decode(torch.randn(self.watched, model.latent, generator=generator))
        return metrics.image_scores(
            self.real, *map(self._features, (x, test[:SCORED])), training.stream(0)
        )

    def line(self, row: dict[str, float]) -> str:
        """A row of the history in a few words: the KID where it was taken, else the losses."""
        if row.get("kid") is not None:
            return f"KID {row['kid']:.3g} (lower is better; real images ≈ 0)"
        return ", ".join(f"{name} {row[name]:.3g}" for name in row if name in LOSSES)

    def _features(self, x: Tensor) -> Tensor:
        return metrics.features(x.view(-1, *self.shape))
