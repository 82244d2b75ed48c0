"""Another library's trainer on the same task, for the benchmark, where it is installed.

pythae (Chadebec et al. 2022) is what one would take for a VAE off the shelf.
"""

import time
from collections.abc import Iterator
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from helpers import models


def has_pythae() -> bool:
    """Whether pythae can be imported."""
    return find_spec("pythae") is not None


def pythae(
    vae: models.VAE, points: Tensor, batch: int, rate: float, folder: str
) -> Iterator[float]:
    """pythae's own trainer on the networks of `vae`; yields the seconds of each epoch.

    `points` (n, 2) are in network coordinates; `folder` is where the trainer keeps its files.
    """
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    model = VAE(
        VAEConfig(input_dim=(2,), latent_dim=vae.latent, reconstruction_loss="mse"),
        *_wrapped(vae),
    )
    options = {"output_dir": folder, "per_device_train_batch_size": batch, "learning_rate": rate}
    config = BaseTrainerConfig(no_cuda=True, optimizer_cls="Adam", **options)
    trainer = BaseTrainer(model, BaseDataset(points, torch.zeros(len(points))), None, config)
    trainer.prepare_training()
    epoch = 0
    while True:
        start, epoch = time.perf_counter(), epoch + 1
        trainer.train_step(epoch)
        yield time.perf_counter() - start


def _wrapped(vae: models.VAE) -> tuple[nn.Module, nn.Module]:
    """Our two networks in the form that pythae asks for."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net = vae.encoder.net

        def forward(self, x):
            mean, log_variance = self.net(x).chunk(2, -1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = vae.decoder.net

        def forward(self, z):
            return ModelOutput(reconstruction=self.net(z))

    return Encoder(), Decoder()
