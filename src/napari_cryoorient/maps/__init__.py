"""Maps from particles: back-projection, FSC, masks; and the symmetry of maps."""
