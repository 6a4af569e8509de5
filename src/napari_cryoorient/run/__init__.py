"""A run is a folder: written by the process that trains, followed and steered by any other."""
