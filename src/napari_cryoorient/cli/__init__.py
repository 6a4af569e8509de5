"""The command line: flags in, exit status out.

Torch, napari and matplotlib are imported inside the commands, so that ``--help`` stays quick.
"""

import os

# Read when torch loads its OpenMP library.  Threads that spin while they wait make a step take
# five times as long as soon as anything else wants a core, napari included; asleep they cost
# nothing that can be measured (docs/benchmarks.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from napari_cryoorient.cli.app import main

__all__ = ["main"]
