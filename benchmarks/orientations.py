"""``orientations`` on many poses: time on one core, and the figures of analytic cases.

    OMP_NUM_THREADS=1 python benchmarks/orientations.py [--n 300000]

Draws even views, side views, views in a cone, and these with a tenth of even ones, and prints a
line of JSON for each: seconds, SCF, SCF*, the share of directions that is empty, each beside the
integral over the same views, and the missing cone.  A last line sets the cFAR of half-maps whose
signal ends at one radius in a double cone, at another elsewhere, beside the ratio of the areas.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import numpy as np
import torch

from napari_cryoorient import Poses
from napari_cryoorient.diagnosis.conical import conical_correlation
from napari_cryoorient.diagnosis.orientations import orientation_report
from napari_cryoorient.diagnosis.sampling import MOST_VIEWS, RADIUS
from napari_cryoorient.geometry.grids import directions_to_matrices
from napari_cryoorient.geometry.symmetry import symmetry_matrices

# Half angle of the cone (90: the half sphere, 0: side views), part of even views, symmetry.
CASES = (
    (90.0, 0.0, "C1"),
    (90.0, 0.0, "D7"),
    (0.0, 0.0, "C1"),
    (30.0, 0.0, "C1"),
    (60.0, 0.0, "C1"),
    (45.0, 0.1, "C1"),
)


def main() -> None:
    """Report on every case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300_000)
    n = parser.parse_args().n
    torch.set_num_threads(1)
    for half_angle_deg, even_part, symmetry in CASES:
        poses = drawn(half_angle_deg, even_part, n)
        began = time.process_time()
        report = orientation_report(poses, symmetry_matrices(symmetry))
        seconds = time.process_time() - began
        cone = report.sampling.missing_cone
        scf, scf_star, empty = integrals(half_angle_deg, even_part)
        line = {
            "cone_deg": half_angle_deg or "side views",
            "even_part": even_part,
            "symmetry": symmetry,
            "n": n,
            "cpu_seconds": round(seconds, 1),
            "scf": (round(report.scf, 4), round(scf, 4)),
            "scf_star": (round(report.scf_star, 4), round(scf_star, 4)),
            "empty_share": (round(report.sampling.empty_share, 4), round(empty, 4)),
            "missing_cone_deg": None if cone is None else round(cone.half_angle_deg, 1),
        }
        print(json.dumps(line), flush=True)
    box, narrow, wide = 96, 18.0, 40.0
    cfar = conical_correlation(*half_maps(box, narrow, wide), 2.0).cfar
    even = conical_correlation(*half_maps(box, wide, wide), 2.0).cfar
    expected = (narrow + 0.5) / (wide + 0.5)
    print(json.dumps({"cfar": (round(cfar, 4), round(expected, 4)), "of_even": round(even, 4)}))


def drawn(half_angle_deg: float, even_part: float, n: int) -> Poses:
    """Draw poses within so many degrees of z, side views for 0, and a part of them anywhere."""
    rng = np.random.default_rng(0)
    phi, psi = rng.uniform(0, 2 * np.pi, n), rng.uniform(0, 360, n)
    z = rng.uniform(math.cos(math.radians(half_angle_deg)), 1, n) if half_angle_deg else np.zeros(n)
    n_even = round(even_part * n)
    z[:n_even] = rng.uniform(0, 1, n_even)
    r = np.sqrt(1 - z * z)
    views = torch.from_numpy(np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1))
    rotations = directions_to_matrices(views, torch.from_numpy(psi)).numpy()
    return Poses(rotations, np.zeros((n, 2)))


def integrals(half_angle_deg: float, even_part: float) -> tuple[float, float, float]:
    """Return SCF, SCF* and the empty share of infinitely many such views, counted as 10,000.

    Of the views at one tilt b those sample a direction at tilt t whose azimuth p gives
    ``|sin t sin b cos p + cos t cos b| < 1 / (2 R)``.
    """
    edges = np.linspace(0, math.radians(half_angle_deg), 2001)
    of_views = (edges[1:] + edges[:-1]) / 2 if half_angle_deg else np.array([np.pi / 2])
    weight_of_views = np.sin(of_views) / np.sin(of_views).sum()
    tilts = np.linspace(0, np.pi / 2, 4001)
    tilts = (tilts[1:] + tilts[:-1]) / 2
    t, b = tilts[:, None], of_views[None]
    across, along = np.sin(t) * np.sin(b), np.cos(t) * np.cos(b)
    ends = [np.arccos(np.clip((e / (2 * RADIUS) - along) / across, -1, 1)) for e in (-1, 1)]
    counts = ((ends[0] - ends[1]) / np.pi * weight_of_views).sum(1) * MOST_VIEWS
    counts = (1 - even_part) * counts + even_part * MOST_VIEWS / (2 * RADIUS)
    weight, is_full = np.sin(tilts) / np.sin(tilts).sum(), counts >= 1
    part, mean = float(weight[is_full].sum()), float(weight @ counts)
    of_full = weight[is_full] / part
    scf = 1 / float((of_full @ counts[is_full]) * (of_full @ (1 / counts[is_full])))
    scaled = scf / part
    return scf, scaled / (1 + (1 - part) / part * mean * scaled / 2), 1 - part


def half_maps(box: int, narrow: float, wide: float) -> tuple[np.ndarray, np.ndarray]:
    """Return maps whose signal ends at one radius within 45 degrees of z, at another elsewhere."""
    rng = np.random.default_rng(0)
    axis = np.fft.fftfreq(box, 1 / box)
    z, y, x = np.meshgrid(axis, axis, np.fft.rfftfreq(box, 1 / box), indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    end = np.where(np.abs(z) > radius * math.cos(math.radians(45)), narrow, wide)
    signal = np.fft.rfftn(rng.normal(size=(box,) * 3)) * (radius < end) * 30
    noise = (np.fft.rfftn(rng.normal(size=(box,) * 3)) for _ in range(2))
    a, b = (
        np.fft.irfftn(signal + each, s=(box,) * 3, axes=(0, 1, 2)).astype(np.float32)
        for each in noise
    )
    return a, b


if __name__ == "__main__":
    main()
