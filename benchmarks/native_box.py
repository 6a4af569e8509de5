"""Search and refinement in the box that the particles came in, against the limit of the whole band.

The limit is refinement started at the true poses with every frequency up to Nyquist.  Two more rows
are controls: the same start in the band that the stack is found to hold, and in that of a box of
128 pixels, to which 0.1.0 brought all images.

    python benchmarks/native_box.py MODEL --box 256 --pixel-size 1.3 --n 48 --snr 0.1
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

import napari_cryoorient as nc
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.local import LocalRefinement, RefinedPoses
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import DensityMap, ParticleSet, Poses
from napari_cryoorient.stack.pairing import pair_inputs

# The box that 0.1.0 refined in.
EARLIER_BOX = 128


def main() -> None:
    """Simulate, search, refine, and print one line of JSON for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a map or an atomic model")
    parser.add_argument("--box", type=int, default=256)
    parser.add_argument("--pixel-size", type=float, default=1.3)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--n", type=int, default=48)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-limit", action="store_true", help="search and refine alone")
    given = parser.parse_args()
    density = nc.read_map(given.model, pixel_size_angstrom=given.pixel_size, box=given.box)
    made = nc.simulate(density, given.n, snr=given.snr, shift_sigma_angstrom=5.0, seed=given.seed)
    assert made.poses is not None
    device = torch.device(given.device)
    bench = Bench(density, made, made.poses, symmetry_matrices(given.symmetry), device)
    nyquist = given.box / 2 - 1
    bands = {
        "whole band": nyquist,
        "the band found": None,
        f"band of {EARLIER_BOX} pixels": EARLIER_BOX / 2 - 1,
    }
    for name, radius in {} if given.no_limit else bands.items():
        bench.row(f"refined from the truth, {name}", partial(bench.from_truth, radius))
    settings = {"symmetry": given.symmetry, "device": given.device}
    found: list[ParticleSet] = []

    def search() -> Poses | None:
        found.append(nc.search(made, density, **settings).particles)
        return found[0].poses

    bench.row("search", search)
    bench.row(
        "search, then refine",
        lambda: nc.refine(found[0], density, **settings).particles.poses,
    )


class Bench:
    """Particles of ``true`` poses, and the map that they are compared with."""

    def __init__(
        self,
        density: DensityMap,
        particles: ParticleSet,
        true: Poses,
        group: torch.Tensor,
        device: torch.device,
    ) -> None:
        self._inputs = pair_inputs(particles, density)
        self._true, self._group, self._device = true, group, device

    def row(self, name: str, poses_of: Callable[[], Poses | None]) -> None:
        """Print the errors of poses, the seconds that they took, and the peak of memory so far."""
        began = time.perf_counter()
        poses = poses_of()
        seconds = time.perf_counter() - began
        assert poses is not None
        errors = pose_errors(poses, self._true, self._group)
        figures = {
            "median_deg": errors.median_deg,
            "mean_deg": errors.mean_deg,
            "over_10_deg": float(np.mean(errors.angles_deg > 10)),
            "seconds": seconds,
            "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }
        print(json.dumps({"way": name} | {k: round(v, 4) for k, v in figures.items()}), flush=True)

    def from_truth(self, radius: float | None) -> Poses:
        """Refine in a band, started at the true poses."""
        likelihood = ParticleLikelihood(
            self._inputs.density, self._inputs.particles, self._device, radius=radius
        )
        rows = np.arange(len(self._true), dtype=np.int64)
        refinement = LocalRefinement(likelihood, self._group)
        finest = likelihood.field_of_view_angstrom / likelihood.radius
        print(json.dumps({"finest_angstrom": round(finest, 2)}))
        return RefinedPoses.joined(list(refinement.refine(rows, self._true))).poses


if __name__ == "__main__":
    main()
