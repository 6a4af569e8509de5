"""Local refinement of rotation and shift."""
