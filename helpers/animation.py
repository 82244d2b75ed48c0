"""Films of a training: snapshots and a scene in; an mp4, a poster, a gif or a filmstrip out.

A scene owns a figure and a few artists that move. Everything else is drawn once and kept as
a bitmap; each frame restores it and draws the moving artists on top. Frames go straight to
the encoder, so a film never needs more memory than one picture.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Protocol

import imageio_ffmpeg
import numpy as np
import torch
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from helpers import maps
from helpers.files import replacing
from helpers.metrics.modes import high_quality_fraction, true_fraction
from helpers.plots import STYLE, component_colours
from helpers.recipes import Recipe
from helpers.targets import GaussianMixture, Target

# Quality is constant (crf); "veryfast" keeps the encoder quicker than the drawing; "faststart"
# puts the index before the pictures, so that a browser plays while it loads.
ENCODER = ["-preset", "veryfast", "-crf", "23", "-movflags", "+faststart", "-threads", "2"]
FPS = 25
SECONDS = 6  # that a film lasts at least: one of few epochs rests on each
GIF_COLOURS = 256
GIF_MS = 83  # a picture, twelve a second
LAST_FRAME_MS = 2000  # the gif rests on its last picture before it starts again
STILLS = 6  # epochs in a filmstrip
CODES: maps.Extent = (-4.0, 4.0, -4.0, 4.0)
LEGEND_ENTRIES = 10  # more components than these would not fit beside the panels


class EncoderFailed(OSError):
    """The encoder ended before the film did."""


class Scene(Protocol):
    """A picture that moves; a frame is a snapshot of a training, with `epoch` and `probe`."""

    figure: Figure
    artists: Sequence[Artist]  # those that move

    def update(self, frame) -> None:
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


def film_run(run, probe, path: Path) -> list[Path]:
    """Write a run's film (.mp4), its last frame (.png), a filmstrip and, of points, a gif.

    `run` has frames, recipe and target; `probe` the noise and components that its frames look
    at; `path` is the film's. Returns the paths. A gif of 64 pictures would be heavier than its
    film.
    """
    frames, empty = run.frames, partial(scene_of, run.recipe, run.target, probe)
    strip, small = path.with_name(f"{path.stem}_strip.png"), path.with_suffix(".gif")
    film(empty(), frames, path, fps=frames_a_second(len(frames)))
    filmstrip(empty(), frames, stills(len(frames)), strip)
    written = [path, path.with_suffix(".png"), strip]
    if not isinstance(run.target, GaussianMixture):
        return written
    return [*written, gif(empty(), frames, small)]


def frames_a_second(frames: int) -> int:
    """25, or as few as let a short film last six seconds."""
    return max(1, min(FPS, frames // SECONDS))


def stills(epochs: int) -> list[int]:
    """Six epochs or fewer, close together at first, where most happens."""
    if epochs <= STILLS:
        return list(range(1, epochs + 1))
    ratio = epochs ** (1 / (STILLS - 1))
    return sorted({max(round(ratio**i), i + 1) for i in range(STILLS)})


def film(scene: Scene, frames: Sequence, path: Path, fps: int = FPS) -> Path:
    """Encode the frames as H.264 and write the last one beside the film as a PNG poster.

    Raises ValueError when there are no frames or a side of the figure is an odd number of
    pixels, NotWritten when it cannot be encoded. An interrupted film leaves no file, and an
    earlier one as it was.
    """
    _check_some(frames, path)
    with replacing(path) as film_file:
        last = _encode(pictures(scene, frames), _even_size(scene.figure), film_file, fps)
        if (held := _held(film_file)) != len(frames):
            raise EncoderFailed(f"the encoder kept {held} of {len(frames)} pictures")
        with replacing(path.with_suffix(".png")) as poster_file:
            Image.fromarray(last).convert("RGB").save(poster_file, format="PNG", optimize=True)
    return path


def gif(scene: Scene, frames: Sequence, path: Path, width: int = 420, every: int = 5) -> Path:
    """Every so many frames and the last, `width` pixels wide, in one shared palette."""
    _check_some(frames, path)
    chosen = [*frames[:-1:every], frames[-1]]
    small = [_resized(picture, width) for picture in pictures(scene, chosen)]
    palette = _palette(small)
    first, *rest = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in small]
    durations = [GIF_MS] * len(rest) + [LAST_FRAME_MS]
    with replacing(path) as file:
        options = {"save_all": True, "append_images": rest, "duration": durations, "loop": 0}
        first.save(file, format="GIF", optimize=True, **options)
    return path


def filmstrip(scene: Scene, frames: Sequence, epochs: Sequence[int], path: Path) -> Path:
    """A still of the film for the page: one column an epoch, one row a panel of the scene.

    Raises ValueError when an epoch asked for is not among the frames.
    """
    _check_some(frames, path)
    chosen = _at_epochs(frames, epochs)
    columns = [_crops(scene.figure, picture) for picture in pictures(scene, chosen)]
    titles = [axes.get_title(loc="left") for axes in scene.figure.axes]
    figure = _strip(columns, [f"epoch {epoch}" for epoch in epochs], titles)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=160)
    return path


def _encode(drawn: Iterator[np.ndarray], size: tuple[int, int], path: Path, fps: int) -> np.ndarray:
    """Send pictures to the encoder as they are drawn, for as long as it takes any.

    Returns the last. An encoder may also fail at its end, so what it kept has to be counted.
    """
    pixels = {"pix_fmt_in": "rgba", "pix_fmt_out": "yuv420p", "macro_block_size": 2}
    coding = {"codec": "libx264", "quality": None, "output_params": ENCODER}
    coding |= {"ffmpeg_log_level": "quiet"}
    writer, last = imageio_ffmpeg.write_frames(str(path), size, fps=fps, **pixels, **coding), None
    with contextlib.closing(writer), contextlib.suppress(OSError):  # it has gone
        writer.send(None)
        for picture in drawn:
            last = picture.copy()
            writer.send(last)
    if last is None:
        raise EncoderFailed("the encoder did not start")
    return last


def _held(path: Path) -> int:
    """Pictures in a film; none where it cannot be played."""
    try:
        return imageio_ffmpeg.count_frames_and_secs(str(path))[0]
    except (OSError, RuntimeError):
        return 0


def _even_size(figure: Figure) -> tuple[int, int]:
    width, height = figure.canvas.get_width_height(physical=True)
    if width % 2 or height % 2:
        raise ValueError(f"the figure is {width}×{height} pixels; H.264 needs both sides even")
    return width, height


def _check_some(frames: Sequence, path: Path) -> None:
    if not frames:
        raise ValueError(f"no frames for {path.name}: not one snapshot; was nothing trained?")


def _at_epochs(frames: Sequence, epochs: Sequence[int]) -> list:
    found = {frame.epoch: frame for frame in frames}
    missing = [epoch for epoch in epochs if epoch not in found]
    if missing:
        raise ValueError(
            f"no frame for epoch {missing[0]}: the {len(found)} frames run from epoch "
            f"{min(found)} to {max(found)}; choose among them"
        )
    return [found[epoch] for epoch in epochs]


def _resized(picture: np.ndarray, width: int) -> Image.Image:
    image = Image.fromarray(picture).convert("RGB")
    height = round(image.height * width / image.width)
    return image.resize((width, height), Image.Resampling.LANCZOS)


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


class PlaneScene:
    """Panels of points in the colours of their components; above them the epoch and a score.

    Nothing but the points and two numbers moves: limits and colours stay. `panels` gives each
    title with the limits of a latent plane, or None for the plane of the data; all are
    squares of `side` pixels, `gap` pixels apart, at exact pixels.
    """

    size: tuple[int, int]  # of the picture, in pixels
    side: int
    gap: int
    panels: Sequence[tuple[str, maps.Extent | None]]

    def __init__(self, target: GaussianMixture) -> None:
        self.target = target
        self.figure = canvas_figure(*self.size)
        with style.context(STYLE):
            for i, (title, extent) in enumerate(self.panels):
                self._panel(52 + i * (self.side + self.gap), title, extent)
            if target.k <= LEGEND_ENTRIES:
                handles = maps.component_handles(target)
                look = {"loc": "center right", "borderaxespad": 0.8}
                self.figure.legend(handles=handles, title="component", **look)
            # Series of markers, one a component, are much quicker to draw than a scatter.
            look = {"markersize": 2.4, "markeredgewidth": 0, "zorder": 4}
            colours = component_colours(target.k)
            self.dots = [
                [ax.plot([], [], "o", color=colour, **look)[0] for colour in colours]
                for ax in self.figure.axes
            ]
            self.epoch, self.share = self._caption()
        self.artists: list[Artist] = [*chain(*self.dots), self.epoch, self.share]

    def _panel(self, left: int, title: str, extent: maps.Extent | None) -> None:
        width, height = self.size
        side = self.side
        ax = self.figure.add_axes((left / width, 48 / height, side / width, side / height))
        if extent is None:
            maps.contours(ax, self.target)
        else:
            maps.plane(ax, extent, maps.LATENT_AXES)
        ax.set_title(title)

    def _caption(self) -> list[Artist]:
        """Laying out text is slow, so only the two numbers move; the words around them stay."""
        words = {"va": "top", "fontsize": 13, "color": "#222222"}
        numbers = {**words, "ha": "right", "fontweight": "bold", "zorder": 5}
        pixel = 1 / self.size[0]
        truth = 100 * true_fraction(self.target)
        sentence = f"% of the samples within 3σ of a component (truth {truth:.1f} %)"
        self.figure.text(52 * pixel, 0.975, "epoch", **words)
        self.figure.text(246 * pixel, 0.975, sentence, **words)
        return [self.figure.text(x * pixel, 0.975, "", **numbers) for x in (152, 240)]

    def _show(self, epoch: int, *panels: tuple[np.ndarray, ArrayLike]) -> None:
        """Move each panel's points (n, 2), given with their components (n,); last the samples."""
        for dots, (points, components) in zip(self.dots, panels, strict=True):
            for component, series in enumerate(dots):
                series.set_data(*points[components == component].T)
        self.epoch.set_text(str(epoch))
        share = high_quality_fraction(self.target, torch.tensor(panels[-1][0]))
        self.share.set_text(f"{100 * share:.1f}")


