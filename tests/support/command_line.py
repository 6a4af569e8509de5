"""The command line, called in this process, and stacks made with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.star import StarFile
from napari_cryoorient.simulation.demo_density import demo_density

# A run of the paper's preset that takes seconds.
TINY = ["--preset", "paper", "--box", "32", "--batch-size", "2", "--weights", "none"]
POSE_COLUMNS = ("rlnAngle", "rlnOrigin")


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Call the command line: exit status, stdout and stderr."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def simulated(folder: Path, *flags: object) -> Path:
    """Simulate particles of a map of 32 voxels of 8 A, ``input.mrc``, with seed 2."""
    write_map(demo_density(32, 8.0), folder / "input.mrc")
    words: Sequence[object] = ["simulate", folder / "input.mrc", "-o", folder, "--seed", 2, *flags]
    assert main([str(word) for word in words]) == 0
    return folder


def without_poses(star: StarFile) -> StarFile:
    """Leave out the columns of a STAR file that tell poses."""
    block = star.block("particles")
    kept = [c for c in block.table.columns if not c.startswith(POSE_COLUMNS)]
    return star.with_block(replace(block, table=block.table[kept]))
