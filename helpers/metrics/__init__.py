"""How close samples, densities and latent spaces come to a target that is known exactly."""

FEWEST = 10  # points a side; the nearest-neighbour scores need more than k = 5