class GanScene(PlaneScene):
    """Left the noise z, right G(z); both in the colour of the component that G(z) belongs to.

    `probe.noise` is (n, latent); wider noise shows its first two numbers. A frame's
    `probe["samples"]` is G of the first m rows of that noise, (m, 2).
    """

    size, side, gap = (960, 480), 372, 54
    panels = (("noise z", maps.LATENT), ("generated G(z)", None))

    def __init__(self, target: GaussianMixture, probe) -> None:
        super().__init__(target)
        self.noise = _plane_points(probe.noise, "noise")

    def update(self, frame) -> None:
        samples = _plane_points(frame.probe["samples"], "samples")
        noise = _plane_points(self.noise[: len(samples)], "noise", len(samples))
        components = maps.classes(self.target, samples)
        self._show(frame.epoch, (noise, components), (samples, components))


class VaeScene(PlaneScene):
    """The codes of fixed points, their reconstructions, and samples decoded from the prior.

    `probe.components` (n,) are the true ones of the fixed points. Each frame's probe holds their
    `codes` (n, latent), of which the first two numbers are drawn, their `reconstructions`
    (n, 2), and `samples` (m, 2), coloured by the component each most likely belongs to.
    """

    size, side, gap = (1200, 410), 302, 56
    panels = (("codes z", CODES), ("reconstructions", None), ("samples", None))

    def __init__(self, target: GaussianMixture, probe) -> None:
        super().__init__(target)
        self.components = maps.array(probe.components)

    def update(self, frame) -> None:
        n = len(self.components)
        codes = _plane_points(frame.probe["codes"], "codes", n)
        rebuilt = _plane_points(frame.probe["reconstructions"], "reconstructions", n)
        samples = _plane_points(frame.probe["samples"], "samples")
        fixed = ((codes, self.components), (rebuilt, self.components))
        self._show(frame.epoch, *fixed, (samples, maps.classes(self.target, samples)))


SCENES = {"vae": VaeScene, "gan": GanScene}


def scene_of(recipe: Recipe, target: Target, probe) -> Scene:
    """An empty scene: the target's own where it brings one, else that of the recipe's family."""
    own = getattr(target, "scene", None)
    return own() if own else SCENES[recipe.family](target, probe)


def _plane_points(values: ArrayLike | Tensor, name: str, n: int | None = None) -> np.ndarray:
    """The first two columns; raises ValueError for any other shape or number of points."""
    points = maps.array(values)
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError(f"{name} has shape {points.shape}: a film draws points in two dimensions")
    if n is not None and len(points) != n:
        raise ValueError(f"{name} has {len(points)} points where {n} are needed: use one probe")
    return points[:, :2]
