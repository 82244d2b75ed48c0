"""What the app can train: everything named is there, and nothing enormous is begun."""

import dataclasses

import pytest

from helpers import experiments, recipes
from helpers.app import limits

from .support import a_job


def test_names_and_bounds_are_those_of_the_project():
    assert set(limits.TARGETS) <= set(experiments.TARGETS)
    assert set(limits.IMAGES) <= set(limits.TARGETS)
    assert all(most <= recipes.BOUNDS[name][1] for name, most in limits.MOST.items())


@pytest.mark.parametrize(
    ("job", "complaint"),
    [
        (a_job(epochs=10_001), "epochs = 10001: must be at most 10000 here"),
        (a_job(generator=(8, 4_096)), "generator = 4096: must be at most 2048 here"),
        (a_job(discriminator=()), "discriminator: 0 layers, must be from 1 to 6"),
        (a_job("vae-iwae", batch=10_000, samples=64), "batch × samples = 640000: must be at most"),
        (a_job(target="../secrets"), "'../secrets': choose one of gmm5"),
        (dataclasses.replace(a_job(), seed=-1), "seed = -1: must be from 0"),
        (dataclasses.replace(a_job(), images=1), "images = 1: must be at least 2"),
    ],
)
def test_what_cannot_be_trained_here_is_refused(job, complaint):
    with pytest.raises(limits.BadJob, match=complaint):
        limits.check(job)
