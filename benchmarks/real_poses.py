"""Whether real particles with poses, but without their map, agree with a map of the others.

    python benchmarks/real_poses.py PARTICLES.star [--box 48] [--nulls 50]

Each particle is left out in turn, the others are back-projected at the poses of the file, and the
projection of that map at the left-out particle's own pose is correlated with it.  A frame, a sign
or an axis read wrongly would leave nothing to correlate.  Beside it: the same with the rotations
transposed, with the shifts turned round, and with the poses dealt out anew among the particles.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_cryoorient import ArrayImages, ParticleSet, Poses
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.maps.backproject import back_project
from napari_cryoorient.maps.solve import solve_map
from napari_cryoorient.maps.stored_sums import AddedUp
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.stack.batches import ParticleBatches

CPU = torch.device("cpu")


def main() -> None:
    """Print the mean correlation, and those of wrong poses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("star", type=Path)
    parser.add_argument("--box", type=int, default=48)
    parser.add_argument("--nulls", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(1)
    particles = cropped(read_particles(options.star)[0], options.box)
    poses = particles.poses
    assert poses is not None
    nyquist = 2 * particles.pixel_size_angstrom
    print(f"{len(particles)} particles, box {options.box}, down to {nyquist:.1f} A")
    print(f"poses of the file: {left_out(particles, poses).mean():+.3f}")
    transposed = Poses(poses.rotations.transpose(0, 2, 1).copy(), poses.shifts_angstrom)
    print(f"rotations transposed: {left_out(particles, transposed).mean():+.3f}")
    turned = Poses(poses.rotations, -poses.shifts_angstrom)
    print(f"shifts turned round: {left_out(particles, turned).mean():+.3f}")
    rng = np.random.default_rng(0)
    dealt = np.array(
        [
            left_out(
                particles,
                Poses(poses.rotations[rng.permutation(len(poses))], poses.shifts_angstrom),
            ).mean()
            for _ in range(options.nulls)
        ]
    )
    print(
        f"rotations dealt out anew, {options.nulls} times: {dealt.mean():+.3f} in the mean, "
        f"{dealt.max():+.3f} at best"
    )


def cropped(particles: ParticleSet, box: int) -> ParticleSet:
    """Return the particles Fourier-cropped to ``box``, each of zero mean and unit variance."""
    batches = ParticleBatches(particles, box, CPU)
    images = batches.images(np.arange(len(particles))).numpy()
    images = images - images.mean(axis=(1, 2), keepdims=True)
    images = images / images.std(axis=(1, 2), keepdims=True)
    return replace(particles, images=ArrayImages(images, batches.pixel_size_angstrom))


def left_out(particles: ParticleSet, poses: Poses) -> np.ndarray:
    """Return each particle's correlation with the map of the others at its own pose, ``(n,)``."""
    particles = replace(particles, poses=poses)
    group, rows = symmetry_matrices("C1"), np.arange(len(particles))
    batches = ParticleBatches(particles, particles.box, CPU)
    figures = []
    for row in rows:
        others = rows[rows != row]
        sums = back_project(particles, group, CPU, rows_of_sets=(others,))
        assert sums is not None
        volume = solve_map(AddedUp(sums.sums), sums.factors, regulariser=0.1).float()
        batch = batches.batch(np.array([row]))
        projector = Projector(volume, pixel_size_angstrom=particles.pixel_size_angstrom)
        expected = projector(batch.rotations, batch.shifts_angstrom, batch.ctf)
        pair = torch.stack([expected.flatten(), batch.images.flatten()]).numpy()
        figures.append(np.corrcoef(pair)[0, 1])
    return np.array(figures)


if __name__ == "__main__":
    main()
