"""Trainings that take a moment: few points, small networks, plain steps."""

import torch

from helpers import experiments, recipes, targets
from helpers.metrics import evaluator

SIZES = (600, 300, 300)  # training, validation, test
WIDTHS = {"vae": {"encoder": (8,), "decoder": (8,)}}
WIDTHS["gan"] = {"generator": (8,), "discriminator": (8,)}


def shrink(monkeypatch):
    """Make every training draw few points and score few samples."""
    monkeypatch.setattr(targets, "SIZES", SIZES)
    for name, value in (("WATCHED", 400), ("SCORED", 500), ("COMPARED", 50)):
        monkeypatch.setattr(evaluator, name, value)


def recipe(name="gan", **values):
    """A named recipe with small networks and three epochs, unless told otherwise."""
    base = experiments.named(name)
    numbers = {"epochs": 3, "batch": 100, **WIDTHS[base.family], **values}
    return recipes.changed(base, **numbers, name=f"{name}-custom")


def weights(run):
    """All weights of a run as one vector."""
    networks = [network for network in (run.model, run.discriminator) if network is not None]
    return torch.cat([p.detach().flatten() for net in networks for p in net.parameters()])
