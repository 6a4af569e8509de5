"""Label, train, predict, refine, reconstruct, and again on the new map (Lian 2022, fig. 1)."""
