"""One training on many processes: `torchrun --nproc-per-node N -m helpers train RECIPE`.

Every process has the same networks and a share of the training points, and takes its share of
each batch. Where a gradient reaches a weight, it is averaged over all processes, so that all
take the same step: that of one process with the whole batch (Li et al. 2020, PyTorch
Distributed). Objectives and steps know nothing of it; the averaging sits in the networks. Its
steps are not compiled, so for small networks on one CPU a single process is faster.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.func import functional_call

from helpers import building, devices, recipes, recording, runs
from helpers.loop import no_probe
from helpers.models import VAE
from helpers.recorder import Recorder, stream
from helpers.training import train_gan, train_vae

PATIENCE = timedelta(hours=2)  # the others wait while the first trains what a warm start needs


class Averaging(Function):
    """A function on whose way back the gradient is averaged over all processes."""

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Nothing is needed on the way back."""

    @staticmethod
    def backward(ctx, slope: Tensor) -> Tensor:
        return Mean.apply(slope)


class Mean(Averaging):
    """The mean of a tensor over all processes; being symmetric, it is its own gradient."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def vmap(info, dims, x: Tensor):
        return Mean.apply(x), dims[0]


class Shared(Averaging):
    """A weight as it is; what comes back to it is averaged."""

    @staticmethod
    def forward(weight: Tensor) -> Tensor:
        return weight.view_as(weight)

    @staticmethod
    def vmap(info, dims, weight: Tensor):
        return Shared.apply(weight), dims[0]


class Replica(nn.Module):
    """A network whose copies in other processes learn the same; it holds the network itself."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.latent = getattr(network, "latent", None)

    def forward(self, x: Tensor):
        weights = {name: Shared.apply(p) for name, p in self.network.named_parameters()}
        return functional_call(self.network, weights, (x,))


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


def first() -> bool:
    """Whether this process speaks for all."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[tuple[int, int]]:
    """The group of all processes within the block: which one this is, and how many there are.

    A group can be joined once; within another such block it is the same.
    """
    with contextlib.ExitStack() as stack:
        if not dist.is_initialized():
            kind = "nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(kind, timeout=PATIENCE)
            stack.callback(dist.destroy_process_group)
        yield dist.get_rank(), dist.get_world_size()


def place(name: str) -> torch.device:
    """The device of this process: the CPU, or a GPU of its own; raises ValueError without one."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device {name!r}: several processes take auto, cpu or cuda")
    if devices.choose_device(name).type != "cuda":
        return torch.device("cpu")  # gloo knows no other
    own, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if own >= there:
        raise ValueError(
            f"{own + 1} processes or more on a machine with {there} GPUs; give --nproc-per-node "
            f"{there} or --device cpu"
        )
    torch.cuda.set_device(own)
    return torch.device("cuda", own)


def share(points: Tensor, rank: int, size: int) -> Tensor:
    """The part of one process, as many points as every other has: (n, d) to (n // size, d)."""
    return points[: len(points) // size * size][rank::size]


def train(
    recipe: recipes.Recipe,
    target: runs.Target,
    seed: int,
    *,
    stem: Path | None = None,
    watch: Callable[[Recorder], None] = lambda recorder: None,
    device: str = "auto",
) -> runs.Run | None:
    """Train as one process of several; the first keeps the run and returns it, others None.

    `stem`, `watch` and `device` are those of `recording.train`. A record bears the recipe as it
    is: its batch is that of all processes together. Raises BadRecipe for a batch that cannot be
    parted.
    """
    here = place(device)
    with joined(here) as (rank, size), devices.one_thread():
        settings = building.settings(part(recipe, size), fast=False)
        data, source = runs.data(target), stream(seed)
        built = _built(recipe, target, data, seed, source, here)
        own = stream(int(torch.randint(2**62, (size,), generator=source)[rank]))
        points = [share(data.train.points, rank, size), data.validation.points]
        parts = (building.objective(recipe), *(p.to(here) for p in points), settings)
        if rank > 0:
            return _follow(course(recipe, built, parts, own))
        recorder = Recorder(recipe, target, data, seed, built, stem, processes=size)
        probed = course(recipe, built, parts, own, lambda replica: recorder.probe(built[0]))
        return _keep(recorder, probed, watch)


def _built(recipe, target, data, seed, source, device) -> tuple[nn.Module, nn.Module | None]:
    """The networks, the same in all processes: the first has trained and saved what they need."""
    options = {"device": str(device), "fast": False}
    if dist.get_rank() > 0:
        dist.barrier()
    built = recording.networks(recipe, target, data, seed, source, **options)
    if dist.get_rank() == 0:
        dist.barrier()
    for network in (network for network in built if network is not None):
        for values in network.state_dict().values():
            dist.broadcast(values, 0)
    return built


def part(recipe: recipes.Recipe, size: int) -> recipes.Recipe:
    """The recipe of one process; raises BadRecipe for a batch that cannot be parted."""
    if recipe.batch % size or recipe.batch < 2 * size:
        raise recipes.BadRecipe(
            f"batch = {recipe.batch}: {size} processes cannot part it evenly, two points or more "
            f"each; give a multiple of {size} from {2 * size}"
        )
    return dataclasses.replace(recipe, batch=recipe.batch // size)


def course(recipe, built, parts, generator: torch.Generator, probe=no_probe) -> Iterator:
    """The snapshots of this process's training; `parts` as `train_vae` and `train_gan` take them.

    The networks `built` are trained in place, through replicas.
    """
    common = {"generator": generator, "probe": probe}
    if recipe.family == "gan":
        return train_gan(*map(Replica, built), *parts, **common)
    vae = built[0]
    replicas = VAE(Replica(vae.encoder), Replica(vae.decoder), vae.latent)
    return train_vae(replicas, *parts, **common)


def _follow(snapshots: Iterator) -> None:
    for _ in snapshots:
        pass


def _keep(recorder: Recorder, snapshots: Iterator, watch) -> runs.Run:
    with recorder:
        for snapshot in snapshots:
            recorder.keep(snapshot)
            watch(recorder)
    return runs.read(recorder.stem)
