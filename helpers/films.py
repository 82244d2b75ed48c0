"""The film of a run: which scene it wants, and the four files that come of it."""

from functools import partial
from pathlib import Path

from helpers import animation, places, recipes, recorder, runs
from helpers.galleries import Gallery
from helpers.imagescenes import GalleryScene
from helpers.probes import FILMED
from helpers.scenes import GanScene, VaeScene

STILLS = 6  # epochs in a filmstrip


def film_run(run: runs.Run, path: Path | None = None) -> list[Path]:
    """Write a run's film (.mp4), its last frame (.png), a filmstrip and a gif; returns the paths.

    `path` is the film's; without one it is `media/<recipe>.mp4`. Raises BadRun where the
    snapshots of the training are not at hand.
    """
    frames = run.frames
    path = path or places.output("media", f"{run.recipe.name}.mp4")
    strip, small = path.with_name(f"{path.stem}_strip.png"), path.with_suffix(".gif")
    empty = partial(scene, run.recipe, run.target)
    animation.film(empty(), frames, path)
    animation.filmstrip(empty(), frames, stills(len(frames)), strip)
    animation.gif(empty(), frames, small)
    return [path, path.with_suffix(".png"), strip, small]


def scene(recipe: recipes.Recipe, target: runs.Target) -> GanScene | VaeScene | GalleryScene:
    """An empty scene with the noise, or the components, that the recipe's probe looks at."""
    if isinstance(target, Gallery):
        return GalleryScene(target)
    probe = recorder.probe_of(recipe, runs.data(target))
    if recipe.family == "vae":
        return VaeScene(target, probe.components)
    return GanScene(target, probe.noise[:FILMED])


def stills(epochs: int) -> list[int]:
    """Six epochs or fewer, close together at first, where most happens."""
    if epochs <= STILLS:
        return list(range(1, epochs + 1))
    ratio = epochs ** (1 / (STILLS - 1))
    chosen = [round(ratio**i) for i in range(STILLS)]
    return sorted({max(epoch, i + 1) for i, epoch in enumerate(chosen)})
