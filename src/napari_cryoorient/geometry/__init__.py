"""Rotations, point groups and grids of directions, in RELION's frames (docs/conventions.md)."""
