"""The two scenes: points, colours and numbers are those of the frame; nothing else moves."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import scenes
from helpers.animation import pictures
from helpers.maps import limits
from helpers.metrics.modes import share_within
from helpers.plots import component_colours
from helpers.targets import gmm5, grid25

N = 300
TARGET = gmm5()


def rng(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gan_frame(epoch: int, scale: float = 1.0) -> SimpleNamespace:
    samples = scale * TARGET.sample(N, rng(epoch))
    return SimpleNamespace(epoch=epoch, probe={"samples": samples})


def vae_frame(epoch: int, latent: int = 2) -> SimpleNamespace:
    probe = {
        "codes": 2 * torch.randn(N, latent, generator=rng(epoch)),
        "reconstructions": TARGET.sample(N, rng(epoch + 1)),
        "samples": TARGET.sample(2 * N, rng(epoch + 2)).numpy(),
    }
    return SimpleNamespace(epoch=epoch, probe=probe)


def gan_scene() -> scenes.GanScene:
    return scenes.GanScene(TARGET, torch.randn(N, 2, generator=rng()))


def vae_scene() -> scenes.VaeScene:
    return scenes.VaeScene(TARGET, torch.arange(N) % 5)


CASES = [(gan_scene, gan_frame, (960, 480)), (vae_scene, vae_frame, (1200, 410))]
both = pytest.mark.parametrize(("make", "frame", "size"), CASES, ids=["gan", "vae"])


def shown(ax) -> np.ndarray:
    """Rows x, y, component of every point that a panel shows, in order of x."""
    rows = []
    for line in ax.lines:
        component = component_colours(TARGET.k).index(line.get_color())
        rows += [(x, y, component) for x, y in line.get_xydata()]
    return np.array(sorted(rows))


def expected(points, components) -> np.ndarray:
    return np.array(sorted(zip(*np.asarray(points).T, np.asarray(components), strict=True)))


@both
def test_frames_are_even_and_limits_never_move(make, frame, size):
    scene = make()
    before = [(ax.get_xlim(), ax.get_ylim()) for ax in scene.figure.axes]
    wild = frame(3)
    wild.probe["samples"] = 100 * wild.probe["samples"]
    shapes = {picture.shape for picture in pictures(scene, [frame(1), wild])}
    assert shapes == {(size[1], size[0], 4)}
    assert size[0] % 2 == size[1] % 2 == 0
    assert before == [(ax.get_xlim(), ax.get_ylim()) for ax in scene.figure.axes]
    assert (*before[1][0], *before[1][1]) == pytest.approx(limits(TARGET))


@both
def test_cached_background_equals_a_full_redraw(make, frame, size):
    scene = make()
    for picture in pictures(scene, [frame(1), frame(2)]):
        cached = picture.copy()
    for artist in scene.artists:
        artist.set_animated(False)
    scene.figure.canvas.draw()
    assert np.array_equal(cached, np.asarray(scene.figure.canvas.buffer_rgba()))


@both
def test_caption_tells_epoch_and_share(make, frame, size):
    scene = make()
    scene.update(frame(17))
    share = share_within(TARGET, torch.as_tensor(frame(17).probe["samples"]))
    assert scene.caption.epoch.get_text() == "17"
    assert scene.caption.share.get_text() == f"{100 * share:.1f}"


@both
def test_all_text_lies_inside_the_picture_and_none_overlaps(make, frame, size):
    scene = make()
    scene.update(SimpleNamespace(epoch=100, probe=frame(1).probe))
    scene.caption.share.set_text("100.0")
    scene.figure.canvas.draw()
    words = [*scene.figure.texts, *(ax.title for ax in scene.figure.axes)]
    words += [ax._left_title for ax in scene.figure.axes]
    boxes = [text.get_window_extent() for text in words if text.get_text()]
    boxes.append(scene.figure.legends[0].get_window_extent())
    boxes += [ax.get_window_extent() for ax in scene.figure.axes]
    frame_box = scene.figure.bbox
    assert all(frame_box.x0 <= box.x0 and box.x1 <= frame_box.x1 for box in boxes)
    assert all(frame_box.y0 <= box.y0 and box.y1 <= frame_box.y1 for box in boxes)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


def test_gan_colours_noise_by_where_it_lands():
    scene, frame = gan_scene(), gan_frame(1)
    scene.update(frame)
    left, right = scene.figure.axes
    samples = frame.probe["samples"]
    landed = TARGET.classify(samples)
    assert np.allclose(shown(left), expected(scene.noise, landed))
    contours_aside = shown(right)
    assert np.allclose(contours_aside, expected(samples, landed))


def test_vae_colours_codes_by_truth_and_samples_by_likelihood():
    scene, frame = vae_scene(), vae_frame(1)
    scene.update(frame)
    truth = np.arange(N) % 5
    samples = torch.as_tensor(frame.probe["samples"])
    wanted = [
        (frame.probe["codes"], truth),
        (frame.probe["reconstructions"], truth),
        (samples, TARGET.classify(samples)),
    ]
    for ax, (points, components) in zip(scene.figure.axes, wanted, strict=True):
        assert np.allclose(shown(ax), expected(points, components))


def test_wide_codes_show_their_first_two_numbers():
    scene, frame = vae_scene(), vae_frame(1, latent=4)
    scene.update(frame)
    assert np.allclose(
        shown(scene.figure.axes[0]), expected(frame.probe["codes"][:, :2], np.arange(N) % 5)
    )


def test_many_components_have_no_legend():
    scene = scenes.GanScene(grid25(), torch.zeros(4, 2))
    assert not scene.figure.legends
    assert gan_scene().figure.legends


def test_wrong_counts_and_shapes_are_named():
    short = SimpleNamespace(epoch=1, probe={"samples": torch.zeros(7, 2)})
    with pytest.raises(ValueError, match="samples has 7 points, the scene was made for 300"):
        gan_scene().update(short)
    with pytest.raises(ValueError, match=r"codes has shape \(300, 1\)"):
        vae_scene().update(vae_frame(1, latent=1))
