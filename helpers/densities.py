"""The density of a trained model: by quadrature for a VAE, by its mapped mesh for a GAN."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.metrics import likelihood, pushforward
from helpers.metrics.divergences import Divergences, divergences
from helpers.targets import GaussianMixture

NODES = {1: 16_384, 2: 320}  # of the quadrature, by latent size: narrow decoders need them
MESH = 800  # squares a side of a generator's latent plane
COMPARED = 5_000  # points a side for the divergences


def log_density(
    model: nn.Module, nodes: dict[int, int] = NODES, mesh: int = MESH
) -> Callable[[Tensor], Tensor]:
    """log q of a VAE with latent size 1 or 2, or of a generator with 2: (n, 2) to (n,), in nats.

    −∞ where a generator puts nothing. Raises ValueError, when called, for other latent sizes.
    """
    if hasattr(model, "encoder"):
        return lambda x: likelihood.quadrature(
            model.decoder, x, model.latent, nodes.get(model.latent, 0)
        )
    return lambda x: pushforward.density(model.decode, x, mesh).log()


def model_divergences(
    model: nn.Module,
    target: GaussianMixture,
    points: Tensor,
    samples: Tensor,
    coarser: float = 1.0,
) -> Divergences:
    """Divergences between the target, seen at `points` (m, 2), and the model, at `samples` (n, 2).

    `coarser` divides the nodes of the quadrature or mesh: two values tell the error. A sample
    that slips between the triangles of the mesh, about one in a thousand, is left out.
    """
    nodes = {size: int(count / coarser) for size, count in NODES.items()}
    log_q = log_density(model, nodes, int(MESH / coarser))
    at_samples = log_q(samples)
    found = at_samples.isfinite()

    def known(x: Tensor) -> Tensor:
        return at_samples[found] if x is kept else log_q(x)

    kept = samples[found]
    return divergences(target, known, points, kept)


@torch.no_grad()
def exact_likelihood(
    model: nn.Module, target: GaussianMixture, test: Tensor, generator: torch.Generator
) -> dict:
    """Mean −log p(x) of a VAE in nats, the target's on the same points, and their difference.

    By quadrature up to two latent dimensions, else the importance-weighted bound.
    """
    if model.latent <= 2:
        log_p, how = log_density(model)(test), "quadrature"
    else:
        networks = (model.encoder, model.decoder)
        log_p = likelihood.importance(*networks, test, model.latent, 2_000, generator)
        how = "importance, K = 2,000"
    nll, truth = -log_p.mean().item(), -target.log_prob(test).mean().item()
    return {"nll": nll, "nll_truth": truth, "kl": nll - truth, "nll_by": how}
