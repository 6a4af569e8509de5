"""Orientations of cryo-EM particles from a reference map: Qt-free core, command line, napari plugin."""

__version__ = "0.1.0"
