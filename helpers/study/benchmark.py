"""How fast: the usual loop, our plain one, the engine, and the engine with eight seeds at once.

All train in one process, an epoch each in turn, round after round, so that a machine whose speed
wanders is unfair to none of them; on one thread, but where all cores are named. The usual loop is
a textbook's: a DataLoader, PyTorch's autograd as it comes, two lines of Adam.
"""

import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from unittest import mock

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from helpers import animation, experiments, recipes, recorder, runs
from helpers.engine import cache
from helpers.engine.members import FAST
from helpers.engine.rewrites import LARGE
from helpers.study.costs import training_flops
from helpers.targets import Target, gmm5
from helpers.training import PLAIN, Engine, read_clock, stream, threads

EPOCHS = 250  # of a base recipe
ENDLESS = 1_000_000  # epochs
TOGETHER = 8  # seeds in one pass, at a batch of LARGE
SIDE = 2_048  # of the matrices whose product is the machine's ceiling
CEILINGS = ("ceiling_gflops", "ceiling_cores_gflops")
FRAMES = 250  # of the film that is timed, as of the real ones
Say = Callable[[str], None]
Seconds = Iterator[float]  # of each epoch of one model, without end


def measure(rounds: int = 7, say: Say = print) -> dict:
    """Everything that the benchmark shows, as plain data; takes about five minutes."""
    target = gmm5()
    with threads(1), tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ):
        os.environ[cache.NAME] = folder  # starts empty, so that compiling is really timed
        found = {"machine": machine(), "rounds": rounds}
        say(f"{found['machine']}; {rounds} rounds")
        before = ceilings()
        found |= {kind: family_times(kind, target, rounds, say) for kind in ("vae", "gan")}
        found |= {name: median([before[name], again]) for name, again in ceilings().items()}
        found["film_ms"] = {kind: film_ms(kind, target) for kind in ("vae", "gan")}
    return found


def family_times(family: str, target: Target, rounds: int, say: Say) -> dict:
    """One family: seconds of each round by loop, of compiling, and arithmetic an epoch."""
    recipe = experiments.named(family)
    running = loops(recipe, target)
    first = {name: next(loop) for name, loop in running.items()}
    times: dict[str, list[float]] = {name: [] for name in running}
    for number in range(1, rounds + 1):
        for name, loop in running.items():
            times[name].append(next(loop))
        shown = ", ".join(f"{name} {column[-1]:.2f} s" for name, column in times.items())
        say(f"{family}, round {number}: {shown}")
    again = next(our_loop(recipe, target))  # finds on disk what the first one compiled
    usually = median(times["ours"])
    return {
        "seconds": times,
        "compile_cold": first["ours"] - usually,
        "compile_warm": again - usually,
        "gflop": training_flops(recipe, target) / recipe.epochs / 1e9,
    }


# --------------------------------------------------------------------------------- the loops


def loops(recipe: recipes.Recipe, target: Target) -> dict[str, Seconds]:
    """Who runs in the benchmark, by name."""
    large, cores = recipes.changed(recipe, batch=LARGE), os.cpu_count() or 1
    return {
        "usual": usual_loop(recipe, target),
        "usual_cores": on_threads(cores, usual_loop(recipe, target)),
        "plain": our_loop(recipe, target, PLAIN),
        "ours": our_loop(recipe, target),
        "together": our_loop(large, target, members=TOGETHER),
        "together_cores": our_loop(large, target, members=TOGETHER, cores=cores),
    }


def our_loop(
    recipe: recipes.Recipe, target: Target, engine: Engine = FAST, members: int = 1, cores: int = 1
) -> Seconds:
    """Our training of so many seeds together; the first epoch includes compiling."""
    points, streams = target.draws().train.points, [stream(seed) for seed in range(members)]
    built = [target.networks(recipe, points, generator) for generator in streams]
    steps = engine.build(recipes.changed(recipe, epochs=ENDLESS), built)
    rounds = engine.train_all(steps, points, points[:1], generators=streams, threads=cores)
    while True:
        start = read_clock(points.device)
        next(rounds)
        yield (read_clock(points.device) - start) / members


def on_threads(number: int, loop: Seconds) -> Seconds:
    """The same loop, each of its operations shared among so many threads."""
    while True:
        with threads(number):
            seconds = next(loop)
        yield seconds


def usual_loop(recipe: recipes.Recipe, target: Target) -> Seconds:
    """The textbook's loop on the recipe's networks."""
    points, generator = target.draws().train.points, stream(0)
    networks = target.networks(recipe, points, generator)
    epoch = {"vae": usual_vae, "gan": usual_gan}[recipe.family]
    adams = [torch.optim.Adam(net.parameters(), lr=recipe.learning_rate) for net in networks]
    batches = shuffled(points, recipe.batch, generator)
    while True:
        start = read_clock(points.device)
        epoch(networks, adams, batches, generator)
        yield read_clock(points.device) - start


def shuffled(points: Tensor, batch: int, generator: torch.Generator) -> DataLoader:
    """Shuffled batches of points (n, 2); the last, incomplete one is dropped."""
    options = {"shuffle": True, "drop_last": True, "generator": generator}
    return DataLoader(TensorDataset(points), batch_size=batch, **options)


