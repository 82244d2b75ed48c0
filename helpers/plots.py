"""Curves and comparisons: numbers and an `Axes` in, one picture out.

Colour means role everywhere. Each component of a target has a colour of its own, and so have
the truth, the VAE and the GAN; no two of these eight are confusable, with or without a
colour-vision deficiency. Nothing here makes a figure or picks a backend.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

STYLE = Path(__file__).with_name("style.mplstyle")
COMPONENTS = ("#4477AA", "#E69F00", "#44AA99", "#E15759", "#88CCEE")
ROLES = {"truth": "#333333", "VAE": "#5E3C99", "GAN": "#8C510A"}
OTHERS = ("#1B7F79", "#B0487A", "#7A8B2A", "#6C7A96", "#C0703A")  # names without a role
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GOLDEN = 0.6180339887498949

Truth = tuple[float, float, float]  # lowest, mean, highest score of fresh samples of the truth


def use_style() -> None:
    """Give every later picture of this process the look of `style.mplstyle`."""
    matplotlib.style.use(STYLE)


def component_colours(k: int) -> list[str]:
    """One colour for each of k components, as hex strings.

    Up to five come from the palette. More are spread over a colormap, in golden-ratio steps
    so that neighbours in number are far apart in hue.
    """
    if k <= len(COMPONENTS):
        return list(COMPONENTS[:k])
    positions = 0.05 + 0.9 * (np.arange(k) * GOLDEN % 1)
    return [matplotlib.colors.to_hex(c) for c in matplotlib.colormaps["turbo"](positions)]


def looks(names: Sequence[str]) -> dict[str, dict]:
    """Colour, dash and marker for each name, so that no two names look alike.

    A name's role is what it opens with: "VAE, width 32" is a "VAE", "LSGAN" has none. Names of
    one role share its colour and differ in dash; every name has its own marker.
    """
    counts: dict[str | None, int] = {}  # names seen so far, by role
    result = {}
    for i, name in enumerate(names):
        opened = (role for role in ROLES if f"{name} ".startswith((f"{role} ", f"{role},")))
        role = next(opened, None)
        j = counts[role] = counts.get(role, -1) + 1
        colour = ROLES[role] if role else OTHERS[j % len(OTHERS)]
        dash = DASHES[(j if role else j // len(OTHERS)) % len(DASHES)]
        result[name] = {"color": colour, "linestyle": dash, "marker": MARKERS[i % len(MARKERS)]}
    return result


def reference(ax: Axes, truth: Truth | None, known: str = "truth") -> None:
    """Draw what fresh samples of the truth score, if given: a line in a band, low to high.

    `known` is what the legend calls it; of images no truth is known, only "real" ones.
    """
    if truth is None:
        return
    low, mean, high = truth
    if high > low:
        ax.axhspan(low, high, color=ROLES["truth"], alpha=0.13, linewidth=0, zorder=0.5)
    line = {"color": ROLES["truth"], "linewidth": 1.2, "linestyle": "--", "zorder": 0.6}
    ax.axhline(mean, label=known, **line)


def losses(ax: Axes, history: Mapping[str, Sequence[float | None]], unit: str) -> None:
    """Each loss of a training against its epoch, counted from one; a gap where it is None.

    `unit` is the objective's: "nats" (cross entropies and bounds), "squared score", "score".
    """
    epochs = np.arange(1, max(map(len, history.values())) + 1)
    by_epoch(ax, epochs, history, f"loss ({unit})")


def by_epoch(
    ax: Axes,
    epochs: ArrayLike,
    scores: Mapping[str, ArrayLike],
    label: str,
    truth: Truth | None = None,
    known: str = "truth",
) -> None:
    """A metric against the epoch: each entry is (epochs,), or (seeds, epochs) for a band.

    A score of None leaves a gap; `known` is as in `reference`.
    """
    _bands(ax, epochs, scores, truth, known, marker="")
    ax.set(xlabel="epoch", ylabel=label)


def log_scale(ax: Axes) -> None:
    """A logarithmic y-axis with plain numbers at 1, 2 and 5 of each decade.

    For scores that span one or two decades, where powers of ten alone would label one tick.
    """
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def perturbation(
    ax: Axes,
    strengths: ArrayLike,
    scores: Mapping[str, ArrayLike],
    label: str,
    truth: Truth | None = None,
    xlabel: str = "strength of the perturbation",
    known: str = "truth",
) -> None:
    """A score against how far the latents are from their prior; shapes as in `by_epoch`."""
    _bands(ax, strengths, scores, truth, known)
    ax.set(xlabel=xlabel, ylabel=label)


def spread(
    ax: Axes, groups: Mapping[str, ArrayLike], label: str, truth: Truth | None = None
) -> None:
    """One dot a seed and a bar at the mean of each group, whose value stands under its name."""
    reference(ax, truth)
    names = []
    for i, (name, look) in enumerate(looks(list(groups)).items()):
        values, colour = np.asarray(groups[name], float), look["color"]
        x = i + (np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(1))
        ax.scatter(x, values, s=28, color=colour, alpha=0.7, linewidth=0)
        ax.hlines(values.mean(), i - 0.28, i + 0.28, color=colour, linewidth=2.5)
        names.append(f"{name}\n{values.mean():.4g}")
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel=label, xlim=(-0.6, len(names) - 0.4))
    ax.grid(axis="x", visible=False)


def front(costs: ArrayLike, losses: ArrayLike) -> np.ndarray:
    """Indices of the runs that no other beats in both cost and loss, by rising cost.

    Less is better in both, (n,) each; of equals the first is kept.
    """
    costs, losses = np.asarray(costs, float), np.asarray(losses, float)
    rising = np.lexsort((losses, costs))  # by cost, then by loss
    best_before = np.minimum.accumulate(np.append(np.inf, losses[rising][:-1]))
    return rising[losses[rising] < best_before]


def pareto(
    ax: Axes,
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    log: str = "x",
) -> None:
    """Cost across, loss up; each group's front is the step line through its best runs.

    `groups` maps a name to (costs, losses), one entry a run; `log` names the logarithmic
    axes: "", "x", "y" or "xy".
    """
    for name, look in looks(list(groups)).items():
        costs, values = (np.asarray(column, float) for column in groups[name])
        best = front(costs, values)
        dots = {"color": look["color"], "marker": look["marker"]}
        ax.scatter(costs, values, s=26, alpha=0.45, linewidth=0, **dots)
        line = {"drawstyle": "steps-post", "linestyle": look["linestyle"], "linewidth": 1.5}
        ax.plot(costs[best], values[best], markersize=6, label=name, **dots, **line)
    ax.set(xlabel=xlabel, ylabel=ylabel, **{f"{axis}scale": "log" for axis in log})
    ax.legend()


def matrix(
    ax: Axes, values: ArrayLike, rows: Sequence[str], columns: Sequence[str], label: str
) -> None:
    """Shares from 0 to 1 as a grid of cells, rows × columns; `label` says what they are shares of.

    Darker is more; each cell has its value in per cent, but for those of less than one.
    """
    shares = np.asarray(values, float)
    image = ax.imshow(shares, vmin=0, vmax=1, cmap="Purples", aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.01:
            colour = "white" if share > 0.55 else ROLES["truth"]
            text = {"ha": "center", "va": "center", "fontsize": 8, "color": colour}
            ax.text(column, row, f"{100 * share:.0f}", **text)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xticks(range(len(columns)), columns, rotation=90)
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label=label, shrink=0.6)


def _bands(
    ax: Axes,
    x: ArrayLike,
    scores: Mapping[str, ArrayLike],
    truth: Truth | None,
    known: str,
    **line,
) -> None:
    """The mean over seeds as a line, from the lowest seed to the highest as a band."""
    reference(ax, truth, known)
    for name, look in looks(list(scores)).items():
        runs = np.atleast_2d(np.asarray(scores[name], float))  # (seeds, points); None is NaN
        ax.plot(x, runs.mean(0), label=name, **look | line)
        if len(runs) > 1:
            band = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
            ax.fill_between(x, runs.min(0), runs.max(0), **band)
    ax.legend()
