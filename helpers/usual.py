"""The usual loop, as a textbook writes it: what the benchmark measures the fast step against.

A DataLoader over a TensorDataset, PyTorch's own autograd as it comes, two lines of Adam. The
networks and the mathematics are those of the rest of the house; only the engine differs.
"""

import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from helpers import models


def loader(points: Tensor, batch: int, generator: torch.Generator) -> DataLoader:
    """Shuffled batches of points (n, 2); the last, incomplete one is dropped."""
    options = {"shuffle": True, "drop_last": True, "generator": generator}
    return DataLoader(TensorDataset(points), batch_size=batch, **options)


def train_vae(
    vae: models.VAE, points: Tensor, batch: int, rate: float, generator: torch.Generator
) -> Iterator[float]:
    """Train by the negative ELBO without end; yields the seconds of each epoch."""
    optimiser = torch.optim.Adam(vae.parameters(), lr=rate)
    batches = loader(points, batch, generator)
    while True:
        start = time.perf_counter()
        for (x,) in batches:
            posterior = vae.encoder(x)
            z = posterior.sample(torch.randn(posterior.mean.shape, generator=generator))
            loss = (posterior.kl_to_prior() - vae.decoder(z).log_prob(x)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        yield time.perf_counter() - start


def train_gan(
    network: models.Generator,
    critic: models.Critic,
    points: Tensor,
    batch: int,
    rate: float,
    generator: torch.Generator,
) -> Iterator[float]:
    """Train by the non-saturating game without end; yields the seconds of each epoch."""
    of_network = torch.optim.Adam(network.parameters(), lr=rate)
    of_critic = torch.optim.Adam(critic.parameters(), lr=rate)
    batches, real, fake = loader(points, batch, generator), torch.ones(batch), torch.zeros(batch)
    while True:
        start = time.perf_counter()
        for (x,) in batches:
            made = network(torch.randn(batch, network.latent, generator=generator))
            of_critic.zero_grad()
            on_real, on_made = critic(x), critic(made.detach())
            (cross_entropy(on_real, real) + cross_entropy(on_made, fake)).backward()
            of_critic.step()
            of_network.zero_grad()
            cross_entropy(critic(made), real).backward()
            of_network.step()
        yield time.perf_counter() - start
