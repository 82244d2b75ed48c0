"""Films read back: every frame in sequence, playable, whole or absent, of the right points."""

import os
import subprocess
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import animation, files
from helpers.animation import pictures
from helpers.images.datasets import ImageDataset
from helpers.maps import limits
from helpers.metrics.modes import high_quality_fraction
from helpers.plots import component_colours
from helpers.targets import gmm5

N = 300
TARGET = gmm5()
TRUE = np.arange(N) % 5  # components of the fixed points


class Walker:
    """A black square that walks from left to right, one step an epoch; `breaks` at one of them."""

    def __init__(self, width=128, breaks=None):
        self.figure = animation.canvas_figure(width, 96)
        self.axes = self.figure.add_axes((0.1, 0.1, 0.8, 0.75))
        self.axes.set(xlim=(-2, 12), ylim=(0, 1), xticks=[], yticks=[])
        self.artists = self.axes.plot([], [], "ks", markersize=9, zorder=4)
        self.breaks = breaks

    def update(self, frame):
        if frame.epoch == 4 and self.breaks:
            raise self.breaks
        self.artists[0].set_data([frame.epoch], [0.5])


def steps(n=9):
    return [SimpleNamespace(epoch=epoch) for epoch in range(1, n + 1)]


def walker_epoch(frame: np.ndarray) -> float:
    """The epoch at which the walker stands in this picture, from what is dark in mid-height."""
    height, width = frame.shape[:2]
    margin = round(0.12 * width)  # leaves out the frame of the axes
    (dark,) = np.nonzero(frame[height // 2, margin:-margin, 0] < 100)
    place = (dark.mean() + margin + 0.5) / width  # the axes reach from .1 to .9
    return (place - 0.1) / 0.8 * 14 - 2


def read(path) -> tuple[str, np.ndarray]:
    """What the decoder says of the stream, and its frames (n, 96, 128, 3)."""
    decoder = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run([*decoder, *raw], capture_output=True, check=True)
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    (stream,) = (line for line in lines if "Video: h264" in line)
    return stream, np.frombuffer(done.stdout, np.uint8).reshape(-1, 96, 128, 3)


def test_a_film_has_every_frame_plays_at_once_and_ends_on_its_poster(tmp_path):
    film = animation.film(Walker(), steps(), tmp_path / "walk.mp4", fps=25)
    stream, frames = read(film)
    assert all(word in stream for word in ("yuv420p", " 128x96", " 25 fps"))
    assert np.allclose([walker_epoch(frame) for frame in frames], range(1, 10), atol=0.2)
    content = film.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # the index before the pictures
    *_, last = pictures(Walker(), steps())
    assert np.array_equal(np.asarray(Image.open(film.with_suffix(".png"))), last[..., :3])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("diverged")])
