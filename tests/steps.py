"""Small networks of both families, the steps that train them, and points to train on."""

from dataclasses import replace

import torch

from helpers import models, objectives
from helpers.targets import from_definition
from helpers.training import PLAIN, Settings, cosine, linear, stream, train

STANDARD = models.Standard(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.5]))
SETTINGS = Settings(
    epochs=4, batch=32, rate=cosine(5e-3), weight=linear(1.0, 1.0), betas=(0.5, 0.9)
)
VAES = {
    "elbo": objectives.ELBO(),
    "autoencoder": objectives.Autoencoder(),
    "iwae": objectives.IWAE(samples=3),
}
GANS = {
    "non-saturating": objectives.NonSaturating(),
    "least-squares": objectives.LeastSquares(),
    "wgan-gp": objectives.WassersteinGP(),
    "relativistic": objectives.Relativistic(),
}
OBJECTIVES = VAES | GANS
AVERAGED = replace(SETTINGS, average=0.9, discriminator_steps=3, weight=linear(0.1, 0.3))
USUAL = {"vae": "elbo", "gan": "non-saturating"}  # objectives that stand for a family


def points(n=270, seed=0):
    """Points (n, 2) of one Gaussian with unit variance, away from the origin."""
    eye = [[1, 0], [0, 1]]
    target = from_definition({"weights": [1], "means": [[2, -1]], "covariances": [eye]})
    return target.sample(n, stream(seed))


TRAIN, VALIDATION = points(), points(40, seed=1)  # eight batches and a rest; held out


def vae(seed):
    """A fresh VAE, alone in a tuple."""
    encoder = models.Encoder(STANDARD, (8,), 2)
    decoder = models.Decoder(STANDARD, (8,), 2, "scale")
    models.initialise(encoder.net, stream(seed), encoder.standardise(typed(TRAIN)))
    models.initialise(decoder.net, stream(seed + 100), torch.zeros(1, 2))
    return (models.VAE(encoder, decoder, 2),)


def gan(seed):
    """A fresh generator and discriminator, whose norms are those of the data."""
    pair = models.Generator(STANDARD, (8,), 2), models.Discriminator(STANDARD, (12,))
    models.initialise(pair[0].net, stream(seed), torch.zeros(1, 2))
    models.initialise(pair[1].net, stream(seed + 100), pair[1].standardise(typed(TRAIN)))
    return pair


def step(name="elbo", seed=1, settings=SETTINGS, engine=PLAIN, **more):
    """A step of an objective on fresh networks of a seed."""
    family, networks = ("vae", vae) if name in VAES else ("gan", gan)
    return engine.steps[family](*networks(seed), OBJECTIVES[name], settings, **more)


def training(of, seed=1, data=TRAIN, **more):
    """The snapshots of a step's training, not yet begun."""
    return train(of, typed(data), typed(VALIDATION), generator=stream(seed), **more)


def typed(values):
    """Numbers in the precision that is set."""
    return values.to(torch.get_default_dtype())


def networks_of(of):
    """A step's networks: what samples are drawn from, and a GAN's discriminator."""
    return [net for net in (of.model, getattr(of, "discriminator", None)) if net is not None]


def flat(of):
    """All weights of a step's networks as one vector."""
    every = [p.detach().flatten() for net in networks_of(of) for p in net.parameters()]
    return torch.cat(every)


def rows(snapshots):
    """What can be compared of snapshots: numbers of epochs, losses and validation."""
    return [(s.epoch, s.losses, s.validation) for s in snapshots]
