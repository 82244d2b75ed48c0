"""The engine: the steps of `helpers.training`, several times faster and asserted to be the same."""
