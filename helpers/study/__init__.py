"""What the answers rest on: many trainings, what was measured of them, and the tables of it."""

RECORDS = ("power", "summaries", "baselines", "benchmark", "pace")  # in data/evidence
