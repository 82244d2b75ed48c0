"""The targets: Gaussian mixtures in the plane, about which everything is known exactly.

Definitions live in JSON files with `weights`, `means` and `covariances`; `gmm5` is the
assignment's own (`data/gmm5.json`), `ring8` and `grid25` are the two published benchmarks. Other
kinds of target are plug-ins: classes named under the entry point group PLUGINS.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from helpers import models
from helpers.files import REPOSITORY, Unreadable, read_json

DATA = REPOSITORY / "data"
DATA_SEED = 5  # the assignment's; every run sees the same points
SIZES = (100_000, 20_000, 100_000)  # training, validation, test
MOST = 1_000  # components; every point is held against each
LONGEST = 100  # letters of a name
FINE = 50  # float32's steps in a standard deviation, at least
SMALLEST = 1e-12  # units; squares and densities of smaller ones leave float32
PLUGINS = "five_gaussians.targets"


class BadTarget(ValueError):
    """A mixture definition that cannot be used; the message says why and what to change."""


class Labelled(NamedTuple):
    """Points together with the component each was drawn from."""

    points: Tensor  # (n, 2)
    components: Tensor  # (n,), integers


class Draws(NamedTuple):
    """Three independent draws from one target."""

    train: Labelled
    validation: Labelled
    test: Labelled


class Target(Protocol):
    """What a model can learn: it says itself how it is drawn and which networks suit it.

    A plug-in's class also has NAMES, `named(name)` (None for a name it does not know) and
    `from_definition(definition)`; one of images has `most`. Optional are `evaluator(draws)`, how
    samples are scored, and `scene()`, how a film of it is drawn.
    """

    name: str
    domain: str  # "plane" or "images", as recipes have it
    dimensions: int  # of a point

    def definition(self) -> dict:
        """JSON-ready; `from_definition` reads it back."""

    def draws(self, seed: int = DATA_SEED) -> Draws:
        """The points that every run shares."""

    def networks(self, recipe, points: Tensor, generator: torch.Generator) -> tuple[nn.Module, ...]:
        """Fresh networks: a VAE alone, or a generator and a discriminator."""


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture p*(x) = Σ_k w_k N(x; μ_k, Σ_k) in the plane.

    Samples are float32, as the models want them; densities are float64, so that the
    reference against which models are measured carries no rounding of its own.
    """

    domain: ClassVar[str] = "plane"
    dimensions: ClassVar[int] = 2

    name: str
    weights: Tensor  # (k,)
    means: Tensor  # (k, 2)
    covariances: Tensor  # (k, 2, 2)

    @property
    def k(self) -> int:
        """Number of components."""
        return len(self.weights)

    @property
    def scale_tril(self) -> Tensor:
        """Cholesky factors L_k with L_k L_kᵀ = Σ_k, shape (k, 2, 2)."""
        return torch.linalg.cholesky(self.covariances)

    @property
    def mean(self) -> Tensor:
        """Mean of the whole mixture, (2,)."""
        return self.weights @ self.means

    @property
    def std(self) -> Tensor:
        """Standard deviation of the whole mixture along each axis, (2,)."""
        within = torch.diagonal(self.covariances, dim1=1, dim2=2)  # (k, 2)
        return (self.weights @ (within + (self.means - self.mean) ** 2)).sqrt()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n points, (n, 2)."""
        return self.sample_labelled(n, generator).points

    def sample_labelled(self, n: int, generator: torch.Generator) -> Labelled:
        """Draw n points and keep the component of each: (n, 2) and (n,)."""
        components = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        return Labelled(self.sample_given(components, generator), components)

    def sample_given(self, components: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one point from each of the given components: (n,) to (n, 2)."""
        noise = torch.randn(len(components), 2, 1, generator=generator, dtype=torch.float64)
        points = self.means[components] + (self.scale_tril[components] @ noise)[..., 0]
        return points.float()

    def mahalanobis2(self, x: Tensor) -> Tensor:
        """Squared Mahalanobis distance of each point to each component: (n, 2) to (n, k)."""
        offset = x.double().unsqueeze(-2) - self.means  # (n, k, 2)
        whiten = torch.linalg.inv(self.scale_tril)  # L⁻¹; for a few 2 × 2 matrices, the quickest
        return torch.einsum("kij,nkj->nki", whiten, offset).square().sum(-1)

    def log_joint(self, x: Tensor) -> Tensor:
        """log w_k + log N(x; μ_k, Σ_k) in nats: (n, 2) to (n, k)."""
        log_det = 2 * torch.diagonal(self.scale_tril, dim1=1, dim2=2).log().sum(-1)  # (k,)
        normaliser = self.weights.log() - 0.5 * log_det - math.log(2 * math.pi)
        return normaliser - 0.5 * self.mahalanobis2(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p*(x) in nats: (n, 2) to (n,)."""
        return self.log_joint(x).logsumexp(-1)

    def responsibilities(self, x: Tensor) -> Tensor:
        """p*(component | x), rows sum to one: (n, 2) to (n, k)."""
        return self.log_joint(x).softmax(-1)

    def classify(self, x: Tensor) -> Tensor:
        """The component each point most likely belongs to: (n, 2) to (n,)."""
        return self.log_joint(x).argmax(-1)

    def entropy(self, nodes: int = 64) -> float:
        """H(p*) = −E log p*(x) in nats, by Gauss–Hermite quadrature under each component.

        No closed form exists for a mixture. The rule has `nodes`² points a component.
        """
        abscissae, weights = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(nodes))
        grid = torch.cartesian_prod(abscissae, abscissae)  # (nodes², 2)
        mass = torch.outer(weights, weights).flatten() / (2 * math.pi)  # sums to one
        x = self.means[:, None] + grid @ self.scale_tril.transpose(1, 2)  # (k, nodes², 2)
        log_p = self.log_prob(x.flatten(0, 1)).view(self.k, -1)
        return -float(self.weights @ (log_p @ mass))

    def definition(self) -> dict:
        """The mixture as a JSON-ready dictionary; `from_definition` reads it back."""
        return {
            "kind": "mixture",
            "name": self.name,
            "weights": self.weights.tolist(),
            "means": self.means.tolist(),
            "covariances": self.covariances.tolist(),
        }

    @property
    def key(self) -> str:
        """Eight hex digits that change with the definition, whatever the name."""
        return hashlib.sha256(json.dumps(self.definition()).encode()).hexdigest()[:8]

    def draws(self, seed: int = DATA_SEED) -> Draws:
        """Training, validation and test points as independent draws from one seed."""
        generator = torch.Generator().manual_seed(seed)
        return Draws(*(self.sample_labelled(n, generator) for n in SIZES))

    def networks(self, recipe, points: Tensor, generator: torch.Generator) -> tuple[nn.Module, ...]:
        """A fresh VAE alone, or a generator and a discriminator.

        Their coordinates are those in which the target has mean zero and unit scale along each
        axis; norms are measured on training points (n, 2).
        """
        standard = models.Standard(self.mean, self.std)
        return models.BUILDERS[recipe.family](recipe, standard, points, generator)


def from_definition(definition: dict, source: str = "definition") -> Target:
    """The target of a definition; a dictionary that names no kind is a mixture's.

    Raises BadTarget with one line that names the value, what was expected and the remedy.
    """
    kind = definition.get("kind", "mixture") if isinstance(definition, dict) else "mixture"
    if kind != "mixture":
        for name, plugin in _plugins():
            if name == kind:
                return plugin.from_definition(definition)
        raise BadTarget(f"{source}: targets of kind {kind!r} need a plug-in that is not installed")
    weights, means, covariances = (
        _numbers(definition, key, source) for key in ("weights", "means", "covariances")
    )
    _check_shapes(weights, means, covariances, source)
    _check_values(weights, covariances, source)
    _check_scale(means, covariances, source)
    name = definition.get("name", source)
    name = name.encode("utf-8", "replace").decode() if isinstance(name, str) else None
    if name is None or not 0 < len(name) <= LONGEST:
        raise BadTarget(
            f"{source}: name {str(definition.get('name'))[:40]!r}; give 1 to {LONGEST} letters"
        )
    return GaussianMixture(name, weights, means, covariances)


def _numbers(definition: dict, key: str, source: str) -> Tensor:
    if not isinstance(definition, dict) or key not in definition:
        raise BadTarget(f"{source}: no '{key}'; a mixture needs weights, means and covariances")
    try:
        values = torch.tensor(definition[key], dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise BadTarget(f"{source}: '{key}' must be lists of numbers of equal length") from None
    if not torch.isfinite(values).all():
        raise BadTarget(f"{source}: '{key}' holds a value that is not finite; use plain numbers")
    return values


def _check_shapes(weights: Tensor, means: Tensor, covariances: Tensor, source: str) -> None:
    k = weights.shape[0] if weights.ndim == 1 else 0
    if not 0 < k <= MOST:
        raise BadTarget(f"{source}: {k} weights; 'weights' must be a list of 1 to {MOST:,} numbers")
    for key, values, shape in (("means", means, (k, 2)), ("covariances", covariances, (k, 2, 2))):
        if tuple(values.shape) != shape:
            found = tuple(values.shape)
            raise BadTarget(f"{source}: {k} weights need '{key}' of shape {shape}, found {found}")


def _check_values(weights: Tensor, covariances: Tensor, source: str) -> None:
    total = weights.sum().item()
    if (weights <= 0).any():
        raise BadTarget(
            f"{source}: weight {weights.min().item():g} is not positive; drop that component"
        )
    if abs(total - 1) > 1e-6:
        raise BadTarget(f"{source}: weights sum to {total:g}, not 1; divide each by {total:g}")
    for i, covariance in enumerate(covariances):
        symmetric = torch.allclose(covariance, covariance.T, atol=1e-10)
        failed = torch.linalg.cholesky_ex(covariance).info
        if not symmetric or failed or torch.linalg.eigvalsh(covariance).min() <= 0:
            raise BadTarget(
                f"{source}: covariance {i} is {covariance.tolist()}, not symmetric positive "
                "definite; its eigenvalues must all be above zero"
            )


def _check_scale(means: Tensor, covariances: Tensor, source: str) -> None:
    """Raise BadTarget for shapes that float32, in which samples come, would round away."""
    width = torch.linalg.eigvalsh(covariances).clamp(min=0).sqrt()  # (k, 2), ascending
    reach = (means.abs().amax(1) + 4 * width[:, 1]).clamp(min=SMALLEST)  # (k,)
    step = torch.finfo(torch.float32).eps * reach
    lost = (width[:, 0] < FINE * step) | (width[:, 0] < SMALLEST) | (reach > 1 / SMALLEST)
    if lost.any():
        i = int(lost.nonzero()[0])
        raise BadTarget(
            f"{source}: component {i} is {width[i, 0]:.2g} wide at its narrowest and lies or "
            f"reaches {reach[i]:.2g} from the origin, where float32 counts in steps of "
            f"{step[i]:.2g}; move the mixture to the origin, or make the component wider"
        )


def from_file(path: str | Path) -> Target:
    """Read a target, usually a mixture, from a JSON file; raises BadTarget where it cannot."""
    path = Path(path)
    if not path.is_file():
        known = [*MIXTURES, *(name for _, plugin in _plugins() for name in plugin.NAMES)]
        raise BadTarget(f"{path}: no such file or target; choose one of {', '.join(known)}")
    try:
        definition = read_json(path)
    except Unreadable as error:
        raise BadTarget(f"{error}; compare {DATA / 'gmm5.json'}") from None
    return from_definition(
        {"name": path.stem, **definition} if isinstance(definition, dict) else {}, str(path)
    )


def gmm5() -> GaussianMixture:
    """The assignment's five Gaussians, from `data/gmm5.json`."""
    return from_file(DATA / "gmm5.json")


def ring8() -> GaussianMixture:
    """Eight modes on the unit circle at angles 2πi/8, σ = .01 (VEEGAN, Srivastava et al. 2017)."""
    angles = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    return _isotropic("ring8", torch.stack([angles.cos(), angles.sin()], -1), sigma=0.01)


def grid25() -> GaussianMixture:
    """Twenty-five modes on {−4, −2, 0, 2, 4}², σ = .05 (VEEGAN, Srivastava et al. 2017)."""
    ticks = torch.tensor([-4.0, -2, 0, 2, 4], dtype=torch.float64)
    return _isotropic("grid25", torch.cartesian_prod(ticks, ticks), sigma=0.05)


def _isotropic(name: str, means: Tensor, sigma: float) -> GaussianMixture:
    k = len(means)
    covariances = (sigma**2 * torch.eye(2, dtype=torch.float64)).expand(k, 2, 2)
    return GaussianMixture(name, torch.full((k,), 1 / k, dtype=torch.float64), means, covariances)


MIXTURES = {"gmm5": gmm5, "ring8": ring8, "grid25": grid25}


def named(name: str) -> Target:
    """A mixture by name, what a plug-in knows by that name, or the mixture in a JSON file.

    No file or folder can take the place of a name; what ends in .json is a file. Raises BadTarget.
    """
    if name in MIXTURES:
        return MIXTURES[name]()
    if not name:
        raise BadTarget("target '': no name; give one from `list`, a JSON file or a folder")
    if not name.endswith(".json"):
        for _, plugin in _plugins():
            if (found := plugin.named(name)) is not None:
                return found
    return from_file(name)


def _plugins() -> Iterator[tuple[str, type]]:
    """Kinds of target beside the mixtures, by the name that their definitions bear."""
    for entry in entry_points(group=PLUGINS):
        try:
            yield entry.name, entry.load()
        except (ImportError, AttributeError) as error:
            raise BadTarget(
                f"plug-in {entry.name} ({entry.value}): cannot be loaded ({error}); install what "
                "it needs, or remove it"
            ) from None
