"""Two ways to five Gaussians: the helpers behind the notebooks.

Nothing is re-exported here: import each name from the room it lives in.
"""
