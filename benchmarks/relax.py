"""``relax`` on T20S proteasome without one of its 28 subunits: registers found, and how sure.

    python benchmarks/relax.py MAP [--symmetry D7] [--snr 0.03] [--n 1000] [--box 64]

Cuts one subunit out of a map of D7 symmetry, simulates particles, moves each to a random one of the
14 registers, its pose 2 degrees off, and asks which.  Prints one line of JSON: how often the best
register is the right one; the same for refinement from the right register, which fails where it
leaves it; the mean probability said; and the calibration error, the mean over ten bins of
probability of how far what is said lies from what is true, weighed by their particles.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import napari_cryoorient as nc
from napari_cryoorient import DensityMap, Poses
from napari_cryoorient.geometry.rotations import angular_distance_deg, rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices


def main() -> None:
    """Simulate, spoil the registers, find them again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", type=Path)
    parser.add_argument("--symmetry", default="D7")
    parser.add_argument("--snr", type=float, default=0.03)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--box", type=int, default=64)
    given = parser.parse_args()
    lacking = without_subunit(nc.read_map(given.map), n_around=7)
    made = nc.simulate(
        lacking, given.n, box=given.box, snr=given.snr, shift_sigma_angstrom=5.0, seed=1
    )
    assert made.poses is not None
    group = symmetry_matrices(given.symmetry)
    rng = np.random.default_rng(0)
    vectors = torch.from_numpy(rng.normal(0, np.radians(2) / 3**0.5, (given.n, 3)))
    near = rotation_vector_to_matrix(vectors).numpy() @ made.poses.rotations
    copies = rng.integers(len(group), size=given.n)
    moved = near @ np.swapaxes(group.numpy()[copies], 1, 2)
    began = time.process_time()
    shifts = made.poses.shifts_angstrom
    found = nc.relax(
        replace(made, poses=Poses(moved, shifts)), lacking, symmetry=given.symmetry, device="cpu"
    )
    seconds = time.process_time() - began
    right = apart(found.rotations, made.poses.rotations) < 10
    refined = nc.refine(replace(made, poses=Poses(near, shifts)), lacking, device="cpu")
    kept = apart(refined.rotations, made.poses.rotations) < 10
    result = {
        "snr": given.snr,
        "n": given.n,
        "right_register": round(float(right.mean()), 4),
        "refinement_from_the_right_one_keeps": round(float(kept.mean()), 4),
        "mean_probability": round(float(found.confidence.mean()), 4),
        "calibration_error": round(calibration_error(found.confidence, right), 4),
        "cpu_seconds": round(seconds, 1),
    }
    print(json.dumps(result))


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angles between rotations, in degrees."""
    return angular_distance_deg(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def calibration_error(said: np.ndarray, is_right: np.ndarray, n_bins: int = 10) -> float:
    """Return the mean distance of what is said and what is true, over bins of one width."""
    bins = np.minimum((said * n_bins).astype(int), n_bins - 1)
    return sum(
        abs(float(said[bins == i].mean()) - float(is_right[bins == i].mean())) * np.mean(bins == i)
        for i in np.unique(bins)
    )


def without_subunit(density: DensityMap, *, n_around: int) -> DensityMap:
    """Cut one subunit out of an outer ring: its wedge about z, in the outer quarter along z."""
    box = density.box
    z, y, x = np.meshgrid(*[np.arange(box) - box // 2] * 3, indexing="ij")
    solid = density.voxels > 0.1 * density.voxels.max()
    height = int(np.abs(z[solid]).max())
    inside = (np.abs(np.arctan2(y, x)) < np.pi / n_around) & (z > height / 2)
    voxels = np.where(inside, np.median(density.voxels), density.voxels)
    return replace(density, voxels=voxels.astype(np.float32), path=None)


if __name__ == "__main__":
    main()
