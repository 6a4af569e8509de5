"""Maps without the structure: what a search finds by chance, it finds with them too.

A decoy keeps the map's symmetry, its mean over all directions, its spread over space and its power
by frequency.  The mean over all directions stays since centred particles of any kind resemble it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import radius_of_fft, radius_of_voxels
from napari_cryoorient.particles import DensityMap, Floats
from napari_cryoorient.simulation.simulate import working_map

# Finer detail decides nothing here.
LARGEST_BOX = 96
_N_ROUNDS = 3


def decoy_map(
    density: DensityMap, group: Tensor, seed: int, *, box: int = LARGEST_BOX
) -> DensityMap:
    """Return a map of random detail, as ``density`` in all but its structure.

    ``group`` ``(g, 3, 3)`` is the symmetry it keeps; a box above ``box`` is cropped in Fourier
    space to it.
    """
    if density.box > box:
        density = working_map(density, box)
    voxels = density.voxels.astype(np.float64)
    voxels -= np.median(voxels)
    in_space, in_frequency = _shells(density.box)
    mean = _shell_means(voxels, in_space)
    rest = voxels - mean
    detail = np.random.default_rng(seed).standard_normal(voxels.shape)
    detail = _symmetrised(detail, group.double().numpy())
    # Spread over space and power by frequency are set by turns: each disturbs the other a little.
    for _ in range(_N_ROUNDS):
        detail = detail - _shell_means(detail, in_space)
        detail = detail * _ratio(rest**2, detail**2, in_space)
        detail = _with_power_of(detail, rest, in_frequency)
    return replace(density, voxels=(mean + detail).astype(np.float32))


def _shells(box: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shell of each voxel and of each coefficient ``(box, box, box)``."""
    radii = radius_of_voxels(box), radius_of_fft(box, 3, is_half=False)
    in_space, in_frequency = (
        np.minimum(radius.numpy().round().astype(np.int64), box // 2) for radius in radii
    )
    return in_space, in_frequency


def _sums(values: Floats, shells: np.ndarray) -> Floats:
    return np.asarray(np.bincount(shells.ravel(), values.ravel()))


def _shell_means(values: Floats, shells: np.ndarray) -> Floats:
    means = _sums(values, shells) / np.maximum(np.bincount(shells.ravel()), 1)
    return np.asarray(means[shells])


def _ratio(wanted: Floats, there: Floats, shells: np.ndarray) -> Floats:
    """Return what to multiply amplitudes by to give their shells another power."""
    above, below = _sums(wanted, shells), _sums(there, shells)
    ratio = np.sqrt(np.divide(above, below, out=np.zeros_like(above), where=below > 0))
    return np.asarray(ratio[shells])


def _with_power_of(volume: Floats, other: Floats, shells: np.ndarray) -> Floats:
    ours, theirs = np.fft.fftn(volume), np.fft.fftn(other)
    ratio = _ratio(np.abs(theirs) ** 2, np.abs(ours) ** 2, shells)
    return np.asarray(np.fft.ifftn(ours * ratio).real)


def _symmetrised(volume: Floats, group: Floats) -> Floats:
    """Add up a volume turned by every element ``(g, 3, 3)``, which act on x, y, z."""
    from scipy.ndimage import affine_transform  # loads slowly, and few searches make a decoy

    total = volume.copy()
    centre = np.full(3, len(volume) // 2, dtype=np.float64)
    for element in group[1:]:
        turn = element[::-1, ::-1]
        total += affine_transform(volume, turn, centre - turn @ centre, order=1, mode="grid-wrap")
    return total
