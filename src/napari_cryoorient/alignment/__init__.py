"""Poses from the likelihood of images: global search, refinement, and how sure both are."""
