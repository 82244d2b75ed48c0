"""Films of a training: snapshots and a scene in; an mp4, a poster, a gif or a filmstrip out.

A scene owns a figure and a few artists that move. Everything else is drawn once and kept as
a bitmap; each frame restores it and draws the moving artists on top. Frames go straight to
the encoder, so a film never needs more memory than one picture.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import imageio_ffmpeg
import numpy as np
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from helpers.plots import STYLE

# Quality is constant (crf); "veryfast" keeps the encoder quicker than the drawing; "faststart"
# puts the index before the pictures, so that a browser plays while it loads.
ENCODER = ["-preset", "veryfast", "-crf", "23", "-movflags", "+faststart", "-threads", "2"]
GIF_COLOURS = 256
LAST_FRAME_MS = 2000  # the gif rests on its last picture before it starts again


class Scene(Protocol):
    """What `film`, `gif` and `filmstrip` need to know about a picture that moves."""

    figure: Figure
    artists: Sequence[Artist]

    def update(self, frame: Any) -> None:
        """Move the artists to where this frame wants them."""


def canvas_figure(width: int, height: int) -> Figure:
    """A figure of so many pixels with a drawing surface of its own, whatever the backend."""
    with style.context(STYLE):
        figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="none")
    FigureCanvasAgg(figure)
    return figure


def pictures(scene: Scene, frames: Iterable) -> Iterator[np.ndarray]:
    """Draw one frame after the other: (height, width, 4), eight bits a channel.

    The array is the canvas itself: use or copy it before asking for the next.
    """
    canvas = scene.figure.canvas
    for artist in scene.artists:
        artist.set_animated(True)  # leaves it out of the background
    canvas.draw()
    background = canvas.copy_from_bbox(scene.figure.bbox)
    for frame in frames:
        canvas.restore_region(background)
        scene.update(frame)
        for artist in scene.artists:
            scene.figure.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())


def film(scene: Scene, frames: Iterable, path: str | Path, fps: int = 25) -> Path:
    """Encode the frames as H.264 and write the last one beside the film as a PNG poster.

    Raises ValueError when there are no frames or a side of the figure is an odd number of
    pixels. An interrupted film leaves no file, and an earlier one as it was.
    """
    path = Path(path)
    frames = _some(frames, path)
    with replacing(path) as film_file, replacing(path.with_suffix(".png")) as poster_file:
        last = _encode(pictures(scene, frames), _even_size(scene.figure), film_file, fps)
        Image.fromarray(last).convert("RGB").save(poster_file, format="PNG", optimize=True)
    return path


def gif(
    scene: Scene,
    frames: Iterable,
    path: str | Path,
    width: int = 420,
    every: int = 5,
    fps: int = 12,
) -> Path:
    """Every so many frames and the last, `width` pixels wide, in one shared palette."""
    path = Path(path)
    chosen = _every(_some(frames, path), every)
    small = [_resized(picture, width) for picture in pictures(scene, chosen)]
    palette = _palette(small)
    first, *rest = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in small]
    durations = [1000 // fps] * len(rest) + [LAST_FRAME_MS]
    with replacing(path) as file:
        options = {"save_all": True, "append_images": rest, "duration": durations, "loop": 0}
        first.save(file, format="GIF", optimize=True, **options)
    return path


def filmstrip(scene: Scene, frames: Iterable, epochs: Sequence[int], path: str | Path) -> Path:
    """A still of the film for the page: one column an epoch, one row a panel of the scene.

    Raises ValueError when an epoch asked for is not among the frames.
    """
    path = Path(path)
    chosen = _at_epochs(_some(frames, path), epochs)
    columns = [_crops(scene.figure, picture) for picture in pictures(scene, chosen)]
    titles = [axes.get_title(loc="left") for axes in scene.figure.axes]
    figure = _strip(columns, [f"epoch {epoch}" for epoch in epochs], titles)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=160)
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, which takes the place of `path` on success only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _encode(drawn: Iterator[np.ndarray], size: tuple[int, int], path: Path, fps: int) -> np.ndarray:
    """Send pictures to the encoder as they are drawn; returns a copy of the last."""
    writer = imageio_ffmpeg.write_frames(
        str(path),
        size,
        fps=fps,
        codec="libx264",
        pix_fmt_in="rgba",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        quality=None,
        output_params=ENCODER,
    )
    writer.send(None)
    try:
        for picture in drawn:
            writer.send(picture)
        return picture.copy()
    finally:
        writer.close()


def _even_size(figure: Figure) -> tuple[int, int]:
    width, height = figure.canvas.get_width_height(physical=True)
    if width % 2 or height % 2:
        raise ValueError(
            f"the figure is {width}×{height} pixels, and H.264 needs both even: "
            "change figsize or dpi by a pixel"
        )
    return width, height


def _some(frames: Iterable, path: Path) -> Iterator:
    """The frames again, once it is known that there is at least one."""
    frames = iter(frames)
    try:
        return chain([next(frames)], frames)
    except StopIteration:
        raise ValueError(
            f"no frames for {path.name}: a film needs at least one snapshot; was nothing trained?"
        ) from None


def _every(frames: Iterable, step: int) -> Iterator:
    """Frames 0, step, 2·step and so on, and always the last."""
    for index, frame in enumerate(frames):
        if index % step == 0:
            yield frame
    if index % step:
        yield frame


def _at_epochs(frames: Iterable, epochs: Sequence[int]) -> list:
    kept, seen = {}, []
    for frame in frames:
        seen.append(frame.epoch)
        if frame.epoch in epochs:
            kept[frame.epoch] = frame
    missing = [epoch for epoch in epochs if epoch not in kept]
    if missing:
        raise ValueError(
            f"no frame for epoch {missing[0]}: the {len(seen)} frames run from epoch "
            f"{min(seen)} to {max(seen)}; choose among them"
        )
    return [kept[epoch] for epoch in epochs]


def _resized(picture: np.ndarray, width: int) -> Image.Image:
    image = Image.fromarray(picture).convert("RGB")
    return image.resize(
        (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
    )


def _palette(images: Sequence[Image.Image]) -> Image.Image:
    """Colours chosen from the first, middle and last picture together."""
    sample = [images[0], images[len(images) // 2], images[-1]]
    together = Image.fromarray(np.vstack([np.asarray(image) for image in sample]))
    return together.quantize(GIF_COLOURS, method=Image.Quantize.MEDIANCUT)


def _crops(figure: Figure, picture: np.ndarray) -> list[np.ndarray]:
    """The inside of each panel, cut from a drawn frame; image rows count from the top."""
    height = len(picture)
    boxes = [axes.get_window_extent().extents.round().astype(int) for axes in figure.axes]
    return [
        picture[height - top : height - bottom, left:right].copy()
        for left, bottom, right, top in boxes
    ]


def _strip(columns: list[list[np.ndarray]], heads: list[str], rows: list[str]) -> Figure:
    """Pictures in a grid, 900 pixels wide: heads over the columns, names beside the rows."""
    with style.context(STYLE):
        heights = [picture.shape[0] / picture.shape[1] for picture in columns[0]]
        figure = canvas_figure(900, round(30 + 880 / len(columns) * sum(heights)))
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        cells = figure.subplots(len(rows), len(columns), squeeze=False, height_ratios=heights)
        for (row, column), ax in np.ndenumerate(cells):
            ax.imshow(columns[column][row], interpolation="antialiased", aspect="auto")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
            ax.grid(False)
        for ax, head in zip(cells[0], heads, strict=True):
            ax.set_title(head, fontsize=10, loc="center")
        for ax, name in zip(cells[:, 0], rows, strict=True):
            ax.set_ylabel(name, fontsize=9)
    return figure
