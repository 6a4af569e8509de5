"""Training: one flat, preset-agnostic loop, and the recipes that a preset supplies to it."""
