"""Films read back: as many frames as were given, in order, playable, and never half-written."""

import struct
import subprocess
from dataclasses import dataclass

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from helpers import animation

MIDDLE = (0.1, 0.1, 0.8, 0.75)  # left, bottom, width and height of the panel in the figure
LOW = (0.1, 0.05, 0.8, 0.4)


@dataclass
class Step:
    epoch: int


class Walker:
    """A black square that walks from left to right, one place an epoch."""

    def __init__(self, width: int = 128, height: int = 96, box: tuple = MIDDLE) -> None:
        self.figure = animation.canvas_figure(width, height)
        self.axes = self.figure.add_axes(box)
        self.axes.set(xlim=(-2, 12), ylim=(0, 1), xticks=[], yticks=[])
        self.axes.set_title("walk", loc="left")
        self.artists = self.axes.plot([], [], "ks", markersize=9, zorder=4)

    def update(self, frame: Step) -> None:
        self.artists[0].set_data([frame.epoch], [0.5])


def steps(n: int = 9) -> list[Step]:
    return [Step(epoch) for epoch in range(1, n + 1)]


def read(path) -> tuple[str, np.ndarray]:
    """What the decoder says of the stream, and its frames (n, 96, 128, 3)."""
    decoder = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)]
    done = subprocess.run(
        [*decoder, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    )
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    (stream,) = (line for line in lines if "Video: h264" in line)
    return stream, np.frombuffer(done.stdout, np.uint8).reshape(-1, 96, 128, 3)


def atoms(path) -> list[str]:
    """Names of the top-level boxes of an mp4, in order."""
    data, place, names = path.read_bytes(), 0, []
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        names.append(name.decode())
        place += size
    return names


def walker_epoch(frame: np.ndarray) -> float:
    """The epoch at which the walker stands in this picture, from what is dark in mid-height."""
    height, width = frame.shape[:2]
    margin = round(0.12 * width)  # leaves out the frame of the axes
    (dark,) = np.nonzero(frame[height // 2, margin:-margin, 0] < 100)
    place = (dark.mean() + margin + 0.5) / width  # the axes reach from .1 to .9
    return (place - 0.1) / 0.8 * 14 - 2


@pytest.fixture
def film(tmp_path):
    return animation.film(Walker(), steps(), tmp_path / "walk.mp4", fps=25)


def test_film_has_every_frame_in_order(film):
    stream, frames = read(film)
    assert all(word in stream for word in ("yuv420p", " 128x96", " 25 fps"))
    assert len(frames) == 9
    assert np.allclose([walker_epoch(frame) for frame in frames], range(1, 10), atol=0.2)


def test_film_can_start_before_it_is_loaded(film):
    names = atoms(film)
    assert names.index("moov") < names.index("mdat")


def test_poster_is_the_last_frame(film):
    poster = np.asarray(Image.open(film.with_suffix(".png")))
    *_, last = animation.pictures(Walker(), steps())
    assert np.array_equal(poster, last[..., :3])


def test_cached_background_equals_a_full_redraw():
    scene = Walker()
    for picture in animation.pictures(scene, steps(4)):
        cached = picture.copy()
    scene.artists[0].set_animated(False)
    scene.figure.canvas.draw()
    assert np.array_equal(cached, np.asarray(scene.figure.canvas.buffer_rgba()))
    assert (cached[..., 0] < 50).any()


def test_a_second_film_of_one_scene_keeps_nothing_of_the_first():
    used, fresh = Walker(), Walker()
    *_, _ = animation.pictures(used, steps(9))
    (again,) = animation.pictures(used, steps(1))
    (first,) = animation.pictures(fresh, steps(1))
    assert np.array_equal(again, first)


def interrupted(error: BaseException):
    yield from steps(3)
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("diverged")])
def test_interrupted_film_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)):
        animation.film(Walker(), interrupted(error), tmp_path / "walk.mp4")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_film_leaves_the_earlier_one(film):
    before = film.read_bytes(), film.with_suffix(".png").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        animation.film(Walker(), interrupted(KeyboardInterrupt()), film)
    assert (film.read_bytes(), film.with_suffix(".png").read_bytes()) == before


@pytest.mark.parametrize("make", [animation.film, animation.gif])
def test_no_frames_is_said_plainly(tmp_path, make):
    with pytest.raises(ValueError, match=r"no frames for walk\.x: .*at least one snapshot"):
        make(Walker(), iter([]), tmp_path / "walk.x")
    assert list(tmp_path.iterdir()) == []


def test_odd_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="129×96"):
        animation.film(Walker(width=129), steps(), tmp_path / "walk.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("n", "shown"), [(1, [1]), (9, [1, 5, 9]), (10, [1, 5, 9, 10])])
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


def test_filmstrip_has_one_column_an_epoch(tmp_path):
    path = animation.filmstrip(Walker(box=LOW), steps(), [2, 5, 8], tmp_path / "strip.png")
    image = np.asarray(Image.open(path).convert("L"))
    (dark,) = np.nonzero(image[int(0.55 * len(image))] < 60)
    thirds = [dark[(dark >= a) & (dark < b)] for a, b in np.array([[0, 1], [1, 2], [2, 3]]) * 480]
    within = [third.mean() - 480 * i for i, third in enumerate(thirds)]
    assert image.shape[1] == 1440
    assert within[0] < within[1] - 80 < within[2] - 160


def test_filmstrip_names_the_epoch_it_cannot_find(tmp_path):
    with pytest.raises(ValueError, match="no frame for epoch 40: the 9 frames run from epoch 1 to"):
        animation.filmstrip(Walker(), steps(), [1, 40], tmp_path / "strip.png")


def test_replacing_is_all_or_nothing(tmp_path):
    path = tmp_path / "new" / "note.txt"
    with animation.replacing(path) as temporary:
        temporary.write_text("done", encoding="utf-8")
        assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]
    assert path.read_text(encoding="utf-8") == "done"
