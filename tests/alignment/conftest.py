from support.simulated_stack import density, likelihood, particles, simulation

__all__ = ["density", "likelihood", "particles", "simulation"]
