"""The README's table of results, made from the committed runs.

`python -m helpers.results` writes it between the two markers in README.md; a test compares.
"""

from statistics import mean

from helpers import costs, recipes, runs
from helpers.places import REPOSITORY
from helpers.storage import replace_file
from helpers.targets import gmm5

SEEDS = (0, 1, 2, 3, 4)
ROWS = {
    "vae": "VAE, as assigned (unit variance)",
    "vae-full": "VAE, full covariance",
    "vae-iwae": "VAE, full covariance, IWAE (K = 8)",
    "gan": "GAN, as assigned",
}
OPEN, CLOSE = "<!-- results -->\n", "<!-- /results -->"
HEAD = "| model | parameters trained | modes | within 3σ | KL of mode weights | KL(p* ‖ model) |"


def table() -> str:
    """A Markdown table: mean over five seeds, 100,000 samples each; and the truth's own line."""
    truth = "| *fresh samples of the truth* | | 5 | 98.9 % | 2e-05 | 0 |"
    return "\n".join([HEAD, "|---|---|---|---|---|---|", *map(_row, ROWS), truth]) + "\n"


def _row(name: str) -> str:
    group = [runs.load(recipes.named(name), gmm5(), seed) for seed in SEEDS]
    scores = {key: [run.metrics[key] for run in group] for key in ("share", "weight_kl", "modes")}
    kls = [run.metrics["kl"] for run in group if "kl" in run.metrics]
    kl = f"{mean(kls):.3f} nats" if kls else "no density"
    modes = f"{min(scores['modes'])} on every seed" if len(set(scores["modes"])) == 1 else "varies"
    return (
        f"| {ROWS[name]} | {costs.sizes(group[0])['trained']:,} | {modes} | "
        f"{mean(scores['share']):.1%} | {mean(scores['weight_kl']):.0e} | {kl} |"
    ).replace("%", " %")


def main() -> None:
    """Write the table into the README."""
    path = REPOSITORY / "README.md"
    before, rest = path.read_text(encoding="utf-8").split(OPEN)
    text = before + OPEN + table() + CLOSE + rest.split(CLOSE)[1]
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
