"""Everything measured of a trained model, as plain data for the committed records."""

import torch
from torch import Tensor, nn

from helpers import costs, densities, runs
from helpers.metrics import atlas, latent
from helpers.metrics.catalogue import METRICS
from helpers.metrics.scorecard import evaluate
from helpers.recorder import stream
from helpers.targets import GaussianMixture

DRAWN = 100_000  # samples for the scorecard
SEEN = 20_000  # latents for the atlas
SEEDS = {"samples": 31, "reference": 32, "points": 33, "latents": 51}


def portrait(run: runs.Run, scored: bool = True, mapped: bool = True) -> dict:
    """Final scores, cost and divergences; if `scored` the scorecard, if `mapped` the atlas."""
    found = {
        "recipe": run.recipe.name,
        "seed": run.seed,
        "seconds": run.history["seconds"][-1],
        **costs.sizes(run),
        **{k: run.metrics[k] for k in ("share", "weight_kl", "modes", "radius_ratio")},
        "kl": run.metrics.get("kl"),
        "divergences": divergences_of(run) if run.recipe.latent <= 2 else None,
    }
    if scored:
        found["scores"] = scores_of(run)
    if mapped:
        found["atlas"] = atlas_of(run.model, run.target)
    return found


def divergences_of(run: runs.Run, coarser: float = 1.5) -> dict[str, list[float]]:
    """Divergences between target and model: name to value and standard error."""
    points = run.target.sample(densities.COMPARED, stream(SEEDS["points"]))
    samples = run.sample(densities.COMPARED, stream(SEEDS["samples"]))
    found = densities.model_divergences(run.model, run.target, points, samples, coarser)
    return {name: list(estimate) for name, estimate in found._asdict().items()}


def scores_of(run: runs.Run) -> dict[str, float]:
    """Every metric at 100,000 samples; all runs meet the same reference points."""
    x = run.sample(DRAWN, stream(SEEDS["samples"]))
    train = runs.data(run.target).train.points
    return evaluate(run.target, x, train, stream(SEEDS["reference"]), METRICS)


def atlas_of(model: nn.Module, target: GaussianMixture) -> dict:
    """How the latent space is divided, and at what price; borders are drawn on planes only."""
    z = torch.randn(SEEN, model.latent, generator=stream(SEEDS["latents"]))
    noise = stream(SEEDS["latents"])
    draws = 8 if hasattr(model, "encoder") else 1  # a generator adds no noise to average over

    def draw(latents: Tensor) -> Tensor:
        return model.draw(latents, noise)

    bent = atlas.distortion(model.decode, z[:5_000])
    mass = latent.region_mass(target, model.decode, z)
    return {
        "region mass": mass.tolist(),
        "largest gap to the weights": (mass - target.weights).abs().max().item(),
        "decoded between modes": latent.between_mass(target, model.decode, z),
        "information": list(atlas.mutual_information(target, draw, z, draws)),
        **{name: _quantiles(values) for name, values in bent._asdict().items()},
        **(_plane_of(model, target) if model.latent == 2 else {}),
    }


def _plane_of(model: nn.Module, target: GaussianMixture) -> dict:
    regions = latent.connected_regions(target, model.decode)
    border = atlas.border_measure(target, model.decode)
    return {"connected regions": int(regions.counts.sum()), "border measure": border}


def _quantiles(values: Tensor) -> list[float]:
    """The 1 %, 50 % and 99 % quantiles."""
    at = torch.tensor([0.01, 0.5, 0.99], dtype=values.dtype)
    return values.quantile(at).tolist()
