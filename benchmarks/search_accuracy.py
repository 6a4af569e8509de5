"""Global search and local refinement against the limit that noise sets, on simulated particles.

The limit is refinement started at the true poses.  Confidences are set against how many particles
are right within ten degrees.  Without a map the demonstration particle is taken.

    python benchmarks/search_accuracy.py --map MAP --symmetry D7 --box 64 --n 500 --snr 0.1
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from pathlib import Path

import numpy as np
import torch

import napari_cryoorient as nc
from napari_cryoorient import ArrayImages, ParticleSet, Poses
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.confidence import confidence_of
from napari_cryoorient.alignment.refine.local import LocalRefinement, RefinedPoses
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.evaluation import PoseErrors, pose_errors
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    simulated_images,
    working_map,
)

START_DEG, START_ANGSTROM = 10.0, 3.0
CONFIDENCE_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)


def main() -> None:
    """Simulate, search, refine, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", type=Path)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--snr", type=float, nargs="+", default=[0.1])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    density = demo_density(given.box) if given.map is None else nc.read_map(given.map)
    density = working_map(density, given.box)
    group = symmetry_matrices(given.symmetry)
    rows = np.arange(given.n, dtype=np.int64)
    print(f"{torch.get_num_threads()} threads, device {given.device}, {given.n} particles each")
    for snr in given.snr:
        settings = SimulationSettings(n=given.n, snr=snr, shift_sigma_angstrom=5.0, seed=given.seed)
        simulation = draw_simulation(density, settings)
        true = simulation.poses
        images = np.concatenate(list(simulated_images(simulation)))
        particles = ParticleSet(
            ArrayImages(images, density.pixel_size_angstrom), true, simulation.ctf, rows * 0
        )
        likelihood = ParticleLikelihood(density, particles, torch.device(given.device))
        finest = likelihood.field_of_view_angstrom / likelihood.radius
        print(f"SNR {snr:g}, {given.symmetry}, frequencies up to {finest:.1f} A")
        refinement = LocalRefinement(likelihood)
        limit = pose_errors(refined(refinement, true).poses, true, group)
        report("refinement of the true poses", limit, limit, None)
        for title, is_thorough in (("search, once each", False), ("search", True)):
            began = time.perf_counter()
            search = GlobalSearch(likelihood, group, is_thorough=is_thorough)
            found = FoundPoses.joined(list(search.search(rows)))
            speed = given.n / (time.perf_counter() - began)
            title += f" ({search.n_thorough} twice)" if is_thorough else ""
            report(title, pose_errors(found.poses, true, group), limit, speed)
        began = time.perf_counter()
        after = refined(refinement, off_by(true, given.seed))
        speed = given.n / (time.perf_counter() - began)
        title = f"refinement from {START_DEG:.0f} degrees off"
        report(title, pose_errors(after.poses, true, group), limit, speed)
        for title, confidence, poses in (
            ("search", found.confidence, found.poses),
            ("refinement", confidence_of(refinement, after, group), after.poses),
        ):
            reliability(title, confidence, pose_errors(poses, true, group).angles_deg)


def refined(refinement: LocalRefinement, start: Poses) -> RefinedPoses:
    """Refine a whole stack."""
    rows = np.arange(len(start), dtype=np.int64)
    return RefinedPoses.joined(list(refinement.refine(rows, start)))


def off_by(poses: Poses, seed: int) -> Poses:
    """Turn poses by START_DEG about random axes, and shift them at random."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(len(poses), 3, generator=generator, dtype=torch.float64)
    axes = axes / axes.norm(dim=1, keepdim=True)
    turns = rotation_vector_to_matrix(axes * math.radians(START_DEG))
    shifts = torch.randn(len(poses), 2, generator=generator, dtype=torch.float64).numpy()
    return Poses(
        (turns @ torch.from_numpy(poses.rotations)).numpy(),
        poses.shifts_angstrom + START_ANGSTROM * shifts,
    )


def report(title: str, errors: PoseErrors, limit: PoseErrors, speed: float | None) -> None:
    """Print one line of figures."""
    ratio = errors.median_deg / limit.median_deg
    line = (
        f"  {title:<32} median {errors.median_deg:6.2f} deg ({ratio:.3f} of the limit), under 5 "
        f"{errors.fraction_under_5_deg:6.1%}, over 10 {1 - errors.fraction_under_10_deg:6.1%}, "
        f"shift rms {errors.shift_rms_angstrom:5.2f} A"
    )
    print(line + ("" if speed is None else f", {speed:.0f} images/s"), flush=True)


def reliability(title: str, confidence: np.ndarray, angles_deg: np.ndarray) -> None:
    """Print, for bins of confidence, how many particles are right within ten degrees."""
    parts = []
    for low, high in itertools.pairwise(CONFIDENCE_EDGES):
        inside = (confidence >= low) & (confidence < high + (high == 1.0))
        if inside.any():
            right = (angles_deg[inside] < 10).mean()
            parts.append(f"{confidence[inside].mean():.2f}: {right:.2f} (n {inside.sum()})")
    print(f"    confidence of {title}, right within 10 degrees: {'; '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
