"""A package, so that a screen may share its name with another room."""
