"""How a training on images is scored: by features, many times on its way and at its end."""

from functools import cached_property

import torch
from torch import Tensor, nn

from helpers import training
from helpers.images import metrics

TIMES = 10  # that samples are scored in a training by the large network,
OFTEN = 50  # and by a classifier, whose features take milliseconds
ON_THE_WAY = 500  # images to a score by the large network, which takes seconds for them;
SCORED = 1_000  # by a classifier, and at the end
SUBSETS = 25  # to a KID on the way: its mean alone is kept
LOSSES = ("loss", "reconstruction", "kl", "discriminator", "generator")  # in a line of progress


class ImageEvaluator:
    """Scores of images (flat rows) against held-out ones, `draws` being the parts of a dataset.

    By the features of a classifier of the dataset, which says also how many samples it recognises,
    or, where there is none, by those of EfficientNet-Lite0. `watched` is how many samples `watch`
    wants, `filmed` how many of them a film keeps.
    """

    def __init__(self, shape: tuple[int, int, int], draws, classifier=None):
        self.shape, self.classifier = shape, classifier
        self.held_out = torch.cat([part.points for part in draws[1:]])[:SCORED]  # (n, c · h · w)
        self.others = draws.train.points[:SCORED]
        self.times = OFTEN if classifier else TIMES
        self.watched = min(len(self.held_out), SCORED if classifier else ON_THE_WAY)
        self.filmed = 64

    @cached_property
    def real(self) -> Tensor:
        """Features of the held-out images: (n, d)."""
        return self.features(self.held_out[: self.watched])

    @cached_property
    def shapes(self) -> Tensor:
        """Thumbnails of the held-out images: (n, 64 c)."""
        return metrics.thumbnails(self._folded(self.held_out[: self.watched]))

    def watch(self, epoch: int, epochs: int, x: Tensor) -> dict[str, float]:
        """KID, FID and more of samples several times in a training, first and last included.

        `shape_kid` compares thumbnails of 8 × 8 pixels, which show neither grain nor blur;
        `diversity` is how much samples differ in their features, over how much real ones do;
        `sure` is the share of samples that the classifier recognises.
        """
        if epoch not in (0, 1, epochs) and epoch % max(1, epochs // self.times):
            return {}
        seen, small = self.features(x), metrics.thumbnails(self._folded(x))
        found = {
            "kid": metrics.kid(self.real, seen, training.stream(0), SUBSETS).value,
            "fid": metrics.fid(self.real, seen),
            "shape_kid": metrics.kid(self.shapes, small, training.stream(0), SUBSETS).value,
            "diversity": (seen.var(0).sum() / self.real.var(0).sum()).item(),
            "detail": metrics.detail(self._folded(x)),
        }
        if self.classifier:
            found["sure"] = self.classifier.judge(x).sure.float().mean().item()
        return found

    @torch.no_grad()
    def final(self, model: nn.Module, test: Tensor, generator: torch.Generator) -> dict:
        """All image scores of decoded latents, and of real images, against held-out real ones."""
        x = model.decode(torch.randn(len(self.held_out), model.latent, generator=generator))
        sides = {"real": self.held_out, "fake": x, "reference": self.others}
        networks = {metrics.FEATURES: lambda x: metrics.features(self._folded(x))}
        if self.classifier:
            networks["classifier"] = self.features
        scores = {"fake": {}, "reference": {}}
        for name, network in networks.items():
            seen = (network(side) for side in sides.values())
            for side, found in metrics.image_scores(*seen, training.stream(0), name).items():
                scores[side] |= found
        return scores

    def line(self, row: dict[str, float]) -> str:
        """A row of the history in a few words: the KID where it was taken, else the losses."""
        if row.get("kid") is not None:
            return f"KID {row['kid']:.3g} (lower is better; real images ≈ 0)"
        return ", ".join(f"{name} {row[name]:.3g}" for name in row if name in LOSSES)

    def _folded(self, x: Tensor) -> Tensor:
        return x.view(-1, *self.shape)

    def features(self, x: Tensor) -> Tensor:
        if self.classifier:
            return self.classifier.judge(x).features
        return metrics.features(self._folded(x))