def test_an_interrupted_film_leaves_nothing_and_an_earlier_one_as_it_was(tmp_path, error):
    path = tmp_path / "walk.mp4"
    for before in ({}, {path: b"film", path.with_suffix(".png"): b"poster"}):
        for file, content in before.items():
            file.write_bytes(content)
        with pytest.raises(type(error)):
            animation.film(Walker(breaks=error), steps(), path)
        assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: animation.film(Walker(), [], path), r"no frames for walk\.x: .*one snapshot"),
        (lambda path: animation.film(Walker(width=129), steps(), path), "129×96"),
        (
            lambda path: animation.filmstrip(Walker(), steps(), [1, 40], path),
            "no frame for epoch 40: the 9 frames run from epoch 1 to 9",
        ),
    ],
)
def test_what_cannot_be_filmed_is_named_and_leaves_nothing(tmp_path, make, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path / "walk.x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("n", "shown"), [(1, [1]), (10, [1, 5, 9, 10])])
def test_gif_shows_every_fourth_frame_and_the_last(tmp_path, n, shown):
    path = animation.gif(Walker(), steps(n), tmp_path / "walk.gif", width=100, every=4)
    epochs = []
    with Image.open(path) as image:
        assert image.size == (100, 75)
        for index in range(image.n_frames):
            image.seek(index)
            epochs.append(walker_epoch(np.asarray(image.convert("RGB"))))
            last_ms = image.info["duration"]
    assert np.allclose(epochs, shown, atol=0.2)
    assert n == 1 or last_ms == animation.LAST_FRAME_MS


def frame(epoch: int, latent: int = 2, n: int = N) -> SimpleNamespace:
    rng = torch.Generator().manual_seed(epoch)
    probe = {
        "codes": 2 * torch.randn(n, latent, generator=rng),
        "reconstructions": TARGET.sample(n, rng),
        "samples": TARGET.sample(n, rng),
    }
    return SimpleNamespace(epoch=epoch, probe=probe)


NOISE = torch.randn(N, 3, generator=torch.Generator().manual_seed(5))
PROBE = SimpleNamespace(noise=NOISE, components=torch.from_numpy(TRUE))
SIZES = {"gan": (960, 480), "vae": (1200, 410)}
both = pytest.mark.parametrize("family", SIZES)


def scene(family: str, target=TARGET):
    return animation.scene_of(SimpleNamespace(family=family), target, PROBE)


def shown(ax) -> np.ndarray:
    """Rows x, y, component of every point that a panel shows, sorted by x."""
    colours = component_colours(TARGET.k)
    rows = [(*xy, colours.index(line.get_color())) for line in ax.lines for xy in line.get_xydata()]
    return np.array(sorted(rows))


def assert_shown(scene, *panels) -> None:
    for ax, (points, components) in zip(scene.figure.axes, panels, strict=True):
        columns = (*np.asarray(points)[:, :2].T, np.asarray(components))
        assert np.allclose(shown(ax), np.array(sorted(zip(*columns, strict=True))))


def test_gan_colours_noise_by_where_it_lands():
    gan = scene("gan")
    for n in (N, 200):  # of the noise, a frame may keep the first rows only
        gan.update(frame(1, n=n))
        samples = frame(1, n=n).probe["samples"]
        landed = TARGET.classify(samples)
        assert_shown(gan, (NOISE[:n], landed), (samples, landed))


@pytest.mark.parametrize(
    ("family", "given", "message"),
    [
        ("gan", {"n": N + 1}, "noise has 300 points where 301 are needed"),
        ("vae", {"n": 7}, "codes has 7 points where 300 are needed"),
        ("vae", {"latent": 1}, r"codes has shape \(300, 1\): a film draws .* two dimensions"),
    ],
)
def test_wrong_counts_and_shapes_are_named(family, given, message):
    with pytest.raises(ValueError, match=message):
        scene(family).update(frame(1, **given))


@pytest.mark.parametrize("latent", [2, 4])
def test_vae_colours_codes_by_truth_and_samples_by_likelihood(latent):
    vae, seen = scene("vae"), frame(1, latent).probe
    vae.update(frame(1, latent))
    samples = (seen["samples"], TARGET.classify(seen["samples"]))
    assert_shown(vae, (seen["codes"], TRUE), (seen["reconstructions"], TRUE), samples)


@both
def test_frames_tell_epoch_and_share_and_limits_never_move(family):
    moving = scene(family)
    before = [(*ax.get_xlim(), *ax.get_ylim()) for ax in moving.figure.axes]
    wild = frame(3)
    wild.probe["samples"] = 100 * wild.probe["samples"]
    shapes = {picture.shape for picture in pictures(moving, [wild, frame(17)])}
    share = high_quality_fraction(TARGET, frame(17).probe["samples"])
    assert (moving.epoch.get_text(), moving.share.get_text()) == ("17", f"{100 * share:.1f}")
    assert shapes == {(*SIZES[family][::-1], 4)}
    assert before == [(*ax.get_xlim(), *ax.get_ylim()) for ax in moving.figure.axes]
    assert before[1] == pytest.approx(limits(TARGET))


@both
def test_a_cached_background_equals_a_full_redraw(family):
    moving = scene(family)
    *_, _ = pictures(moving, [frame(1), frame(2)])  # of which a second film keeps nothing
    (cached,) = (picture.copy() for picture in pictures(moving, [frame(3)]))
    for artist in moving.artists:
        artist.set_animated(False)
    moving.figure.canvas.draw()
    assert np.array_equal(cached, np.asarray(moving.figure.canvas.buffer_rgba()))


@both
def test_all_text_lies_inside_the_picture_and_none_overlaps(family):
    moving = scene(family)
    moving.update(frame(100))
    moving.share.set_text("100.0")
    moving.figure.canvas.draw()
    words = [*moving.figure.texts, *(ax._left_title for ax in moving.figure.axes)]
    boxes = [text.get_window_extent() for text in words if text.get_text()]
    boxes += [part.get_window_extent() for part in (*moving.figure.legends, *moving.figure.axes)]
    whole = moving.figure.bbox
    assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 for box in boxes)
    assert all(whole.y0 <= box.y0 and box.y1 <= whole.y1 for box in boxes)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


