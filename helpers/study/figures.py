"""One picture for each experiment: a record and axes in, the finding to be seen."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from helpers import plots
from helpers.experiments import TURNS
from helpers.plots import ROLES
from helpers.study import dirac, efficiency, points, scales, separation
from helpers.study.records import of_recipe

LINES = {
    "sampler-ls": ("Gaussian sampler, least squares", "-", "o"),
    "sampler-ns": ("Gaussian sampler, non-saturating", "--", "s"),
    "map-ls": ("plain map, least squares", "-", "^"),
    "map-ns": ("plain map, non-saturating", "--", "D"),
}


def samplers(ax: Axes, record: Mapping[str, dict], metric: str, label: str) -> None:
    """A metric against the discriminator's steps, mean and range of its seeds; VAEs as lines.

    The legend is the caller's: six names need a place of their own.
    """
    for line, (name, dash, marker) in LINES.items():
        colour = ROLES["GAN"] if line.startswith("sampler") else plots.OTHERS[3]
        rows = np.array([of_recipe(record, f"{line}-{k}", metric) for k in TURNS])  # (3, seeds)
        ax.plot(TURNS, rows.mean(1), dash, marker=marker, color=colour, label=name)
        ax.fill_between(TURNS, rows.min(1), rows.max(1), color=colour, alpha=0.12, linewidth=0)
    for objective, dash in (("elbo", "-"), ("iwae", "--")):
        values = of_recipe(record, f"sampler-{objective}", metric)
        name = f"Gaussian sampler, {objective.upper()}"
        ax.axhline(values.mean(), linestyle=dash, color=ROLES["VAE"], label=name)
        ax.axhspan(values.min(), values.max(), color=ROLES["VAE"], alpha=0.12, linewidth=0)
    ax.set(xlabel="steps of the discriminator to one", ylabel=label, xticks=TURNS)


def discriminator_says(ax: Axes, course: Mapping[str, Sequence], title: str) -> None:
    """JS of the generator by epoch, beside the bound on it that the discriminator's loss gives."""
    lines = {"jensen_shannon": ("exact", ROLES["truth"], "-"), "said": ("said", ROLES["GAN"], "--")}
    for column, (name, colour, dash) in lines.items():
        ax.plot(course["epoch"], course[column], dash, color=colour, label=name)
    lost = [e for e, n in zip(course["epoch"], course["modes"], strict=True) if n < 5]
    ax.plot(lost, np.zeros(len(lost)), "v", color=plots.OTHERS[1], label="a mode is missing")
    ax.set(xlabel="epoch", ylabel="Jensen–Shannon (nats)", title=title)


def gap(ax: Axes, record: Mapping[str, dict], names: Mapping[str, str]) -> None:
    """The two parts of the ELBO's gap, a bar a recipe (`names` gives their labels), dots a seed."""
    parts = {"approximation": ROLES["VAE"], "amortisation": plots.OTHERS[4]}
    below = np.zeros(len(names))
    for part, colour in parts.items():
        values = [of_recipe(record, name, part) for name in names]
        means = np.array([one.mean() for one in values])
        ax.bar(range(len(names)), means, 0.5, bottom=below, color=colour, label=part)
        below += means
    for place, name in enumerate(names):
        whole = of_recipe(record, name, "gap")
        ax.scatter(np.full(len(whole), place), whole, s=18, color=ROLES["truth"], zorder=3)
    ax.set_xticks(range(len(names)), list(names.values()))
    ax.set(ylabel="log p(x) − ELBO (nats)")
    ax.grid(axis="x", visible=False)
    ax.legend()


def phase(ax: Axes, name: str, steps: int = 400) -> None:
    """One game of the Dirac-GAN as a path from (1, 0), its running average, and the pulls."""
    rules = dirac.GAMES[name]
    path = dirac.play(rules, steps)
    mean = dirac.averaged(path)
    theta, psi = np.meshgrid(*[np.linspace(-2, 2, 13)] * 2)
    along = dirac.pull(theta, psi, rules)
    ax.quiver(theta, psi, *along, color="#bbbbbb", width=0.004, scale=12)
    ax.plot(*path.T, color=ROLES["GAN"], linewidth=1, label="path")
    ax.plot(*mean.T, color=ROLES["truth"], linewidth=1.4, label="running average")
    ax.plot(0, 0, "*", color=plots.OTHERS[1], markersize=11, label="equilibrium")
    ax.set(xlim=(-2, 2), ylim=(-2, 2), xlabel="θ (generator)", ylabel="ψ (discriminator)")
    ax.set(title=f"{name}: ×{dirac.growth(rules):.4f} a step", aspect="equal")


