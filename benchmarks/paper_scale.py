"""Which grey scale the paper's RMSE may have: what its own figures allow.

    python benchmarks/paper_scale.py RIBOSOME BGAL T20S [--n 200]

The paper normalises images to (-1, 1) and says nothing of the scale of projections.  Noiseless
projections of maps like its own (12 A, 128 pixels, the fields of view of ``simulate --dataset``)
are scaled in three ways; for each, the deviation over all pixels, by which a relative RMSE has to
be multiplied to be on that scale, and the RMSE (equation 16, per pixel) of random poses, beyond
which no trained network should lie.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.simulation.datasets import DATASETS, dataset_map

# Table 1's best, and the largest RMSE that the paper gives for a set (tables 2 and 3).
PAPER = {
    "10028-simu": (0.1097, 0.2090),
    "10061-simu": (0.1469, 0.2309),
    "10025-simu": (0.0982, 0.1165),
}


def main() -> None:
    """Print one line of JSON for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("ribosome", "bgal", "t20s"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--n", type=int, default=200)
    given = parser.parse_args()
    paths = zip(PAPER, (given.ribosome, given.bgal, given.t20s), strict=True)
    for name, path in paths:
        images = projections(name, path, given.n)
        low, high = images.amin((1, 2), keepdim=True), images.amax((1, 2), keepdim=True)
        scaled = {
            "each to (-1, 1)": 2 * (images - low) / (high - low) - 1,
            "each to (0, 1)": (images - low) / (high - low),
            "all to (0, 1)": (images - images.min()) / (images.max() - images.min()),
        }
        best, worst = PAPER[name]
        for scale, values in scaled.items():
            deviation = float(values.std())
            chance = float((values - values.roll(1, 0)).square().mean().sqrt())
            figures = {
                "deviation": deviation,
                "random poses": chance,
                "random poses, relative": chance / deviation,
                "paper's best, relative": best / deviation,
                "paper's worst over random poses": worst / chance,
            }
            rounded = {what: round(value, 3) for what, value in figures.items()}
            print(json.dumps({"set": name, "scale": scale, **rounded}))


def projections(name: str, path: Path, n: int) -> torch.Tensor:
    """Return noiseless projections ``(n, 128, 128)`` of a data set's map at random poses."""
    density = dataset_map(DATASETS[name], path)
    projector = Projector(reference_volume(density))
    rotations = random_rotations(n, torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        return torch.cat([projector(part) for part in rotations.split(20)])


if __name__ == "__main__":
    main()
