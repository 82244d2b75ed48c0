"""The geometry of a latent space: regions and borders of the components, distortion, information.

`decode` maps latents (n, d) to points (n, 2) without noise; a latent belongs to the component
that its decoded point most likely comes from. Any continuous map onto separated components pays
for its borders: what lies along them decodes between the components (Tanielian et al. 2020,
"Learning disconnected manifolds"; Issenhuth et al. 2023, on push-forward generative models).
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage, stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture as Clusters
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.nn.functional import one_hot

from helpers.targets import GaussianMixture

RESAMPLES = 200  # of the bootstrap
HALVINGS = 8  # of a grid's step, to find a wall
REACH = 3.5  # standard deviations of the prior that a map of distortion shows
Decode = Callable[[Tensor], Tensor]


class Interval(NamedTuple):
    """An estimate and the 95 % interval around it."""

    value: float
    low: float
    high: float


class Distortion(NamedTuple):
    """What the map does to a small disc of latents at each of n places."""

    log_det: Tensor  # (n,), log of the factor by which areas grow
    condition: Tensor  # (n,), longest over shortest axis of the disc's image
    stretch: Tensor  # (n,), the longest axis itself


@torch.no_grad()
def region_mass(target: GaussianMixture, decode: Decode, z: Tensor) -> Tensor:
    """Share of the latents z (n, d), drawn from the prior, in each component's region: (k,)."""
    return torch.bincount(target.classify(decode(z)), minlength=target.k) / len(z)


@torch.no_grad()
def between_mass(target: GaussianMixture, decode: Decode, z: Tensor) -> float:
    """Share of the latents (n, d) that decode further than 3σ from every component.

    Zero is out of reach for a continuous map onto separated components: what lies between two
    regions of the latent space has to lie between the components too.
    """
    return (target.mahalanobis2(decode(z)).amin(-1) > 3.0**2).double().mean().item()


@torch.no_grad()
def connected_regions(
    target: GaussianMixture, decode: Decode, reach: float = 4.0, n: int = 400, least: float = 0.005
) -> Tensor:
    """How many connected regions each component has in a 2-D latent plane: (k,).

    On an n × n grid over [−reach, reach]².
    Regions holding less than `least` of the prior's mass there do not count.
    """
    ticks = torch.linspace(-reach, reach, n)
    z = torch.cartesian_prod(ticks, ticks)  # (n², 2)
    owner = target.classify(decode(z)).view(n, n)
    mass = torch.exp(-0.5 * z.square().sum(-1)).view(n, n)
    mass = mass / mass.sum()
    parts = [_masses(owner == k, mass) for k in range(target.k)]
    return torch.tensor([int((part >= least).sum()) for part in parts])


def _masses(inside: Tensor, mass: Tensor) -> Tensor:
    labels, count = ndimage.label(inside.numpy())
    return torch.as_tensor(ndimage.sum(mass.numpy(), labels, range(1, count + 1))).float()


@torch.no_grad()
def border_measure(
    target: GaussianMixture, decode: Decode, reach: float = 5.0, n: int = 600
) -> float:
    """∫ N(z; 0, I) dl along all borders between components in the latent plane.

    The prior's mass within a thin strip around the borders, over the strip's width. On an n × n
    grid over [−reach, reach]², neighbours in four directions that differ are counted and weighed
    as the Cauchy–Crofton formula says; within 5 % of the truth at any slope of a border.
    """
    return sum(
        (weight * _prior((here + there) / 2)).sum().item()
        for weight, here, there in _crossings(target, decode, reach, n)
    )


