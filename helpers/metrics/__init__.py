"""How close samples, densities and latent spaces come to a target that is known exactly."""
