"""log p(x) of a VAE: exactly, by quadrature over a small latent space, or as a bound.

A model is two callables. `encoder(x)` returns q(z | x) with `log_prob(z)` and `sample(noise)`,
`decoder(z)` returns p(x | z) with `log_prob(x)`; the prior is N(0, I). All of them broadcast
over leading dimensions.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

CELLS = 2**16  # point–code pairs at once: what stays in a core's cache, twice as fast as more


@torch.no_grad()
def quadrature(
    decoder: Callable, x: Tensor, latent: int, nodes: int = 160, bound: float = 6.0
) -> Tensor:
    """log p(x) = log ∫ p(x | z) N(z; 0, I) dz in nats, by the midpoint rule: (n, 2) to (n,).

    `nodes` a dimension over [−bound, bound]^latent, less the corners where |z| > bound: of the
    prior, exp(−bound²/2) lies there. The integrand and its derivatives vanish at the boundary,
    so the rule converges faster than any power of the step, once the step is below the width
    of p(z | x): a narrower decoder needs more nodes, and `quadrature_with_error` tells whether
    it has them. Raises ValueError for latent above 2.
    """
    z, log_mass = _grid(latent, nodes, bound, x)
    total = torch.full((len(x),), -math.inf, dtype=x.dtype, device=x.device)  # (n,)
    for codes, mass in zip(z.split(4096), log_mass.split(4096), strict=True):
        likelihood = decoder(codes)  # over (c,) codes
        points = x.split(max(1, CELLS // len(codes)))
        part = [(likelihood.log_prob(p[:, None]) + mass).logsumexp(-1) for p in points]
        total = torch.logaddexp(total, torch.cat(part))
    return total


def quadrature_with_error(
    decoder: Callable, x: Tensor, latent: int, nodes: int = 160, bound: float = 6.0
) -> tuple[float, float]:
    """Mean log p(x) in nats at half the step, and how far it moved when the step was halved."""
    coarse, fine = (
        quadrature(decoder, x, latent, count, bound).double().mean().item()
        for count in (nodes, 2 * nodes)
    )
    return fine, abs(fine - coarse)


@torch.no_grad()
def importance(
    encoder: Callable,
    decoder: Callable,
    x: Tensor,
    latent: int,
    samples: int,
    generator: torch.Generator,
) -> Tensor:
    """The importance-weighted bound on log p(x) in nats: (n, 2) to (n,).

    log (1/K) Σ_k p(x | z_k) p(z_k) / q(z_k | x), z_k ~ q, K = `samples` (Burda et al. 2016,
    eq. 8). K = 1 is a one-sample ELBO; in expectation it only rises with K, towards log p(x).
    """
    q = encoder(x)
    total = torch.full((len(x),), -math.inf, dtype=x.dtype, device=x.device)  # (n,)
    for some in _portions(samples, max(1, CELLS // len(x))):
        noise = torch.randn(some, len(x), latent, generator=generator, dtype=x.dtype)
        z = q.sample(noise.to(x.device))  # (some, n, latent)
        log_weight = decoder(z).log_prob(x) + _log_prior(z) - q.log_prob(z)  # (some, n)
        total = torch.logaddexp(total, log_weight.logsumexp(0))
    return total - math.log(samples)


def _grid(latent: int, nodes: int, bound: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Midpoints (m, latent) with |z| ≤ bound, and the log of prior times cell, (m,)."""
    if latent not in (1, 2):
        raise ValueError(
            f"latent = {latent}: quadrature covers 1 or 2 dimensions; use importance() instead"
        )
    step = 2 * bound / nodes
    ticks = (torch.arange(nodes, dtype=like.dtype, device=like.device) + 0.5) * step - bound
    z = torch.cartesian_prod(*[ticks] * latent).view(-1, latent)
    z = z[z.norm(dim=-1) <= bound]
    return z, _log_prior(z) + latent * math.log(step)


def _log_prior(z: Tensor) -> Tensor:
    """log N(z; 0, I) in nats: (..., latent) to (...)."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


def _portions(total: int, most: int) -> list[int]:
    """`total` cut into pieces of at most `most`."""
    return [min(most, total - done) for done in range(0, total, most)]
