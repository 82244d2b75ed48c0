"""What a live picture shows beside samples: what the networks make of the plane as they learn.

Arrays for `preview.npz`, taken in the process that trains.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from helpers import maps, objectives
from helpers.metrics import modes
from helpers.targets import Target

SIDE = 48  # cells of the discriminator's map
ARROWS = 60  # samples whose pull is shown
CODES = 60  # points whose codes are shown as ellipses, and latents whose p(x | z) are
CIRCLE = torch.linspace(0, 2 * math.pi, 25)
REACH = 2.0  # standard deviations that an ellipse shows


def seen(step, target: Target, probe, samples: Tensor) -> dict[str, np.ndarray]:
    """Of a step's networks on the plane, beside its samples (n, 2); nothing of images.

    `modes` says how many components the samples reach, and of how many.
    """
    if target.domain == "images":
        return {}
    found = {"modes": np.array([modes.modes_covered(target, samples), target.k])}
    if hasattr(step, "discriminator"):
        return found | pull(step.discriminator, target, samples[:ARROWS])
    return found | ellipses(step.model, probe)


def pull(discriminator: nn.Module, target: Target, fake: Tensor) -> dict[str, np.ndarray]:
    """A discriminator on a grid over the plane, and where it pulls samples.

    `field` (SIDE, SIDE) is its number for the middle of each cell, first index along x₁; `arrows`
    (n, 4) are places of samples and the gradients of that number there.
    """
    device = next(discriminator.parameters()).device
    with torch.no_grad():
        field = discriminator(maps.grid(maps.limits(target), SIDE).float().to(device))
    slopes = objectives.input_gradient(discriminator, fake.to(device)).detach().cpu()
    arrows = torch.cat([fake, slopes], 1)
    return {"field": field.view(SIDE, SIDE).cpu().numpy(), "arrows": arrows.numpy()}


@torch.no_grad()
def ellipses(vae: nn.Module, probe) -> dict[str, np.ndarray]:
    """Outlines at 2σ, (CODES, 25, 2) each: of q(z | x) of the probe's points, and of p(x | z).

    `coded` shows the first two latents and is left out where there is only one; `decoded` belongs
    to the probe's first latents.
    """
    device = probe.device
    q = vae.encoder(probe.points[:CODES].to(device))
    p = vae.decoder(probe.noise[:CODES].to(device))
    found = {"decoded": outline(p)}
    if q.mean.shape[-1] > 1:
        found["coded"] = outline(type(q)(*(part[..., :2] for part in q)))
    return {name: lines.cpu().numpy() for name, lines in found.items()}


def outline(q) -> Tensor:
    """Ellipses of Gaussians of the plane at REACH standard deviations: (n, 25, 2)."""
    circle = REACH * torch.stack([CIRCLE.cos(), CIRCLE.sin()], -1).to(q.mean)
    noise = circle[:, None].expand(-1, len(q.mean), 2)  # (25, n, 2): a sample is mean + L · noise
    return q.sample(noise).movedim(0, 1)
