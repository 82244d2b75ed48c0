"""Where the ELBO's gap comes from: an encoder that serves all points, or the form of q.

For one point the gap log p(x) − ELBO(q) is KL(q ‖ p(z | x)). With q* the best diagonal Gaussian for
that very point it parts in two: log p(x) − ELBO(q*), what the form of q costs (approximation), and
ELBO(q*) − ELBO(q), what one encoder for all points costs (amortisation) (Cremer, Li & Duvenaud
2018, eq. 6). Expectations under q are sums over a product of Gauss–Hermite nodes, so that nothing
here is random; log p(x) is a quadrature over the latent plane.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from helpers.metrics.density import enough, latent_grid, quadrature
from helpers.models import Gaussian

NODES = 16  # of a dimension under q, while q is sought
SCORED = (
    48  # and when it is scored: a search exploits what so few nodes get wrong at a ReLU's kinks
)
STEPS, RATE = 200, 0.05  # of Adam, for each point by itself
CHUNK = 50  # points whose posterior is laid out on the latent grid together


class Gaps(NamedTuple):
    """Of each of n points, in nats: log p(x), and the ELBO of the encoder's and of the best q."""

    log_p: Tensor  # (n,)
    encoder: Tensor
    best: Tensor

    @property
    def approximation(self) -> Tensor:
        """What a diagonal Gaussian costs, at its best."""
        return self.log_p - self.best

    @property
    def amortisation(self) -> Tensor:
        """What it costs beyond, that one network gives all q."""
        return self.best - self.encoder


def elbo(q: Gaussian, decoder: Callable, x: Tensor, nodes: int = SCORED) -> Tensor:
    """E_q log p(x | z) − KL(q ‖ N(0, I)) in nats for q of (n, 2) and x (n, 2): (n,)."""
    ticks, weights = np.polynomial.hermite_e.hermegauss(nodes)
    mass = torch.tensor(np.outer(weights, weights).ravel() / (2 * math.pi)).to(x)  # (nodes²,)
    noise = torch.cartesian_prod(*[torch.tensor(ticks).to(x)] * 2)  # (nodes², 2)
    log_likelihood = decoder(q.sample(noise[:, None])).log_prob(x)  # (nodes², n)
    return mass @ log_likelihood - q.kl_to_prior()


def best(decoder: Callable, x: Tensor, starts: list[Gaussian]) -> tuple[Gaussian, Tensor]:
    """The q of each point with the largest ELBO: those starts, or what Adam makes of them."""
    tried = [*starts, *(_climb(decoder, x, start) for start in starts)]
    with torch.no_grad():
        found = [(q, elbo(q, decoder, x)) for q in tried]
    values = torch.stack([value for _, value in found])  # (tried, n)
    pick = (values.argmax(0), torch.arange(len(x)))
    mean, log_scale = (torch.stack(part)[pick] for part in zip(*(q for q, _ in found), strict=True))
    return Gaussian(mean, log_scale), values.amax(0)


def _climb(decoder: Callable, x: Tensor, start: Gaussian) -> Gaussian:
    parts = [part.detach().clone().requires_grad_() for part in start]
    adam = torch.optim.Adam(parts, lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for _ in range(STEPS):
        adam.zero_grad()
        (-elbo(Gaussian(*parts), decoder, x, NODES).sum()).backward()  # each point for itself
        adam.step()
        schedule.step()
    return Gaussian(*(part.detach() for part in parts))


@torch.no_grad()
def posterior_moments(decoder: Callable, x: Tensor, nodes: int) -> Gaussian:
    """Mean and scale of p(z | x), from its values on the latent grid: of (n, 2)."""
    z, log_mass = latent_grid(2, nodes, x)  # (m, 2), (m,)
    parts = []
    likelihood = decoder(z)
    for some in x.split(CHUNK):
        share = (likelihood.log_prob(some[:, None]) + log_mass).softmax(-1)  # (CHUNK, m)
        mean = share @ z
        parts.append((mean, (share @ z.square() - mean.square()).clamp(min=1e-8)))
    mean, variance = map(torch.cat, zip(*parts, strict=True))
    return Gaussian(mean, 0.5 * variance.log())


def gaps(vae: nn.Module, x: Tensor) -> Gaps:
    """Both parts of the gap at points x (n, 2) of a VAE with two latents."""
    with torch.no_grad():
        q = vae.encoder(x)
        nodes = enough(vae.decoder, x, 2)
        log_p, before = quadrature(vae.decoder, x, 2, nodes), elbo(q, vae.decoder, x)
    starts = [q, posterior_moments(vae.decoder, x, nodes)]
    return Gaps(log_p, before, best(vae.decoder, x, starts)[1])