@both
def test_a_run_has_a_film_a_poster_a_strip_and_a_gif(tmp_path, family):
    recipe, frames = SimpleNamespace(family=family), [frame(1), frame(2)]
    run = SimpleNamespace(frames=frames, recipe=recipe, target=TARGET)
    paths = animation.film_run(run, PROBE, tmp_path / "media" / "x.mp4")
    assert [path.name for path in paths] == ["x.mp4", "x.png", "x_strip.png", "x.gif"]
    assert sorted(paths) == sorted((tmp_path / "media").iterdir())
    assert paths[0].read_bytes()[4:8] == b"ftyp"  # how every mp4 begins
    with Image.open(paths[1]) as poster, Image.open(paths[3]) as small:
        assert (poster.size, small.size[0]) == (SIZES[family], 420)


def test_a_run_on_images_has_no_gif(tmp_path):
    frames = [SimpleNamespace(epoch=e, probe={"samples": torch.rand(64, 784)}) for e in (1, 2)]
    run = SimpleNamespace(frames=frames, recipe=None, target=ImageDataset("digits", 28, 1))
    paths = animation.film_run(run, None, tmp_path / "x.mp4")
    assert [path.name for path in paths] == ["x.mp4", "x.png", "x_strip.png"]
    assert imageio_ffmpeg.count_frames_and_secs(str(paths[0])) == (2, 2.0)


@pytest.mark.parametrize(("frames", "rate"), [(1, 1), (6, 1), (20, 3), (100, 16), (250, 25)])
def test_a_short_film_lasts_six_seconds(frames, rate):
    assert animation.frames_a_second(frames) == rate
    assert frames / rate >= min(frames, 6)


ENCODERS = {  # programs in the place of ffmpeg
    "dies at once": "exit 1",
    "dies later": "head -c 300000 >/dev/null; exit 1",
    "fails at its end": "cat >/dev/null; exit 1",
}


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for ffmpeg")
@pytest.mark.filterwarnings("ignore")  # imageio leaves the pipe of a dead encoder unclosed
@pytest.mark.parametrize("case", ENCODERS)
def test_an_encoder_that_fails_leaves_the_earlier_film_and_says_so(tmp_path, monkeypatch, case):
    path, real = tmp_path / "film.mp4", imageio_ffmpeg.get_ffmpeg_exe()
    path.write_bytes(b"earlier")
    script = tmp_path / "ffmpeg"
    film = 'for last; do :; done; case "$last" in *.mp4) ;; *) exec "REAL" "$@";; esac'
    script.write_text(f"#!/bin/sh\n{film}\n{ENCODERS[case]}\n".replace("REAL", real), "utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))
    with pytest.raises(files.NotWritten, match=r"film\.mp4: .*the encoder kept \d of \d"):
        animation.film(Walker(), steps(9), path)
    assert path.read_bytes() == b"earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ffmpeg", "film.mp4"]
