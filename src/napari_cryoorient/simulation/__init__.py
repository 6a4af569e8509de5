"""Particles made from a map, and the maps they are made from."""