def leakage(ax: Axes, record: Mapping[str, dict]) -> None:
    """What decodes between the modes, against what the theory of the walls foretells."""
    for family, name in separation.RECIPES.items():
        for scale, marker in zip(separation.SCALES, plots.MARKERS, strict=True):
            rows = [one for key, one in record.items() if key.startswith(f"{name}/{scale:g}/")]
            at = np.array([[100 * one["foretold"], 100 * one["between"]] for one in rows]).T
            ax.scatter(
                *at, color=ROLES[family], marker=marker, s=36, label=f"{family}, × {scale:g}"
            )
    ends, ticks = (0, 25), (0, 1, 2, 5, 10, 20)  # linear below one percent
    ax.plot(ends, ends, color=ROLES["truth"], linewidth=1, linestyle="--", label="as foretold")
    ax.set(xscale="symlog", yscale="symlog", xlim=ends, ylim=ends)
    ax.set_xticks(ticks, map(str, ticks))
    ax.set_yticks(ticks, map(str, ticks))
    ax.minorticks_off()
    ax.set(xlabel="∫ N(z) D / L over the borders (%)", ylabel="latents that decode between (%)")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def by_cell(ax: Axes, record: Mapping[str, dict], names: Mapping[str, str]) -> None:
    """Total variation against the size of a cell, a line a recipe; below, fresh truth."""
    looks = plots.looks(list(names.values()))
    for name, label in names.items():
        found = (one for key, one in record.items() if key.startswith(f"{name}/"))
        rows = np.array([one["variation"] for one in found])  # (seeds, sizes)
        ax.plot(scales.SIZES, rows.mean(0), label=label, **looks[label])
        band = {"color": looks[label]["color"], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(scales.SIZES, rows.min(0), rows.max(0), **band)
    ax.plot(
        scales.SIZES,
        record["truth"]["variation"],
        color=ROLES["truth"],
        linestyle=":",
        label="truth",
    )
    ax.set(xscale="log", yscale="log", xlabel="side of a cell (data units)")
    ax.set(ylabel="total variation")
    ax.legend()


def by_points(ax: Axes, record: Mapping[str, dict], metric: str, label: str) -> None:
    """A metric against the number of training points: each family's seeds, and fresh truth."""
    for family, name in points.RECIPES.items():
        rows = np.array([of_recipe(record, f"{name}/{n}", metric) for n in points.NUMBERS])
        look = {"color": ROLES[family], "marker": plots.MARKERS[family == "GAN"]}
        ax.plot(points.NUMBERS, rows.mean(1), label=family, **look)
        ax.fill_between(points.NUMBERS, rows.min(1), rows.max(1), color=ROLES[family], alpha=0.15)
    truth = [record[f"truth/{n}"].get(metric) for n in points.NUMBERS]
    if None not in truth:
        ax.plot(points.NUMBERS, truth, color=ROLES["truth"], linestyle=":", label="fresh truth")
    ax.set(xscale="log", xlabel="training points", ylabel=label)
    ax.legend()


def against_seconds(ax: Axes, metric: str, label: str) -> None:
    """Quality against seconds of training of the assignment's pair: median and range of seeds."""
    for family in efficiency.PAIR:
        course = efficiency.courses(family)
        values, seconds = course[metric], course["seconds"]
        colour = ROLES[family]
        ax.plot(seconds, np.median(values, 0), color=colour, label=family, linewidth=1.2)
        ax.fill_between(seconds, values.min(0), values.max(0), color=colour, alpha=0.15)
    ax.set(yscale="log", xlabel="seconds of training, one thread", ylabel=label)
    ax.legend()