def usual_vae(networks, adams, batches: DataLoader, generator: torch.Generator) -> None:
    """An epoch of descending the negative ELBO."""
    (vae,), (adam,) = networks, adams
    for (x,) in batches:
        posterior = vae.encoder(x)
        z = posterior.sample(torch.randn(posterior.mean.shape, generator=generator))
        loss = (posterior.kl_to_prior() - vae.decoder(z).log_prob(x)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()


def usual_gan(networks, adams, batches: DataLoader, generator: torch.Generator) -> None:
    """An epoch of the non-saturating objective."""
    (network, discriminator), (of_network, of_discriminator) = networks, adams
    for (x,) in batches:
        ones, zeros = torch.ones(len(x)), torch.zeros(len(x))
        made = network(torch.randn(len(x), network.latent, generator=generator))
        of_discriminator.zero_grad()
        on_real, on_made = discriminator(x), discriminator(made.detach())
        (cross_entropy(on_real, ones) + cross_entropy(on_made, zeros)).backward()
        of_discriminator.step()
        of_network.zero_grad()
        cross_entropy(discriminator(made), ones).backward()
        of_network.step()


# ------------------------------------------------------------------------ the other measurements


def ceilings() -> dict[str, float]:
    """The ceiling of one thread and that of all cores."""
    return dict(zip(CEILINGS, map(ceiling, (1, os.cpu_count() or 1)), strict=True))


def ceiling(number: int, rounds: int = 7) -> float:
    """GFLOP/s of a large float32 matrix product on so many threads: what no training exceeds."""
    a, seconds = torch.randn(SIDE, SIDE, generator=stream(0)), []
    with threads(number):
        for _ in range(rounds):
            start = time.perf_counter()
            torch.mm(a, a)
            seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / median(seconds) / 1e9


def film_ms(family: str, target: Target) -> float:
    """Milliseconds for a frame of the family's film at full size, encoding included."""
    recipe, draws = experiments.named(family), target.draws()
    probe = recorder.probe_of(recipe, target, draws)
    model = target.networks(recipe, draws.train.points, stream(0))[0]
    seen = {name: values[: probe.filmed] for name, values in probe(model).items()}
    seen["samples"] = draws.train.points[: len(seen["samples"])]  # spread out, as late in training
    frames = [runs.Frame(epoch, seen) for epoch in range(1, FRAMES + 1)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        scene = animation.scene_of(recipe, target, probe)
        animation.film(scene, frames, Path(folder, "film.mp4"))
        return 1e3 * (time.perf_counter() - start) / FRAMES


def machine() -> str:
    """The processor's name where the system tells it, and how many cores there are."""
    cores = f"{os.cpu_count()} cores"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return f"{names[0]}, {cores}"
    return f"{platform.processor() or platform.machine()}, {cores}"


# ----------------------------------------------------------------------------------- the table


def as_markdown(found: dict) -> str:
    """What was measured as a table: medians, and ratios to the usual loop in the same round.

    A loop that was not timed has no line.
    """
    one, cores = (found[name] for name in CEILINGS)
    many = f"{TOGETHER} seeds"
    rows = {
        "the usual loop, an epoch": lambda t: _seconds(t, "usual"),
        "the usual loop on all cores": lambda t: _seconds(t, "usual_cores"),
        "the plain loop of `helpers.training`": lambda t: _faster(t, "plain"),
        "the engine, the same steps": lambda t: _faster(t, "ours"),
        f"the engine, {many} at batch {LARGE:,}, a model and epoch": lambda t: _faster(
            t, "together"
        ),
        f"the {many} on all cores": lambda t: _faster(t, "together_cores"),
        f"share of the matrix ceiling, {one:.0f} GFLOP/s: usual, engine, {many}": lambda t: (
            ", ".join(f"{share(t, name, one):.0%}" for name in ("usual", "ours", "together"))
        ),
        f"share of that of all cores, {cores:.0f} GFLOP/s: {many}": lambda t: (
            f"{share(t, 'together_cores', cores):.0%}"
        ),
        "compiling, the first time and later": lambda t: (
            f"{t['compile_cold']:.0f} s, {t['compile_warm']:.0f} s"
        ),
        f"{EPOCHS} epochs with compiling, against the usual loop": lambda t: f"{whole(t):.1f} ×",
    }
    lines = [_line(label, *map(cell, (found["vae"], found["gan"]))) for label, cell in rows.items()]
    film = [f"{value:.0f} ms" for value in found["film_ms"].values()]
    return "\n".join(
        [
            _line(f"one thread of {found['machine']}", "VAE, batch 128", "GAN, batch 256"),
            "|---|---|---|",
            *(line.replace("%", " %") for line in lines if "– | –" not in line),
            _line("a frame of the film, encoded", *film) + "\n",
        ]
    )


def speedup(times: dict, name: str) -> float:
    """How many times the usual loop's speed: the median of the rounds' ratios."""
    pairs = zip(times["seconds"]["usual"], times["seconds"][name], strict=True)
    return median(usually / other for usually, other in pairs)


def whole(times: dict) -> float:
    """The same over a base recipe's 250 epochs, compiling included."""
    usually, single = (EPOCHS * median(times["seconds"][name]) for name in ("usual", "ours"))
    return usually / (single + times["compile_cold"])


def share(times: dict, name: str, gflops: float) -> float:
    """Arithmetic done a second, as a share of the ceiling."""
    return times["gflop"] / median(times["seconds"][name]) / gflops


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _seconds(times: dict, name: str) -> str:
    return f"{median(times['seconds'][name]):.2f} s" if name in times["seconds"] else "–"


def _faster(times: dict, name: str) -> str:
    there = name in times["seconds"]
    return f"{_seconds(times, name)}, **{speedup(times, name):.1f} ×**" if there else "–"
