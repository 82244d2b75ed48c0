"""What the answers rest on: many trainings, what was measured of them, and the tables of it."""

RECORDS = (  # in data/evidence
    *("power", "summaries", "baselines", "benchmark", "scales", "gap", "dirac", "pace"),
    *("efficiency", "samplers", "discriminators", "separation", "points"),
)
