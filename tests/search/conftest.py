import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "refine"))
from simulated_stack import density, likelihood, particles, simulation

__all__ = ["density", "likelihood", "particles", "simulation"]
