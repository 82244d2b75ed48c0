"""How a training is scored: a few numbers after every epoch, all of them when it ends.

A mixture is known, so its scores are exact and cheap. Other kinds of target bring an evaluator
of their own, with the attributes and methods of `MixtureEvaluator`.
"""

import torch
from torch import Tensor, nn

from helpers.metrics import modes
from helpers.metrics.density import exact_likelihood
from helpers.metrics.divergences import COMPARED
from helpers.targets import Draws, GaussianMixture, Target

FILMED = 2_000  # points a frame of a film
WATCHED = 10_000  # points for the scores of each epoch
SCORED = 100_000  # samples for the scores at the end


class MixtureEvaluator:
    """Scores against a known mixture."""

    def __init__(self, target: GaussianMixture):
        self.target = target
        self.watched, self.filmed = WATCHED, FILMED  # samples scored after an epoch; of them kept

    def watch(self, epoch: int, epochs: int, x: Tensor) -> dict[str, float]:
        """Share within 3σ, KL of the modes' weights and cross-entropy of samples x (n, 2).

        Called after each epoch; an evaluator may return nothing where no score is due.
        """
        return {
            "share": modes.high_quality_fraction(self.target, x),
            "weight_kl": modes.mode_kl(self.target, x),
            "cross_entropy": modes.cross_entropy(self.target, x),
        }

    def score(self, x: Tensor) -> dict:
        """The keys of `watch`, "modes" and "radius_ratio" (k) of samples x (n, 2)."""
        return self.watch(0, 0, x) | {
            "modes": modes.modes_covered(self.target, x),
            "radius_ratio": modes.radius_ratio(self.target, x).tolist(),
        }

    @torch.no_grad()
    def final(self, model: nn.Module, test: Tensor, generator: torch.Generator) -> dict:
        """Scores of SCORED samples, decoder noise included, and a likelihood where there is one.

        The keys of `score`; of a model with a decoder, whose density is known, those of
        `exact_likelihood` too; of a VAE "noise_free_share" and "noise_free_modes" as well: noise
        of σ = 1 reaches modes that no decoded mean is near.
        """
        found = self.score(
            model.draw(torch.randn(SCORED, model.latent, generator=generator), generator)
        )
        if hasattr(model, "encoder") or (hasattr(model, "decoder") and model.latent <= 2):
            found |= exact_likelihood(model, self.target, test[:COMPARED], generator)
        if hasattr(model, "encoder"):
            means = self.score(model.decode(torch.randn(SCORED, model.latent, generator=generator)))
            found |= {f"noise_free_{key}": means[key] for key in ("share", "modes")}
        return found

    def line(self, row: dict[str, float]) -> str:
        """A row of the history in a few words."""
        return f"within 3σ {row['share']:.2%}, KL of mode weights {row['weight_kl']:.1e} nats"


def evaluator(target: Target, draws: Draws):
    """The target's own evaluator where it brings one, else a mixture's."""
    own = getattr(target, "evaluator", None)
    return own(draws) if own else MixtureEvaluator(target)
