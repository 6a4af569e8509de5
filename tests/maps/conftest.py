from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    Simulation,
    SimulationSettings,
    draw_simulation,
    simulated_images,
)


@pytest.fixture(scope="session")
def density() -> DensityMap:
    """A lopsided particle of 32 voxels of 8 angstrom."""
    return demo_density(32, 8.0)


def simulated(
    density: DensityMap, n: int, *, with_ctf: bool = True, snr: float | None = None
) -> tuple[Simulation, ParticleSet]:
    """Particles at known poses with shifts, and what they were made from."""
    microscope = Microscope(astigmatism_um=0.3) if with_ctf else None
    settings = SimulationSettings(
        n=n, snr=snr, microscope=microscope, shift_sigma_angstrom=6.0, seed=4
    )
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    rows = np.zeros(n, dtype=np.int64)
    source = ArrayImages(images, density.pixel_size_angstrom)
    return simulation, ParticleSet(source, simulation.poses, simulation.ctf, rows)


def made_symmetric(density: DensityMap, group: torch.Tensor) -> DensityMap:
    """The mean of a map turned by a group that keeps the grid of its voxels."""
    axis = np.arange(density.box) - density.box // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x, y, z]).reshape(3, -1)
    total: NDArray[np.float64] = np.zeros(density.box**3)
    for turn in group.numpy().round().astype(int):
        turned = (turn @ points) % density.box  # -N/2 is N/2
        index = (turned + density.box // 2) % density.box
        total += density.voxels[index[2], index[1], index[0]]
    voxels = (total / len(group)).reshape(density.voxels.shape).astype(np.float32)
    return replace(density, voxels=voxels)
