"""Particle stacks nearer to real ones, made without the project's code, and their scores."""