def _crossings(
    target: GaussianMixture, decode: Decode, reach: float, n: int
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Neighbours on a latent grid that have other owners: weight, and both places (m, 2).

    In four directions; the weights make sums over the pairs integrals along the borders.
    """
    ticks = torch.linspace(-reach, reach, n, dtype=torch.float64)
    z = torch.cartesian_prod(ticks, ticks).view(n, n, 2)
    owner = target.classify(decode(z.view(-1, 2).float())).view(n, n)
    for down, right in ((1, 0), (0, 1), (1, 1), (1, -1)):
        here = np.s_[: n - down, max(0, -right) : n - max(0, right)]
        there = np.s_[down:, max(0, right) : n - max(0, -right)]
        changed = owner[here] != owner[there]
        weight = math.pi / 8 * (2 * reach / (n - 1)) / math.hypot(down, right)
        yield weight, z[here][changed], z[there][changed]


def _prior(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z.square().sum(-1)) / (2 * math.pi)


@torch.no_grad()
def foretold_between(
    target: GaussianMixture, decode: Decode, reach: float = 5.0, n: int = 600
) -> float:
    """∫ N(z; 0, I) D / L dl along all borders in the latent plane: what should decode between.

    Where the map is L steep (its longest axis there), a gap of width D between two components is
    crossed within D / L of latent space. D is the distance between the ellipses of 3σ along the
    line through both means, no less than zero. Borders as in `border_measure`.
    """
    gap, total = gaps(target), 0.0
    for weight, here, there in _crossings(target, decode, reach, n):
        first, second = (target.classify(decode(z.float())) for z in (here, there))
        for _ in range(HALVINGS):  # a wall may be thinner than the grid
            middle = (here + there) / 2
            before = (target.classify(decode(middle.float())) == first)[:, None]
            here, there = torch.where(before, middle, here), torch.where(before, there, middle)
        steep = distortion(decode, here.float(), step=1e-4).stretch
        total += (weight * _prior(here) * gap[first, second] / steep).sum().item()
    return total


def gaps(target: GaussianMixture, sigmas: float = 3.0) -> Tensor:
    """Distances between the components' ellipses along the lines through their means: (k, k)."""
    apart = target.means[:, None] - target.means  # (k, k, 2)
    length = apart.norm(dim=-1)
    way = apart / length.clamp(min=1e-12)[..., None]
    precision = torch.linalg.inv(target.covariances)  # (k, 2, 2)
    reach = sigmas / torch.einsum("ijd,ide,ije->ij", way, precision, way).clamp(min=1e-12).sqrt()
    return (length - reach - reach.T).clamp(min=0).fill_diagonal_(0)


def strips(weights: Tensor) -> float:
    """Border measure of parallel strips that hold the weights (k,), in the order given."""
    cuts = stats.norm.ppf(weights.double().cumsum(0)[:-1].numpy())
    return float(stats.norm.pdf(cuts).sum())


def rays(k: int) -> float:
    """Border measure of k rays from the origin, whatever the angles between them."""
    return k / (2 * math.sqrt(2 * math.pi))


def island(weights: Tensor, centre: int) -> float:
    """Border measure of a disc that holds one weight, the rest around it parted by rays."""
    radius = math.sqrt(-2 * math.log(1 - weights[centre].item()))
    circle = radius * math.exp(-(radius**2) / 2)
    return circle + (len(weights) - 1) / math.sqrt(2 * math.pi) * float(stats.norm.sf(radius))


def mutual_information(
    target: GaussianMixture, draw: Decode, z: Tensor, draws: int = 1
) -> Interval:
    """I(component; z) in nats, of latents (n, d) from the prior: at most the weights' entropy.

    H(c) − H(c | z), where the component c of a point has its probabilities under the target, and
    those given z are their mean over `draws` decoded points x ~ p(x | z). The interval comes from
    resampling the latents (bootstrap), from a seed of its own.
    """
    with torch.no_grad():
        each = [target.responsibilities(draw(z)) for _ in range(draws)]
    given = torch.stack(each).mean(0)  # (n, k)
    known = torch.special.entr(given).sum(-1)  # (n,)
    generator = torch.Generator().manual_seed(0)
    picks = [torch.randint(len(z), (len(z),), generator=generator) for _ in range(RESAMPLES)]
    spread = torch.stack([_information(given[pick], known[pick]) for pick in picks])
    low, high = spread.quantile(torch.tensor([0.025, 0.975], dtype=spread.dtype)).tolist()
    return Interval(_information(given, known).item(), low, high)


def _information(given: Tensor, known: Tensor) -> Tensor:
    return torch.special.entr(given.mean(0)).sum() - known.mean()


def weight_entropy(target: GaussianMixture) -> float:
    """H of the component's weights in nats: all that z could tell."""
    return torch.special.entr(target.weights).sum().item()


@torch.no_grad()
def distortion(decode: Decode, z: Tensor, step: float = 1e-3) -> Distortion:
    """Jacobian of the map at latents (n, d), by central differences of ± `step`."""
    offsets = step * torch.eye(z.shape[1])
    columns = [(decode(z + o) - decode(z - o)) / (2 * step) for o in offsets]
    axes = torch.linalg.svdvals(torch.stack(columns, -1).double())  # (n, min(d, 2))
    longest, shortest = axes[:, 0], axes[:, -1].clamp(min=1e-12)  # a dead direction is not infinite
    return Distortion(axes.clamp(min=1e-12).log().sum(-1), longest / shortest, longest)


def distortion_map(decode: Decode, n: int = 160) -> dict[str, np.ndarray]:
    """log |det J| and log₁₀ of the condition number on an n × n grid, first index along z₁.

    Cell centres over [−REACH, REACH]² of a latent plane: {"log_det", "log_condition"}, (n, n) each.
    """
    ticks = (torch.arange(n) + 0.5) / n * 2 * REACH - REACH
    found = distortion(decode, torch.cartesian_prod(ticks, ticks))
    fields = {"log_det": found.log_det, "log_condition": found.condition.log10()}
    return {name: values.view(n, n).numpy() for name, values in fields.items()}


def neighbour_accuracy(codes: Tensor, components: Tensor, k: int = 15) -> float:
    """How well the k nearest neighbours of a code (n, d) tell its true component (five folds)."""
    return _held_out(KNeighborsClassifier(k), codes, components)


def linear_accuracy(codes: Tensor, components: Tensor) -> float:
    """How well straight boundaries between the codes tell the true component (five folds)."""
    return _held_out(LogisticRegression(max_iter=1000), codes, components)


def _held_out(classifier, codes: Tensor, components: Tensor) -> float:
    return float(cross_val_score(classifier, codes.numpy(), components.numpy(), cv=5).mean())


def cluster_agreement(codes: Tensor, components: Tensor) -> float:
    """Adjusted Rand index of clusters found in the codes (n, d) and the true components (n,).

    One for the same division, zero by chance. The clusters are Gaussians fitted by EM, as many
    as there are components.
    """
    found = Clusters(int(components.max()) + 1, n_init=3, random_state=0).fit_predict(codes.numpy())
    return float(adjusted_rand_score(components.numpy(), found))


def mutual_information_gap(codes: Tensor, factors: Tensor, bins: int = 20) -> Tensor:
    """How far one number alone holds a factor: codes (n, d), factors (n, k) to (k,).

    I(z₁; v) − I(z₂; v) over H(v), z₁ and z₂ the two numbers that tell most of factor v (Chen et al.
    2018, eq. 6), each cut into bins that hold equally many. One where a single number holds all of
    a factor, near zero where several share it, or none holds it, or where it never varies.
    """
    ranks = codes.argsort(0).argsort(0)  # (n, d)
    cut = one_hot(ranks * bins // len(codes), bins).double()  # (n, d, bins)
    gaps = []
    for factor in factors.T:
        kinds = one_hot(factor).double()  # (n, values)
        joint = torch.einsum("nv,ndb->dvb", kinds, cut) / len(codes)  # shares, of each number
        entropy = torch.special.entr(kinds.mean(0)).sum()
        both = torch.special.entr(joint).sum((1, 2))
        told = entropy + torch.special.entr(joint.sum(1)).sum(1) - both  # I(z_j; v), (d,)
        first, second = told.topk(2).values
        gaps.append(((first - second) / entropy).item() if entropy else 0.0)
    return torch.tensor(gaps)


def rotations(d: int, n: int, generator: torch.Generator) -> Iterator[Tensor]:
    """n random rotations of d numbers, (d, d) each: what makes axes, if they mean anything, mix."""
    for _ in range(n):
        q, r = torch.linalg.qr(torch.randn(d, d, generator=generator))
        yield q * r.diagonal().sign()  # uniform (Mezzadri 2007)
