"""A reference as it comes, made ready to be compared: what is not its molecule, and what is said.

A constant is taken off wherever a map is projected (``projection.reference``) and only told of
here.  Noise that fills the box around a molecule is masked away: it would be taken for part of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from napari_cryoorient.particles import DensityMap, Images, median_of_faces
from napari_cryoorient.projection.masks import molecule_mask

# Levels of the solvent, in standard deviations of the map, that are worth a word.
WORTH_TELLING = 0.1
# Noise is looked for between these parts of the way from the middle of the box to its faces.
EDGE = (0.8, 0.97)
# It is masked away where it has this part of the molecule's deviation; a first look, at the whole
# map, is content with less.
NOISY, MAY_BE_NOISY = 0.1, 0.04
# Noise is as strong near the faces as nearer to the molecule, within the first factor, and most of
# its voxels are: its deviation is that of a Gaussian with its median, within the second.  A piece
# of density apart from the rest is not.
ALIKE, GAUSSIAN = 2.0, 1.5
# Masks are found in boxes no larger than this.
MASK_BOX = 96


def clean_reference(density: DensityMap) -> DensityMap:
    """Return a map with noise around its molecule masked away; notes say what was found."""
    level = median_of_faces(density.voxels)
    deviation = float(density.voxels.std(dtype=np.float64))
    notes = list(density.notes)
    if deviation > 0 and abs(level) > WORTH_TELLING * deviation:
        notes.append(
            f"the map's solvent is at {level:.3g} ({level / deviation:+.1f} of its standard "
            "deviations): this constant is taken off"
        )
    mask = _mask_in_noise(density, level, deviation)
    voxels = density.voxels
    if mask is not None:
        voxels = ((voxels - level) * mask).astype(np.float32)
        notes.append(
            "noise fills the map's box around its molecule: it is masked away, with a soft edge "
            f"(the mask holds {mask.mean():.0%} of the box)"
        )
    return replace(density, voxels=voxels, notes=tuple(notes))


def _mask_in_noise(density: DensityMap, level: float, deviation: float) -> Images | None:
    """Return a mask ``(N, N, N)`` of the molecule if noise fills the box around it, else None."""
    n = density.box
    if n < 16 or deviation == 0 or n != density.voxels.shape[0]:
        return None
    size = min(n, MASK_BOX)
    small = _resized(density.voxels - np.float32(level), size, "area")
    axis = (np.arange(size) + 0.5 - size / 2) / (size / 2)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    is_edge = (radius > EDGE[0]) & (radius < EDGE[1])
    if _typical(small[is_edge]) < MAY_BE_NOISY * deviation:
        return None
    mask = molecule_mask(small, density.pixel_size_angstrom * n / size)
    outside = (mask < 0.01) & (radius < EDGE[1])
    inside, at_edge = mask > 0.5, outside & is_edge
    if not at_edge.any() or not inside.any() or at_edge.sum() < 0.5 * is_edge.sum():
        return None
    around, edge = _typical(small[outside]), _typical(small[at_edge])
    if around < NOISY * float(small[inside].std()) or not around / ALIKE < edge < around * ALIKE:
        return None
    if _rms(small[outside]) > GAUSSIAN * around:
        return None
    return _resized(mask, n, "trilinear").clip(0, 1)


def _rms(values: Images) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _typical(values: Images) -> float:
    """Return the deviation of a Gaussian about zero with the same median size."""
    return 1.4826 * float(np.median(np.abs(values)))


def _resized(voxels: Images, size: int, mode: str) -> Images:
    """Bring a volume ``(n, n, n)`` to another number of voxels over the same field of view."""
    if size == voxels.shape[0]:
        return np.asarray(voxels, dtype=np.float32)
    volume = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))[None, None]
    resized = torch.nn.functional.interpolate(volume, size=(size,) * 3, mode=mode)
    return resized[0, 0].numpy()
