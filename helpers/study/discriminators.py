"""What a discriminator's loss says: of lost modes, or of the density within modes?

At its optimum the loss is 2 log 2 − 2 JS(p* ‖ q) (Goodfellow et al. 2014, theorem 1), and any other
discriminator's is larger. So (2 log 2 − loss) / 2 is a lower bound on the generator's divergence,
which is known here. Loss and divergence are of held-out points and of the averaged generator, which
the discriminator has not played against itself: what the bound leaves is what it does not see, and
a little that it was never shown.
"""

import copy
import math
from collections.abc import Sequence

import torch

from helpers import experiments
from helpers.metrics import modes
from helpers.metrics.density import log_density
from helpers.metrics.divergences import NOISE, divergences
from helpers.recipes import Recipe
from helpers.study.records import Networks, Say, complete, fit, grid
from helpers.targets import gmm5
from helpers.training import Snapshot, stream

SEEDS = (0, 6, 7, 8)  # some that keep all modes, and some that lose one for a while or for good
EVERY = 10  # epochs
LOOKED = 5_000  # points a side at each look
COARSER = 2.0  # than the mesh of the final values


def measured(workers: int, say: Say, device: str = "cpu") -> dict:
    """The record: of the assignment's GAN from four seeds, the course of a training."""
    recipe = experiments.named("gan")
    return complete("discriminators", grid([(recipe,)], SEEDS), measure, workers, say, device)


def measure(recipe: Recipe, seeds: Sequence[int], device: str) -> list[dict]:
    """Train from these seeds; columns of what was seen every tenth epoch."""
    target, rows = gmm5(), {seed: [] for seed in seeds}

    def watch(seed: int, networks: Networks, snapshot: Snapshot) -> None:
        if snapshot.epoch % EVERY == 0:
            rows[seed].append(look(networks[0], target, snapshot))

    fit(recipe, target, target.draws().train.points, seeds, device, watch)
    return [{name: [row[name] for row in rows[seed]] for name in rows[seed][0]} for seed in seeds]


@torch.no_grad()
def look(generator: torch.nn.Module, target, snapshot: Snapshot) -> dict:
    """Divergence of the averaged generator, what the held-out loss says of it, and its modes."""
    noise = stream(NOISE)
    z = torch.randn(LOOKED, generator.latent, generator=noise)
    x = generator.draw(z.to(next(generator.parameters()).device), noise).cpu()
    y = target.draws().test.points[:LOOKED]
    apart = divergences(target, log_density(copy.deepcopy(generator).cpu(), COARSER), y, x)
    return {
        "epoch": snapshot.epoch,
        "jensen_shannon": apart.jensen_shannon.value,
        "said": said(snapshot.validation["discriminator"]),
        "modes": modes.modes_covered(target, x),
        "weight_kl": modes.mode_kl(target, x),
    }


def said(loss: float) -> float:
    """The lower bound on JS(p* ‖ q) in nats that a cross-entropy over both sides gives."""
    return (2 * math.log(2) - loss) / 2
