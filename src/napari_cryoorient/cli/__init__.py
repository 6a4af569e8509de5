"""The command line: flags in, exit status out.

Torch, napari and matplotlib are imported inside the commands, so that ``--help`` stays quick.
"""

from napari_cryoorient.cli.app import main

__all__ = ["main"]
