"""log p(x) of a trained model: of a VAE by quadrature or as a bound, of a generator by its mesh.

A VAE is two callables. `encoder(x)` returns q(z | x) with `log_prob(z)` and `sample(noise)`,
`decoder(z)` returns p(x | z) with `log_prob(x)`; the prior is N(0, I). All of them broadcast
over leading dimensions. A generator is x = decode(z), z ~ N(0, I).
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor, nn

from helpers.metrics import pushforward
from helpers.models import LOG_2PI, PlaneGaussian
from helpers.targets import GaussianMixture

# Point–code pairs at once: what stays in a core's cache, twice as fast as more; else few launches.
PAIRS = {"cpu": 2**16, "cuda": 2**25, "mps": 2**22}
NODES = {1: 16_384, 2: 320}  # of the quadrature at the most, by latent size, for narrow decoders
TRIED, MOVED = 500, 1e-3  # points that tell whether fewer do; nats that each moves on average
MESH = 800  # squares a side of a generator's latent plane
SAMPLES = 2_000  # of the importance-weighted bound
TILE, REACH = 0.5, 8.0  # side of a tile in data units; standard deviations
NOTHING = -80.0  # nats below the largest term
BOUND = 6.0  # of the latents that are integrated over
PORTION = 1_000_000  # samples drawn at once
ROWS = 250  # rows of latent squares mapped together: what fits in memory


@torch.no_grad()
def quadrature(decoder: Callable, x: Tensor, latent: int, nodes: int = 160) -> Tensor:
    """log p(x) = log ∫ p(x | z) N(z; 0, I) dz in nats, by the midpoint rule: (n, 2) to (n,).

    `nodes` a dimension over [−6, 6]^latent, less the corners where |z| > 6: of the prior,
    exp(−18) lies there. The integrand and its derivatives vanish at the boundary,
    so the rule converges faster than any power of the step, once the step is below the width
    of p(z | x): a narrower decoder needs more nodes, and `quadrature_with_error` tells whether
    it has them. Raises ValueError for latent above 2.
    """
    z, log_mass = latent_grid(latent, nodes, x)
    if isinstance(decoder(z[:1]), PlaneGaussian):
        return _by_tiles(decoder(z), log_mass, x)
    total = torch.full((len(x),), -math.inf, dtype=x.dtype, device=x.device)  # (n,)
    for codes, mass in zip(z.split(4096), log_mass.split(4096), strict=True):
        likelihood = decoder(codes)
        points = x.split(max(1, PAIRS[x.device.type] // len(codes)))
        part = [_log_sum_exp(likelihood.log_prob(p[:, None]) + mass) for p in points]
        total = torch.logaddexp(total, torch.cat(part))
    return total


def _by_tiles(likelihood: PlaneGaussian, log_mass: Tensor, x: Tensor) -> Tensor:
    """log Σ_z p(x | z) mass(z) of points x (n, 2), tile by tile of the plane: (n,).

    For each tile those of the (m,) codes that lie within REACH of their own standard deviations,
    one in five or so. Each of the others adds at most exp(−REACH² / 2) of its peak, which tells
    only where log p itself is below about −30.
    """
    a, c = likelihood.log_diagonal.exp().unbind(-1)
    wide = (a.square() + c.square() + likelihood.below.square()).sqrt()  # at least the widest axis
    total = torch.empty(len(x), dtype=x.dtype, device=x.device)
    tiles, owner = x.div(TILE).floor().unique(dim=0, return_inverse=True)
    for number, corner in enumerate(tiles):
        away = (likelihood.mean - TILE * (corner + 0.5)).norm(dim=-1) - TILE / math.sqrt(2)
        near = (away < REACH * wide).nonzero()[:, 0]
        near = near if len(near) else torch.arange(len(wide), device=x.device)
        log_prob = _under(PlaneGaussian(*(part[near] for part in likelihood)))
        mine = (owner == number).nonzero()[:, 0]
        for some in mine.split(max(1, PAIRS[x.device.type] // len(near))):
            total[some] = _log_sum_exp(log_prob(x[some]) + log_mass[near])
    return total


def _log_sum_exp(values: Tensor) -> Tensor:
    """logsumexp over the last dimension of a tensor that may be overwritten.

    What adds nothing is kept from the slow path that a processor has for exp of such numbers,
    which takes five times as long.
    """
    top = values.amax(-1, keepdim=True).clamp(min=torch.finfo(values.dtype).min)
    return values.sub_(top).clamp_(min=NOTHING).exp_().sum(-1).log() + top[..., 0]


def _under(likelihood: PlaneGaussian) -> Callable[[Tensor], Tensor]:
    """log p of points x (n, 2) under each of the c codes' likelihoods: a function to (n, c).

    What does not depend on x is made once: u = L⁻¹ (x − μ) is linear in x.
    """
    first, second = torch.exp(-likelihood.log_diagonal).unbind(-1)  # (c,) each
    slant = -likelihood.below * first * second
    a, b = likelihood.mean.unbind(-1)
    at_zero, constant = (-first * a, -slant * a - second * b), -likelihood.log_diagonal.sum(-1)

    def log_prob(x: Tensor) -> Tensor:
        u = torch.addcmul(at_zero[0], x[:, :1], first)  # (n, c)
        v = torch.addcmul(at_zero[1], x[:, :1], slant).addcmul_(x[:, 1:], second)
        return torch.add(constant - LOG_2PI, u.square_().addcmul_(v, v), alpha=-0.5)

    return log_prob


def quadrature_with_error(
    decoder: Callable, x: Tensor, latent: int, nodes: int = 160
) -> tuple[float, float]:
    """Mean log p(x) in nats at half the step, and how far it moved when the step was halved."""
    found = (quadrature(decoder, x, latent, count) for count in (nodes, 2 * nodes))
    coarse, fine = (log_p.double().mean().item() for log_p in found)
    return fine, abs(fine - coarse)


@torch.no_grad()
def importance(
    encoder: Callable, decoder: Callable, x: Tensor, latent: int, samples: int, generator: Generator
) -> Tensor:
    """The importance-weighted bound on log p(x) in nats: (n, 2) to (n,).

    log (1/K) Σ_k p(x | z_k) p(z_k) / q(z_k | x), z_k ~ q, K = `samples` (Burda et al. 2016,
    eq. 8). K = 1 is a one-sample ELBO; in expectation it only rises with K, towards log p(x).
    """
    q = encoder(x)
    total = torch.full((len(x),), -math.inf, dtype=x.dtype, device=x.device)  # (n,)
    portion = max(1, PAIRS[x.device.type] // len(x))
    for done in range(0, samples, portion):
        shape = (min(portion, samples - done), len(x), latent)
        noise = torch.randn(shape, generator=generator, dtype=x.dtype)
        z = q.sample(noise.to(x.device))  # (portion, n, latent)
        log_weight = decoder(z).log_prob(x) + _log_prior(z) - q.log_prob(z)  # (portion, n)
        total = torch.logaddexp(total, log_weight.logsumexp(0))
    return total - math.log(samples)


def log_density(model: nn.Module, coarser: float = 1.0) -> Callable[[Tensor], Tensor]:
    """log q of a VAE with latent size 1 or 2, or of a generator with 2: (n, 2) to (n,), in nats.

    −∞ where a generator puts nothing. `coarser` divides the nodes of the quadrature or mesh: two
    values tell the error. Raises ValueError, when called, for other latent sizes.
    """
    if hasattr(model, "decoder"):
        rule = partial(quadrature, model.decoder, latent=model.latent)
        return lambda x: rule(x, nodes=int(enough(model.decoder, x, model.latent) / coarser))
    return lambda x: pushforward.density(model.decode, x, int(MESH / coarser)).log()


def enough(decoder: Callable, x: Tensor, latent: int) -> int:
    """Nodes a dimension from which on more would hardly move log p(x) anywhere, up to NODES."""
    most, some = NODES.get(latent, 0), x[:: max(1, len(x) // TRIED)]
    coarse = quadrature(decoder, some, latent, most // 8)
    for nodes in (most // 4, most // 2):
        fine = quadrature(decoder, some, latent, nodes)
        if (fine - coarse).abs().mean() < MOVED:
            return nodes
        coarse = fine
    return most


@torch.no_grad()
def exact_likelihood(
    model: nn.Module, target: GaussianMixture, test: Tensor, generator: Generator
) -> dict:
    """Mean −log p(x) of a model in nats, the target's on the same points, and their difference.

    By quadrature up to two latent dimensions, else the importance-weighted bound, which only a
    VAE has; "nll_by" says which. `test` is (n, 2); "kl_error" is the difference's standard error.
    """
    if model.latent <= 2:
        log_p, how = log_density(model)(test), "quadrature"
    else:
        networks = (model.encoder, model.decoder)
        log_p = importance(*networks, test, model.latent, SAMPLES, generator)
        how = f"importance, K = {SAMPLES:,}"
    apart = target.log_prob(test) - log_p.double()
    error = (apart.std() / math.sqrt(len(test))).item()
    nll, kl = -log_p.double().mean().item(), apart.mean().item()
    return {"nll": nll, "nll_truth": nll - kl, "kl": kl, "kl_error": error, "nll_by": how}


def grid_mass(log_prob: Callable[[Tensor], Tensor], reach: float, cells: int) -> Tensor:
    """Mass of a smooth density in the cells that part [−reach, reach]²: (cells, cells), x then y.

    By the midpoint rule with 4 × 4 points a cell; `log_prob` maps (n, 2) to (n,), in nats.
    """
    fine = 4 * cells
    ticks = ((torch.arange(fine) + 0.5) / fine * 2 - 1) * reach
    density = log_prob(torch.cartesian_prod(ticks, ticks)).double().exp().view(fine, fine)
    return density.view(cells, 4, cells, 4).sum((1, 3)) * (2 * reach / fine) ** 2


@torch.no_grad()
def pushforward_grid_mass(
    decode: Callable[[Tensor], Tensor], reach: float, cells: int, nodes: int = 3_000
) -> Tensor:
    """Share of the prior N(0, I) that decode maps into each cell: (cells, cells), x then y.

    The cells part [−reach, reach]², `nodes`² latent squares part [−6, 6]²; each carries
    its exact prior mass to the cell that its centre is mapped to. A generator's density has
    spikes thinner than any grid of points can meet; mass has none. What is mapped outside is
    missing from the sum, and that alone.
    """
    edges = torch.linspace(-BOUND, BOUND, nodes + 1, dtype=torch.float64)
    share = torch.special.ndtr(edges).diff()  # (nodes,), exact mass of each strip
    middle = ((edges[1:] + edges[:-1]) / 2).float()
    found = torch.zeros(cells**2, dtype=torch.float64)
    for rows in torch.arange(nodes).split(ROWS):
        x = decode(torch.cartesian_prod(middle[rows], middle))  # (rows · nodes, 2)
        mass = torch.outer(share[rows], share).view(-1)
        place, inside = _cells_of(x, reach, cells)
        found += torch.bincount(place[inside], mass[inside], cells**2)
    return found.view(cells, cells)


@torch.no_grad()
def sampled_grid_mass(
    draw: Callable[[int, Generator], Tensor],
    reach: float,
    cells: int,
    n: int,
    generator: Generator,
) -> Tensor:
    """Share of n samples in each cell of [−reach, reach]²: (cells, cells), x then y.

    `draw(n, generator)` gives (n, 2). For any model alike; each cell has a binomial error, so that
    fresh samples of the truth itself are the yardstick.
    """
    found = torch.zeros(cells**2, dtype=torch.float64)
    for done in range(0, n, PORTION):
        x = draw(min(PORTION, n - done), generator)
        place, inside = _cells_of(x, reach, cells)
        found += torch.bincount(place[inside], minlength=cells**2)
    return found.view(cells, cells) / n


def _cells_of(x: Tensor, reach: float, cells: int) -> tuple[Tensor, Tensor]:
    """Number of the cell of each point (n, 2), and whether it is in any: (n,) each."""
    place = ((x + reach) / (2 * reach) * cells).floor().long()
    return place @ torch.tensor([cells, 1]), ((place >= 0) & (place < cells)).all(-1)


def total_variation(first: Tensor, second: Tensor) -> float:
    """Total variation of two cell masses, all that lies outside being one more cell.

    At most that of the densities: merging points into cells hides differences, and finer cells
    hide less.
    """
    outside = (first.sum() - second.sum()).abs()
    return (0.5 * ((first - second).abs().sum() + outside)).item()


def grid_mass_error(
    decode: Callable[[Tensor], Tensor], reach: float, cells: int, nodes: int = 3_000
) -> float:
    """Total variation between the pushforward's masses at `nodes` and at half the step."""
    meshes = (pushforward_grid_mass(decode, reach, cells, n) for n in (nodes, 2 * nodes))
    return total_variation(*meshes)


def latent_grid(latent: int, nodes: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Midpoints (m, latent) with |z| ≤ BOUND, and the log of prior times cell, (m,)."""
    if latent not in (1, 2):
        raise ValueError(
            f"latent = {latent}: quadrature covers 1 or 2 dimensions; use importance() instead"
        )
    step = 2 * BOUND / nodes
    ticks = (torch.arange(nodes, dtype=like.dtype, device=like.device) + 0.5) * step - BOUND
    z = torch.cartesian_prod(*[ticks] * latent).view(-1, latent)
    z = z[z.norm(dim=-1) <= BOUND]
    return z, _log_prior(z) + latent * math.log(step)


def _log_prior(z: Tensor) -> Tensor:
    """log N(z; 0, I) in nats: (..., latent) to (...)."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
