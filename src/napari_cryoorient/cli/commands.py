"""The commands by name, in the order of the help; each is a module that is loaded when needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

COMMANDS = (
    *("simulate", "train", "predict", "search", "refine", "evaluate", "project"),
    *("reconstruct", "fsc", "iterate"),
    *("sweep", "cross-validate", "noise-study", "representation-study", "reconstruct-sweep"),
    *("compare", "orientations", "filter-curve", "null-test", "pixel-size", "hand", "relax"),
    *("micrographs", "export", "symmetry", "demo", "view"),
)


def module_of(name: str) -> Any:
    """Load the module of a command: its function ``run``, and ``SUMMARY`` for the help."""
    return import_module(f"napari_cryoorient.cli.{name.replace('-', '_')}")
