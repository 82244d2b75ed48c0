"""One training on many processes: `torchrun --nproc-per-node N -m helpers train RECIPE`.

Every process has the same networks and a share of the training points, and takes its share of
each batch. The flat gradient of every step is averaged over all processes, so that all take the
same step: that of one process with the whole batch (Li et al. 2020, PyTorch Distributed). Such
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

from helpers import objectives, recipes, runs, training
from helpers.engine.members import FAST
from helpers.recorder import Recorder, check_turns, place_of, starting_networks
from helpers.targets import Target
from helpers.training import stream

PATIENCE = timedelta(hours=2)  # the others wait while the first trains what a warm start needs


def mean_over_processes(gradient: Tensor) -> Tensor:
    """The mean of a flat gradient (parameters,) over all processes."""
    dist.all_reduce(gradient)
    return gradient / dist.get_world_size()


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
    if training.choose_device(name).type != "cuda":
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


def part(recipe: recipes.Recipe, size: int) -> recipes.Recipe:
    """The recipe of one process; raises BadRecipe for a batch that cannot be parted."""
    if recipe.batch % size or recipe.batch < 2 * size:
        raise recipes.BadRecipe(
            f"batch = {recipe.batch}: {size} processes cannot part it evenly, two points or more "
            f"each; give a multiple of {size} from {2 * size}"
        )
    return dataclasses.replace(recipe, batch=recipe.batch // size)


def train(
    recipe: recipes.Recipe,
    target: Target,
    seed: int,
    *,
    stem: Path | None = None,
    watch: Callable[[Recorder], None] = lambda recorder: None,
    device: str = "auto",
) -> runs.Run | None:
    """Train as one process of several; the first keeps the run and returns it, others None.

    Arguments are those of `recorder.train`. A record bears the recipe as it is: its batch is that
    of all processes together. Raises BadRecipe for a batch that cannot be parted.
    """
    recipes.check_domain(recipe, target)
    if os.environ.get("RANK", "0") == "0":  # the others save nothing
        stem = place_of(recipe, target, seed, stem)
    here = place(device)
    with joined(here) as (rank, size), training.threads(1):
        settings = training.settings(part(recipe, size))
        draws, source = target.draws(), stream(seed)
        check_turns(recipe, len(draws.train.points))
        networks = _networks(recipe, target, draws, seed, source, here)
        own = stream(int(torch.randint(2**62, (size,), generator=source)[rank]))
        kind, objective = FAST.steps[recipe.family], objectives.build(recipe)
        step = kind(*networks, objective, settings, reduce=mean_over_processes)
        points = share(draws.train.points, rank, size), draws.validation.points
        arguments = (step, *(part.to(here) for part in points))
        if rank > 0:
            for _ in training.train(*arguments, generator=own):
                pass
            return None
        recorder = Recorder(recipe, target, draws, seed, networks, stem, processes=size)
        return _recorded(recorder, arguments, own, watch)


def _networks(recipe, target, draws, seed, source, device) -> tuple[nn.Module, ...]:
    """The networks, the same in all processes: the first has trained and saved what they need."""
    if dist.get_rank() > 0:
        dist.barrier()
    options = {"device": str(device), "engine": FAST}
    networks = starting_networks(recipe, target, draws, seed, source, **options)
    if dist.get_rank() == 0:
        dist.barrier()
    for network in networks:
        for values in network.state_dict().values():
            dist.broadcast(values, 0)
    return networks


def _recorded(recorder: Recorder, arguments: tuple, generator: torch.Generator, watch) -> runs.Run:
    with recorder:
        for snapshot in training.train(*arguments, generator=generator, probe=recorder.probe):
            recorder.keep(snapshot)
            watch(recorder)
    return runs.read(recorder.stem)
