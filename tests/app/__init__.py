"""A package, so that a file may share its name with one of another folder."""
