"""Made data: a particle drawn by code, and the main job run on it from beginning to end."""
