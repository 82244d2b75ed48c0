"""What is looked at after every epoch, and at the end: the same noise and points each time."""

import torch
from torch import Tensor, nn

from helpers.densities import exact_likelihood
from helpers.metrics import modes
from helpers.targets import GaussianMixture, Labelled

FILMED = 2_000  # points a frame of a film
WATCHED = 10_000  # points for the scores of each epoch
SCORED = 100_000  # samples for the scores at the end
TESTED = 5_000  # test points whose likelihood is taken


class Probe:
    """Fixed noise and fixed labelled points, and a model's answer to them.

    `generator` draws the noise; `held_out` are labelled points that the model does not train on,
    of which the first `filmed` are encoded and reconstructed if the model has an encoder.
    """

    def __init__(
        self,
        latent: int,
        held_out: Labelled,
        generator: torch.Generator,
        device="cpu",
        watched: int | None = None,
        filmed: int | None = None,
    ):
        self.filmed = filmed or FILMED
        self.noise = torch.randn(watched or WATCHED, latent, generator=generator)
        self.points = held_out.points[: self.filmed]
        self.components = held_out.components[: self.filmed]
        self.stream = generator.get_state()
        self.device = device

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> dict[str, Tensor]:
        """Samples (10,000, 2) and, for a VAE, codes and reconstructions (2,000, latent and 2).

        Of a gallery 500 and 64, of as many dimensions as it has pixels.
        """
        decoder_noise = torch.Generator().set_state(self.stream)  # the same in every epoch
        seen = {"samples": model.draw(self.noise.to(self.device), decoder_noise)}
        if hasattr(model, "encoder"):
            seen["codes"] = model.encoder(self.points.to(self.device)).mean
            seen["reconstructions"] = model.decode(seen["codes"])
        return {name: values.cpu() for name, values in seen.items()}


def quality(target: GaussianMixture, x: Tensor) -> dict[str, float]:
    """The scores that are cheap enough for every epoch, of samples (n, 2)."""
    return {
        "share": modes.share_within(target, x),
        "weight_kl": modes.weight_kl(target, x),
        "log_likelihood": modes.log_likelihood(target, x),
    }


@torch.no_grad()
def sample(model: nn.Module, n: int, generator: torch.Generator) -> Tensor:
    """z ~ N(0, I), then x from the model, decoder noise included: (n, 2)."""
    return model.draw(torch.randn(n, model.latent, generator=generator), generator)


def final_scores(
    model: nn.Module, target: GaussianMixture, test: Tensor, generator: torch.Generator
) -> dict:
    """What is kept of a finished model: scores of 100,000 samples, and a VAE's likelihood."""
    x = sample(model, SCORED, generator)
    found = quality(target, x) | {
        "modes": modes.modes_covered(target, x),
        "radius_ratio": modes.radius_ratio(target, x).tolist(),
    }
    if hasattr(model, "encoder"):
        found |= exact_likelihood(model, target, test[:TESTED], generator)
    return found
