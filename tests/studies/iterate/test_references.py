"""What the half-sets of a round are refined against is made ready as any reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cryoorient.io.maps import write_map
from napari_cryoorient.particles import ArrayImages, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.pairing import RunInputs, pair_inputs
from napari_cryoorient.studies.iterate.stages import _parts_to_refine


def test_the_halves_lose_the_noise_around_them_too(tmp_path: Path) -> None:
    small, box = demo_density(24, 4.0), 48
    density = replace(small, voxels=np.pad(small.voxels, (box - 24) // 2))
    random = np.random.default_rng(0)
    images = random.normal(size=(20, box, box)).astype(np.float32)
    particles = ParticleSet(ArrayImages(images, 4.0), None, None, np.zeros(20, dtype=np.int64))
    for half in (1, 2):
        noise = random.normal(size=(box,) * 3).astype(np.float32)
        noisy = density.voxels + np.float32(0.1) * density.voxels.max() * noise
        write_map(replace(density, voxels=noisy), tmp_path / f"reference_half{half}.mrc")
    inputs = RunInputs(**vars(pair_inputs(particles, density)), star=None)  # type: ignore[arg-type]
    for part, _, _ in _parts_to_refine(tmp_path, inputs, seed=0):
        voxels = part.density.voxels
        assert np.abs(voxels[0, 0]).max() < 1e-3 * voxels.max()
