"""Global search over rotations and shifts."""
