"""The README's tables, made from committed records: scores of the runs, mixtures and speeds.

`python -m helpers.study.report` writes them between their markers in README.md; a test compares.
"""

import json
from collections.abc import Callable, Sequence
from statistics import mean, median

from helpers import experiments, files
from helpers.files import REPOSITORY
from helpers.metrics.scorecard import truth_scores
from helpers.study import baselines, benchmark, records
from helpers.targets import gmm5

ROWS = {
    "vae": "VAE, as assigned (unit variance)",
    "vae-fast": "the same, trained faster",
    "vae-full": "VAE, full covariance",
    "vae-best": "VAE, full covariance, IWAE (K = 8)",
    "gan": "GAN, as assigned",
    "gan-fast": "the same, trained faster",
    "gan-best": "GAN, the same sampler, least squares",
}
HEAD = (
    "| model | parameters trained | seconds | modes | within 3σ | KL of mode weights, median "
    "| KL(p* ‖ model) | total variation |\n|---|---|---|---|---|---|---|---|"
)
MIXED = {
    "GAN": "GAN, ours",
    "VAE": "VAE by IWAE, ours",
    "truth": "*fresh samples of the truth*",
}


def scores() -> str:
    """A Markdown table: means over all seeds, 100,000 samples each; and the truth's own line.

    The KL of mode weights is a median: a seed that loses a mode would be the whole mean.
    """
    found, pace = records.load("summaries"), records.load("pace")
    groups = {name: [s for key, s in found.items() if key.startswith(f"{name}/")] for name in ROWS}
    rows = [_row(name, group, pace[name]) for name, group in groups.items()]
    return "\n".join([HEAD, *rows, _fitted(), _truth()]).replace("%", " %") + "\n"


def _row(name: str, group: Sequence[dict], pace: float) -> str:
    found = {key: [one[key] for one in group] for key in ("share", "weight_kl", "modes")}
    most = max(found["modes"])
    all_of_them = f"{found['modes'].count(most)} of {len(group)} seeds"
    modes = f"{most} on {'every seed' if min(found['modes']) == most else all_of_them}"
    kls = [one["divergences"]["forward"][0] for one in group]  # null: infinite
    kl = f"{mean(kls):.3f} nats" if None not in kls else "infinite"
    seconds = pace * experiments.named(name).epochs
    variation = mean(one["divergences"]["total_variation"][0] for one in group)
    return (
        f"| {ROWS[name]} | {group[0]['trained']:,} | {seconds:.0f} | {modes} | "
        f"{mean(found['share']):.1%} | {median(found['weight_kl']):.0e} | {kl} | {variation:.3f} |"
    )


def _fitted() -> str:
    """The line of the mixture that EM fits, told how many Gaussians there are."""
    found = records.load("baselines")["Gaussian mixture by EM"]
    apart = {name: estimate[0] for name, estimate in found["divergences"].items()}
    return (
        f"| *a Gaussian mixture fitted by EM* | {found['sampler']} | {found['seconds']:.0f} | | "
        f"{found['share']:.1%} | {found['weight_kl']:.0e} | {abs(apart['forward']):.3f} nats | "
        f"{apart['total_variation']:.3f} |"
    )


def _truth() -> str:
    """What fresh samples of the target itself score, as the scorecard measured it."""
    found = truth_scores(gmm5(), 100_000)
    share, kl = mean(found["within 3σ"]), median(found["mode weight KL"])
    modes = f"{mean(found['modes covered']):.0f}"
    return f"| *fresh samples of the truth* | | | {modes} | {share:.1%} | {kl:.0e} | 0 | 0 |"


def mixed() -> str:
    """A Markdown table of the published benchmark, ours and the truth below the published."""
    found = records.load("benchmark")
    head = "| | ring of 8: modes, within 3σ, reverse KL | grid of 25 |\n|---|---|---|"
    rows = {name: [row[t] for t in baselines.TARGETS] for name, row in baselines.PUBLISHED.items()}
    for name, label in MIXED.items():
        rows[label] = [_mean(found[t][name]["2500"]) for t in baselines.TARGETS]
    lines = [f"| {label} | {' | '.join(map(_cell, cells))} |" for label, cells in rows.items()]
    return "\n".join([head, *lines]) + "\n"


def _mean(seeds: Sequence[dict]) -> tuple[float, float, float]:
    modes, share, kl = (mean(one[key] for one in seeds) for key in ("modes", "share", "reverse_kl"))
    return modes, 100 * share, kl


def _cell(numbers: tuple) -> str:
    modes, share, kl = numbers
    return f"{modes:.4g}, {share:.1f} %, " + ("–" if kl is None else f"{kl:.2g}")


def speeds() -> str:
    """The benchmark's table, from the record of `python -m helpers bench --json`."""
    path = REPOSITORY / "data" / "bench.json"
    return benchmark.as_markdown(json.loads(path.read_text(encoding="utf-8")))


TABLES: dict[str, Callable[[], str]] = {"results": scores, "mixtures": mixed, "speed": speeds}


def filled(text: str) -> str:
    """The README's text with every table between its markers made anew."""
    for name, table in TABLES.items():
        opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, rest = text.split(opening)
        text = before + opening + table() + closing + rest.split(closing)[1]
    return text


def main() -> None:
    """Write the tables into the README."""
    path = REPOSITORY / "README.md"
    files.write_text(path, filled(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
