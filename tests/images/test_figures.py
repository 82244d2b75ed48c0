"""Images side by side, walks through latent space, the film of a training."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.animation import pictures
from helpers.images import figures
from helpers.images.datasets import ImageDataset


def test_tiles_lie_row_by_row_with_white_between():
    images = torch.stack([torch.full((1, 2, 3), v) for v in (-1.0, 0.0, 0.5)])
    out = figures.tiled(images, 2)
    assert out.shape == (5, 7, 3)
    assert np.allclose(out[:2, :3], 0)
    assert np.allclose(out[:2, 4:], 0.5)
    assert np.allclose(out[3:, :3], 0.75)
    assert np.allclose(out[2], 1)
    assert np.allclose(out[3:, 4:], 1)  # the place that nothing fills
    bright = torch.tensor([-1.0, 1.0, 7.0])[:, None, None].expand(1, 3, 4, 4)
    assert figures.tiled(bright)[0, 0].tolist() == [0, 1, 1]


def test_a_walk_takes_equal_steps_of_the_priors_mass():
    z = figures.plane_walk(5, 0.8).view(5, 5, 2)
    share = torch.special.ndtr(z)
    assert torch.allclose(share[0, :, 0], torch.linspace(0.1, 0.9, 5), atol=1e-5)
    assert torch.allclose(share[:, 0, 1], torch.linspace(0.9, 0.1, 5), atol=1e-5)


# ------------------------------------------------------------------------- from latent to latent


def latents(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


A = latents(6, 16, 0)
ENDS = {
    "any two": (A, 3 * latents(6, 16, 1)),
    "as the app may ask": (torch.tensor([[-1.5, -1.0]]), torch.tensor([[3.0, 2.0]])),
    "opposite": (A, -A),
    "opposite, another length": (A, -0.3 * A),
    "nearly opposite": (A, 1e-3 * latents(6, 16, 9) - 2 * A),
    "all but opposite": (A, 1e-6 * latents(6, 16, 9) - 2 * A),
    "one direction": (A, 4 * A),
    "the same": (A, A),
    "along an axis": (torch.eye(3), -torch.eye(3)),
    "short ones": (1e-20 * A, -1e-20 * latents(6, 16, 1)),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_way_keeps_its_ends_and_lengths_between_theirs(case):
    first, last = ENDS[case]
    ways = figures.between(first, last, 13).view(len(first), 13, -1)
    assert torch.equal(ways[:, 0], first)
    assert torch.equal(ways[:, -1], last)
    lengths, ends = ways.double().norm(dim=-1), torch.stack([first, last]).double().norm(dim=-1)
    assert (lengths <= (1 + 1e-6) * ends.amax(0)[:, None]).all()
    assert (lengths >= (1 - 1e-6) * ends.amin(0)[:, None]).all()
    assert torch.equal(ways.flatten(0, 1), figures.between(first, last, 13))  # no chance in it


@pytest.mark.parametrize("case", ENDS)
def test_a_way_turns_and_stretches_evenly(case):
    first, last = (z.double() for z in ENDS[case])
    ways = figures.between(first, last, 9).view(len(first), 9, -1)
    units = torch.nn.functional.normalize(ways, dim=-1, eps=0)
    chords = units.diff(dim=1).norm(dim=-1)  # of equal angles
    torch.testing.assert_close(
        chords, chords.mean(1, keepdim=True).expand(-1, 8), atol=1e-4, rtol=0
    )
    stretched = ways.norm(dim=-1).diff(dim=1)
    torch.testing.assert_close(stretched, stretched.mean(1, keepdim=True).expand(-1, 8))


def test_a_way_is_the_great_circle_of_shoemake():
    first, last = (torch.nn.functional.normalize(latents(3, 16, s), dim=-1) for s in (0, 1))
    angle = torch.acos((first * last).sum(-1))[:, None]
    ways = figures.between(first, last, 5).view(3, 5, 16)
    for i, t in enumerate((0, 0.25, 0.5, 0.75, 1)):
        expected = (angle * (1 - t)).sin() * first + (angle * t).sin() * last
        torch.testing.assert_close(ways[:, i], expected / angle.sin(), atol=1e-6, rtol=1e-5)


def test_a_way_to_or_from_zero_is_straight_and_on_a_line_there_is_no_way_round():
    zero, z = torch.zeros(1, 3), torch.tensor([[1.0, 2.0, 2.0]])
    shares = torch.tensor([[0.0], [0.5], [1.0]])
    assert torch.allclose(figures.between(zero, z, 3), shares * z)
    assert torch.allclose(figures.between(z, zero, 3), (1 - shares) * z)
    assert torch.equal(figures.between(zero, zero, 3), torch.zeros(3, 3))
    line = figures.between(torch.tensor([[1.0]]), torch.tensor([[-2.0]]), 9)
    assert line.abs().max() <= 2


# ------------------------------------------------------------------------------------- film


def test_a_frame_shows_its_samples_and_epoch():
    scene = ImageDataset("digits", 8, 1).scene()
    dark = SimpleNamespace(epoch=1, probe={"samples": -torch.ones(64, 64)})
    bright = SimpleNamespace(epoch=12, probe={"samples": np.ones((64, 64), np.float16)})
    first, second = (picture.copy() for picture in pictures(scene, [dark, bright]))
    assert first.shape == (680, 640, 4)
    assert second[300:600, 100:500].mean() > first[300:600, 100:500].mean() + 100
    assert scene.epoch.get_text() == "12"
