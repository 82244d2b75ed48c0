"""How a latent space is divided among the components of a known mixture.

`decode` maps latents (n, d) to points (n, 2) without noise; a latent belongs to the component
that its decoded point most likely comes from.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from helpers.targets import GaussianMixture

Decode = Callable[[Tensor], Tensor]


@torch.no_grad()
def region_mass(target: GaussianMixture, decode: Decode, z: Tensor) -> Tensor:
    """Share of the latents z (n, d), drawn from the prior, in each component's region: (k,)."""
    return torch.bincount(target.classify(decode(z)), minlength=target.k) / len(z)


@torch.no_grad()
def between_mass(target: GaussianMixture, decode: Decode, z: Tensor, sigma: float = 3.0) -> float:
    """Share of the latents (n, d) that decode further than `sigma` from every component.

    Zero is out of reach for a continuous map onto separated components: what lies between two
    regions of the latent space has to lie between the components too.
    """
    return (target.mahalanobis2(decode(z)).amin(-1) > sigma**2).double().mean().item()


class Regions(NamedTuple):
    """For each component: how many connected regions it has, and its largest one's share."""

    counts: Tensor  # (k,)
    largest: Tensor  # (k,), share of the component's prior mass


@torch.no_grad()
def connected_regions(
    target: GaussianMixture, decode: Decode, reach: float = 4.0, n: int = 400, least: float = 0.005
) -> Regions:
    """Connected regions of a 2-D latent plane, on an n × n grid over [−reach, reach]².

    Mass is the prior's. Regions holding less than `least` of the plane's mass do not count.
    """
    ticks = torch.linspace(-reach, reach, n)
    z = torch.cartesian_prod(ticks, ticks)  # (n², 2)
    owner = target.classify(decode(z)).view(n, n)
    mass = torch.exp(-0.5 * z.square().sum(-1)).view(n, n)
    mass = mass / mass.sum()
    parts = [_masses(owner == k, mass) for k in range(target.k)]
    counts = torch.tensor([int((part >= least).sum()) for part in parts])
    largest = torch.tensor([float(part.max() / part.sum()) if len(part) else 0.0 for part in parts])
    return Regions(counts, largest)


def _masses(inside: Tensor, mass: Tensor) -> Tensor:
    labels, count = ndimage.label(inside.numpy())
    return torch.as_tensor(ndimage.sum(mass.numpy(), labels, range(1, count + 1))).float()


def neighbour_accuracy(codes: Tensor, components: Tensor, k: int = 15) -> float:
    """How well a code's k nearest neighbours tell its true component (five folds)."""
    classifier = KNeighborsClassifier(k)
    return float(cross_val_score(classifier, codes.numpy(), components.numpy(), cv=5).mean())


def linear_accuracy(codes: Tensor, components: Tensor) -> float:
    """How well straight boundaries between the codes tell the true component (five folds)."""
    classifier = LogisticRegression(max_iter=1000)
    return float(cross_val_score(classifier, codes.numpy(), components.numpy(), cv=5).mean())


@torch.no_grad()
def stretch(decode: Decode, z: Tensor, step: float = 1e-3) -> Tensor:
    """Largest singular value of the Jacobian at each latent, by central differences: (n,).

    How much faster the decoded point moves than the latent; high where regions meet.
    """
    offsets = step * torch.eye(z.shape[1])
    columns = [(decode(z + o) - decode(z - o)) / (2 * step) for o in offsets]
    return torch.linalg.matrix_norm(torch.stack(columns, -1), ord=2)
