"""Orientations of cryo-EM particles from a reference map: core, command line, napari plugin."""

__version__ = "0.1.0"
