"""RELION's own images of a map made by formula: what the conventions say, kept as files.

``python tests/support/golden.py`` makes them anew where ``relion_project`` is installed (3.1.3 made
those that are kept).
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import mrcfile
import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "projection" / "golden"
POSES = FOLDER / "poses.star"
BOX, PIXEL = 32, 4.0
# x y z from the centre in voxels, sigma in voxels, weight: lopsided, and of either hand.
BLOBS = (
    *((6.0, 1.0, -2.0, 1.6, 1.0), (-3.0, 5.0, 3.0, 1.4, 0.9), (-5.0, -4.0, -5.0, 1.8, 0.8)),
    *((1.0, -6.0, 6.0, 1.3, 0.7), (2.0, 3.0, -7.0, 1.5, -0.3)),
)


def golden_map() -> np.ndarray:
    """Five Gaussian blobs, ``[z, y, x]``."""
    axis = np.arange(BOX) - BOX // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    voxels = np.zeros((BOX, BOX, BOX))
    for bx, by, bz, sigma, weight in BLOBS:
        squared = (x - bx) ** 2 + (y - by) ** 2 + (z - bz) ** 2
        voxels += weight * np.exp(-squared / (2 * sigma**2))
    return voxels.astype(np.float32)


def golden_images(kind: str) -> np.ndarray:
    """Return the images that are kept, "plain" or "ctf"."""
    return mrcfile.read(FOLDER / f"{kind}.mrcs")


def made_by_relion(kind: str) -> np.ndarray:
    """Let ``relion_project`` make them."""
    with tempfile.TemporaryDirectory() as folder:
        with mrcfile.new(Path(folder) / "map.mrc") as file:
            file.set_data(golden_map())
            file.voxel_size = PIXEL
        command = ["relion_project", "--i", "map.mrc", "--o", "out", "--ang", str(POSES)]
        command += ["--angpix", str(PIXEL), *(["--ctf"] if kind == "ctf" else [])]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return mrcfile.read(Path(folder) / "out.mrcs")


if __name__ == "__main__":
    for name in ("plain", "ctf"):
        with mrcfile.new(FOLDER / f"{name}.mrcs", overwrite=True) as out:
            out.set_data(made_by_relion(name).astype(np.float32))
            out.voxel_size = PIXEL
