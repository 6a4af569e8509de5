"""Maps without the structure: what a search finds by chance, it finds with them too.

A decoy keeps the map's symmetry, its mean over all directions, its spread over space and its power
by frequency.  The mean over all directions stays since centred particles of any kind resemble it.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    """Return one decoy, as ``decoy_maps`` does."""
    return decoy_maps(density, group, [seed], box=box)[0]


def decoy_maps(
    density: DensityMap, group: Tensor, seeds: Iterable[int], *, box: int = LARGEST_BOX
) -> tuple[DensityMap, ...]:
    """Return maps of random detail, one a seed, as ``density`` in all but their structure.

    ``group`` ``(g, 3, 3)`` is the symmetry they keep; a box above ``box`` is cropped in Fourier
    space to it.
    """
    if density.box > box:
        density = working_map(density, box)
    voxels = density.voxels.astype(np.float64)
    voxels -= np.median(voxels)
    in_space, in_frequency = _shells(density.box)
    mean = _shell_means(voxels, in_space)
    rest = voxels - mean
    spread, power = _sums(rest**2, in_space), _sums(_power(np.fft.rfftn(rest)), in_frequency)
    turns = group.double().numpy()
    decoys = []
    for seed in seeds:
        detail = np.random.default_rng(seed).standard_normal(voxels.shape)
        detail = _symmetrised(detail, turns)
        # Spread over space and power by frequency are set by turns: each disturbs the other a
        # little.
        for _ in range(_N_ROUNDS):
            detail = detail - _shell_means(detail, in_space)
            detail *= _ratio(spread, detail**2, in_space)
            detail = _with_power(detail, power, in_frequency)
        decoys.append(replace(density, voxels=(mean + detail).astype(np.float32)))
    return tuple(decoys)


def _shells(box: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shell of each voxel ``(box, box, box)``, and of each coefficient of ``rfftn``."""
    radii = radius_of_voxels(box), radius_of_fft(box, 3)
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
    """Return what to multiply values by to give their shells the sums ``wanted`` of squares."""
    below = _sums(there, shells)
    ratio = np.sqrt(np.divide(wanted, below, out=np.zeros_like(wanted), where=below > 0))
    return np.asarray(ratio[shells])


def _power(transform: np.ndarray) -> Floats:
    """Return the power of each coefficient of a half space, its mirror's included."""
    power = np.square(transform.real) + np.square(transform.imag)
    power[..., 1 : (len(transform) + 1) // 2] *= 2
    return np.asarray(power)


def _with_power(volume: Floats, wanted: Floats, shells: np.ndarray) -> Floats:
    """Give the shells of a map's transform the power ``wanted``."""
    transform = np.fft.rfftn(volume)
    ratio = _ratio(wanted, _power(transform), shells)
    return np.asarray(np.fft.irfftn(transform * ratio, s=volume.shape, axes=(0, 1, 2)))


def _symmetrised(volume: Floats, group: Floats) -> Floats:
    """Add up a volume turned by every element ``(g, 3, 3)``, which act on x, y, z."""
    if len(group) == 1:
        return volume
    from scipy.ndimage import affine_transform  # loads slowly, and few searches make a decoy

    total = volume.copy()
    centre = np.full(3, len(volume) // 2, dtype=np.float64)
    for element in group[1:]:
        turn = element[::-1, ::-1]
        total += affine_transform(volume, turn, centre - turn @ centre, order=1, mode="grid-wrap")
    return total
