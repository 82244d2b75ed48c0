"""A package, so that a room of metrics may share its name with another room."""
