"""How true the scale is that ``pixel-size`` measures, and from where on it warns.

    OMP_NUM_THREADS=1 python benchmarks/pixel_size.py [--n 2000] [--box 64] [--snr 0.1]

Particles are made at the map's own scale and measured against it and against maps whose pixel size
is stated wrongly, with the true poses and with poses some degrees off.  Prints a line of JSON each.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

import napari_cryoorient as nc
from napari_cryoorient.simulation.demo_density import demo_density

# How much larger the map's pixels are said to be, and how far the poses are off.
FACTORS = (1.0, 0.985, 0.994, 0.996, 1.004, 1.006, 1.015)
OFF_DEG = (0.0, 3.0)


def main() -> None:
    """Measure every scale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--snr", type=float, default=0.1)
    given = parser.parse_args()
    pixel = 256 / given.box
    density = demo_density(given.box, pixel)
    made = nc.simulate(
        density, given.n, snr=given.snr, shift_sigma_angstrom=4.0, device="cpu", seed=1
    )
    for off_deg in OFF_DEG:
        particles = with_poses_off(made, off_deg)
        for factor in FACTORS:
            began = time.process_time()
            found = nc.pixel_size(
                particles, nc.DensityMap(density.voxels, pixel * factor), device="cpu"
            )
            line = {
                "poses_off_deg": off_deg,
                "true_scale": round(1 / factor, 5),
                "scale": round(found.scale, 5),
                "error_percent": round(100 * (found.scale * factor - 1), 3),
                "standard_error_percent": round(100 * found.standard_error, 3),
                "warns": found.is_off,
                "cpu_seconds": round(time.process_time() - began, 1),
            }
            print(json.dumps(line), flush=True)


def with_poses_off(particles: nc.ParticleSet, degrees: float) -> nc.ParticleSet:
    """Turn every pose by so many degrees about an axis drawn at random."""
    poses = particles.poses
    assert poses is not None
    axes = np.random.default_rng(0).normal(size=(len(particles), 3))
    axes *= np.deg2rad(degrees) / np.linalg.norm(axes, axis=1, keepdims=True)
    turned = Rotation.from_rotvec(axes).as_matrix() @ poses.rotations
    return replace(particles, poses=replace(poses, rotations=turned))


if __name__ == "__main__":
    main()
