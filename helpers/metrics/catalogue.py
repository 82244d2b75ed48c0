"""The catalogue of metrics: what each is called, how to read it, and its formula.

Each entry says what it sees; `helpers.metrics.faults` plants faults to find out whether that is so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from helpers.metrics import classifier, copying, modes, samples, shape, transport
from helpers.targets import GaussianMixture

TWINS = 0.01  # how near two samples collide, in standard deviations of the whole target


@dataclass(frozen=True)
class Evidence:
    """What the metrics look at; what several of them share is computed once."""

    target: GaussianMixture
    x: Tensor  # (n, 2), the samples to judge
    y: Tensor  # (n, 2), fresh samples of the target
    train: Tensor  # (m, 2)
    generator: torch.Generator

    @cached_property
    def mmd(self) -> samples.MMD:
        """MMD² and its p-value."""
        return samples.mmd(self.x, self.y, generator=self.generator)

    @property
    def twins(self) -> float:
        """How near two samples collide, in data units."""
        return TWINS * self.target.std.mean().item()

    @cached_property
    def manifold(self) -> samples.Manifold:
        """Precision, recall, density and coverage."""
        return samples.precision_recall_density_coverage(self.x, self.y, generator=self.generator)


@dataclass(frozen=True)
class Metric:
    """One score: how to read it, on which of `ranges.SCALES` it is near normal, its formula."""

    name: str
    unit: str
    better: str  # "higher", "lower" or "closer to truth"
    sees: str
    scale: str
    function: Callable[[Evidence], float]


# fmt: off
METRICS = (
    Metric("log-likelihood", "nats", "closer to truth",
           "strays to where p* is low; rises when samples huddle at the means",
           "plain", lambda e: modes.log_likelihood(e.target, e.x)),
    Metric("nearest training point", "data units", "closer to truth",
           "copies (too near) and strays (too far); blind to missing modes",
           "plain", lambda e: samples.nearest_training_distance(e.x, e.train)),
    Metric("modes covered", "count", "higher",
           "missing modes; blind to shape and weights",
           "plain", lambda e: modes.modes_covered(e.target, e.x)),
    Metric("within 3σ", "share", "closer to truth",
           "strays between modes, and tails cut off; blind to missing modes",
           "share", lambda e: modes.share_within(e.target, e.x)),
    Metric("mode weight KL", "nats", "lower",
           "wrong proportions of modes; blind to shape within a mode",
           "positive", lambda e: modes.weight_kl(e.target, e.x)),
    Metric("sliced W2", "data units", "lower",
           "mass in the wrong place; chance mode counts hide fine shape",
           "positive", lambda e: samples.sliced_w2(e.x, e.y, generator=e.generator)),
    Metric("energy distance", "data units", "lower",
           "any difference, large scales first; dull to fine shape",
           "tailed", lambda e: samples.energy_distance(e.x, e.y, e.generator)),
    Metric("MMD²", "1", "lower",
           "any difference, at the median distance; dull to fine shape",
           "signed", lambda e: e.mmd.statistic),
    Metric("MMD² p-value", "probability", "higher",
           "whether MMD² could be chance; not how large it is",
           "p-value", lambda e: e.mmd.p_value),
    Metric("precision", "share", "higher",
           "samples far from any real point; blind to missing modes",
           "share", lambda e: e.manifold.precision),
    Metric("recall", "share", "higher",
           "real points no sample comes near; one stray can hide a gap",
           "share", lambda e: e.manifold.recall),
    Metric("density", "1", "closer to truth",
           "strays, averaged where precision decides; blind to huddling",
           "plain", lambda e: e.manifold.density),
    Metric("coverage", "share", "higher",
           "real points with no sample in their ball; blind to copies",
           "share", lambda e: e.manifold.coverage),
    Metric("W1", "data units", "lower",
           "mass in the wrong place; chance mode counts hide fine shape",
           "tailed", lambda e: transport.wasserstein(e.x, e.y, 1, e.generator)),
    Metric("W2", "data units", "lower",
           "as W1, distant mass counting more",
           "tailed", lambda e: transport.wasserstein(e.x, e.y, 2, e.generator)),
    Metric("W2 within modes", "data units", "lower",
           "shape of modes at their own scale; blind to weights",
           "tailed", lambda e: transport.stratified_w2(e.target, e.x, e.y, e.generator)),
    Metric("radius χ² by mode", "per degree of freedom", "closer to truth",
           "too narrow, too wide, hollow modes; blind to weights and rotation",
           "positive", lambda e: shape.radius_chi2(e.target, e.x)),
    Metric("radius p-value", "probability", "higher",
           "whether the radii of some mode could be chance",
           "p-value", lambda e: shape.radius_p_value(e.target, e.x)),
    Metric("mean error by mode", "standard deviations", "lower",
           "modes off their place",
           "tailed", lambda e: shape.mean_error(e.target, e.x)),
    Metric("covariance error by mode", "1", "lower",
           "modes of wrong width or orientation",
           "tailed", lambda e: shape.covariance_error(e.target, e.x)),
    Metric("between modes", "share", "lower",
           "bridges between modes; blind to everything else",
           "share", lambda e: shape.bridge_mass(e.target, e.x)),
    Metric("classifier accuracy", "share", "closer to truth",
           "any difference that trees can learn",
           "plain", lambda e: classifier.telling_accuracy(e.x, e.y, e.generator)),
    Metric("authenticity", "share", "closer to truth",
           "copies of training points; blind to shape",
           "share", lambda e: copying.authenticity(e.x, e.train)),
    Metric("copying z", "standard deviations", "closer to truth",
           "copies (below zero) and strays (above)",
           "plain", lambda e: copying.copying_z(e.x, e.train, e.y)),
    Metric("birthday support", "count", "closer to truth",
           "too little variety: samples that repeat each other",
           "tailed", lambda e: copying.birthday_support(e.x, e.twins)),
)
# fmt: on
NAMED = {metric.name: metric for metric in METRICS}
