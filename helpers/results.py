"""The README's tables, made from committed records: scores of the runs, and speeds.

`python -m helpers.results` writes them between their markers in README.md; a test compares.
"""

import json
from collections.abc import Callable
from statistics import mean

from helpers import bench, costs, experiments, runs
from helpers.places import REPOSITORY
from helpers.storage import replace_file
from helpers.targets import gmm5

SEEDS = (0, 1, 2, 3, 4)
ROWS = {
    "vae": "VAE, as assigned (unit variance)",
    "vae-fast": "the same in a fifth of the time",
    "vae-full": "VAE, full covariance",
    "vae-iwae": "VAE, full covariance, IWAE (K = 8)",
    "gan": "GAN, as assigned",
    "gan-fast": "the same in a fifth of the time",
}
HEAD = (
    "| model | parameters trained | seconds | modes | within 3σ | KL of mode weights "
    "| KL(p* ‖ model) |\n|---|---|---|---|---|---|---|"
)


def scores() -> str:
    """A Markdown table: mean over five seeds, 100,000 samples each; and the truth's own line."""
    return "\n".join([HEAD, *map(_row, ROWS), _truth()]) + "\n"


def _row(name: str) -> str:
    group = [runs.load(experiments.named(name), gmm5(), seed) for seed in SEEDS]
    found = {key: [run.metrics[key] for run in group] for key in ("share", "weight_kl", "modes")}
    kls = [run.metrics["kl"] for run in group if "kl" in run.metrics]
    kl = f"{mean(kls):.3f} nats" if kls else "no density"
    modes = f"{min(found['modes'])} on every seed" if len(set(found["modes"])) == 1 else "varies"
    seconds = mean(run.history["seconds"][-1] for run in group)
    return (
        f"| {ROWS[name]} | {costs.sizes(group[0])['trained']:,} | {seconds:.0f} | {modes} | "
        f"{mean(found['share']):.1%} | {mean(found['weight_kl']):.0e} | {kl} |"
    ).replace("%", " %")


def _truth() -> str:
    """What fresh samples of the target itself score, as the scorecard measured it."""
    path = REPOSITORY / "data" / "truth" / "gmm5-100000.json"
    scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
    share, kl = (mean(scores[name]) for name in ("within 3σ", "mode weight KL"))
    modes = f"{mean(scores['modes covered']):.0f}"
    row = f"| *fresh samples of the truth* | | | {modes} | {share:.1%} | {kl:.0e} | 0 |"
    return row.replace("%", " %")


def speeds() -> str:
    """The benchmark's table, from the record of `python -m helpers bench --json`."""
    path = REPOSITORY / "data" / "bench.json"
    return bench.as_markdown(json.loads(path.read_text(encoding="utf-8")))


TABLES: dict[str, Callable[[], str]] = {"results": scores, "speed": speeds}


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
    text = filled(path.read_text(encoding="utf-8"))
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
