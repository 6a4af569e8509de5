"""Maps that show nothing, to search with: what a search finds by chance, it finds with them too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cryoorient.particles import DensityMap, Floats

LARGEST_BOX = 96  # finer detail decides nothing here


def decoy_of(density: DensityMap, seed: int) -> DensityMap:
    """Return a map with random phases that spreads over space and frequencies as ``density`` does.

    Shell by shell, in space and then in Fourier space, its root mean square is that of the map; no
    detail is where it was.
    """
    from napari_cryoorient.simulation.simulate import working_map

    if density.box > LARGEST_BOX:
        density = working_map(density, LARGEST_BOX)
    voxels = density.voxels.astype(np.float64)
    voxels -= np.median(voxels)
    noise = np.random.default_rng(seed).standard_normal(voxels.shape)
    decoy = _with_spectrum_of(noise, voxels)
    decoy = decoy * _ratio(voxels**2, decoy**2, _radius_of_voxels(density.box))
    return replace(density, voxels=_with_spectrum_of(decoy, voxels).astype(np.float32))


def _with_spectrum_of(volume: Floats, other: Floats) -> Floats:
    ours, theirs = np.fft.fftn(volume), np.fft.fftn(other)
    ratio = _ratio(np.abs(theirs) ** 2, np.abs(ours) ** 2, _radius_of_fft(len(volume)))
    return np.asarray(np.fft.ifftn(ours * ratio).real)


def _ratio(power: Floats, other: Floats, radius: Floats) -> Floats:
    """Return what to multiply by, voxel for voxel, to give ``other``'s shells the other power."""
    shell = np.minimum(radius.round().astype(np.int64), len(radius) // 2).ravel()
    wanted, there = (np.bincount(shell, values.ravel()) for values in (power, other))
    ratio = np.sqrt(np.divide(wanted, there, out=np.zeros_like(wanted), where=there > 0))
    return np.asarray(ratio[shell].reshape(radius.shape))


def _radius_of_voxels(box: int) -> Floats:
    from napari_cryoorient.geometry.fourier_grids import radius_of_voxels

    return np.asarray(radius_of_voxels(box).double().numpy())


def _radius_of_fft(box: int) -> Floats:
    from napari_cryoorient.geometry.fourier_grids import radius_of_fft

    return np.asarray(radius_of_fft(box, 3, is_half=False).double().numpy())
