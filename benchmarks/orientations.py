"""``orientations`` on many poses: time on one core, and the factors of analytic cases.

    python benchmarks/orientations.py [--n 300000]

Draws uniform views, side views, and views in a cone, and prints a line of JSON for each: seconds,
SCF, SCF*, the share of directions that is empty, the missing cone.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import numpy as np
import torch

from napari_cryoorient import Poses
from napari_cryoorient.diagnosis.orientations import orientation_report
from napari_cryoorient.geometry.grids import directions_to_matrices
from napari_cryoorient.geometry.symmetry import symmetry_matrices

CASES = (("uniform", "C1"), ("uniform", "D7"), ("side", "C1"), ("30", "C1"), ("60", "C1"))


def main() -> None:
    """Report on every case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300_000)
    n = parser.parse_args().n
    torch.set_num_threads(1)
    for kind, symmetry in CASES:
        poses = drawn(kind, n)
        began = time.process_time()
        report = orientation_report(poses, symmetry_matrices(symmetry))
        seconds = time.process_time() - began
        cone = report.sampling.missing_cone
        line = {
            "views": kind,
            "symmetry": symmetry,
            "n": n,
            "cpu_seconds": round(seconds, 1),
            "scf": round(report.scf, 4),
            "scf_star": round(report.scf_star, 4),
            "empty_share": round(report.sampling.empty_share, 4),
            "cone_half_angle_deg": None if cone is None else round(cone.half_angle_deg, 1),
        }
        print(json.dumps(line), flush=True)


def drawn(kind: str, n: int) -> Poses:
    """Draw poses: "uniform", "side" all around z, or within so many degrees of z."""
    rng = np.random.default_rng(0)
    phi, psi = rng.uniform(0, 2 * np.pi, n), rng.uniform(0, 360, n)
    lowest = {"uniform": -1.0, "side": 0.0}.get(kind)
    if lowest is None:
        lowest = math.cos(math.radians(float(kind)))
    z = np.zeros(n) if kind == "side" else rng.uniform(lowest, 1, n)
    r = np.sqrt(1 - z * z)
    views = torch.from_numpy(np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1))
    rotations = directions_to_matrices(views, torch.from_numpy(psi)).numpy()
    return Poses(rotations, np.zeros((n, 2)))


if __name__ == "__main__":
    main()
