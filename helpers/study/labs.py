"""The labs on images: what each trains, on which images, and how its notebook comes by it."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from helpers import experiments, recorder, runs, targets
from helpers.engine.members import FAST
from helpers.images.datasets import ImageDataset
from helpers.recipes import WIDTHS
from helpers.study.sweep import Training
from helpers.targets import BadTarget
from helpers.training import PLAIN

PRESET, IMAGES = "FIVE_GAUSSIANS_PRESET", "FIVE_GAUSSIANS_IMAGES"  # what the environment may name
SEED = 5
SEEDS = (5, 6, 7)
FIVE = (5, 6, 7, 8, 9)
AUTOENCODERS = tuple(f"autoencoder-colour-{d}" for d in (16, 128, 1_024))
BETAS = tuple(f"vae-colour-{b}" for b in ("beta-0", "beta-0.8", "beta-1", "beta-1.2", "linear"))
STARTS = tuple(f"gan-faces-{start}" for start in ("cold", "warm", "frozen"))


class Plan(NamedTuple):
    """What a lab trains: recipes by their seeds, on images of a set."""

    source: str
    recipes: dict[str, tuple[int, ...]]

    @property
    def multiple(self) -> int:
        """Images whose side is a multiple of this can be halved by every network of the plan."""
        named = map(experiments.named, self.recipes)
        widths = [len(getattr(it, name)) for it in named for name in WIDTHS[it.family]]
        return 2 ** max(widths)


PLANS = {
    "digits": Plan(
        "digits",
        dict.fromkeys(("vae-digits-2", "vae-digits-8", "vae-digits-32", "gan-digits"), SEEDS)
        | {"vae-digits-2-free": (SEED,)},
    ),
    "variants": Plan(
        "avatars",
        dict.fromkeys(("gan-colour", "lsgan-colour", "wgan-gp-colour"), SEEDS)
        | {"wgan-gp-colour-5": (SEED,)}  # a side question
        | dict.fromkeys(("gan-colour-plain", *AUTOENCODERS, *BETAS), (SEED,)),
    ),
    "faces": Plan(
        "faces",
        dict.fromkeys(("vae-faces", *STARTS), FIVE)
        | dict.fromkeys(("vae-faces-wide", "gan-faces", "autoencoder-faces"), (SEED,)),
    ),
}


@dataclass(frozen=True)
class Lab:
    """A lab as its notebook sees it: its images and its trained models, at a preset."""

    plan: Plan
    dataset: ImageDataset
    preset: experiments.Preset

    @classmethod
    def named(cls, name: str, preset: str = "", images: str = "") -> "Lab":
        """The lab of that name; what is not given, the environment says, else its plan.

        Raises BadRecipe and BadTarget for a preset or images that there are not.
        """
        plan = PLANS[name]
        size = experiments.preset(preset or os.environ.get(PRESET) or "laptop")
        dataset = targets.named(images or os.environ.get(IMAGES) or plan.source)
        if dataset.domain != "images":
            kinds = ", ".join(ImageDataset.NAMES)
            raise BadTarget(f"{dataset.name}: no images; choose one of {kinds}, or a folder")
        multiple = plan.multiple  # what all its networks can halve to the end: 28 pixels become 32
        dataset = replace(dataset, size=math.ceil(dataset.size / multiple) * multiple)
        if size.images:
            dataset = replace(dataset, most=size.images)
        return cls(plan, dataset, size)

    @property
    def usual(self) -> bool:
        """Whether findings are to hold: not after seconds of training, nor on other images."""
        return self.preset.name != "tiny" and self.dataset.source == self.plan.source

    def found(self) -> str:
        """How many images there are, in one line."""
        train, *held_out = (len(part.points) for part in self.dataset.draws())
        return f"{self.dataset.name}: {train:,} images to train on, {sum(held_out):,} held out"

    def recipe(self, name: str):
        """A recipe at the lab's preset."""
        return experiments.at_preset(experiments.named(name), self.preset)

    def seeds(self, name: str) -> tuple[int, ...]:
        """The seeds that a recipe is trained from at the lab's preset."""
        return self.plan.recipes[name][: self.preset.seeds]

    def runs(self, name: str, seeds: Sequence[int] | None = None) -> list[runs.Run]:
        """The trained runs of a recipe; those that are missing are trained first."""
        engine = FAST if self.preset.compiled else PLAIN
        seeds = seeds or self.seeds(name)
        return recorder.load_or_train(self.recipe(name), self.dataset, seeds, engine=engine)

    def trainings(self) -> Iterator[Training]:
        """All that the lab trains, one run each, so that processes can share them."""
        for name in self.plan.recipes:
            for seed in self.seeds(name):
                yield Training(self.recipe(name), self.dataset, (seed,))
