"""What the answers rest on: many trainings, what was measured of them, and the tables of it."""
