"""Scores of a model: against the known mixture, against samples, as densities."""
