"""Two half-maps from files, in cones: what ``orientations`` does with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_cryoorient.diagnosis.conical import ConicalCorrelation, conical_correlation
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.maps.masks import molecule_mask
from napari_cryoorient.particles import DensityMap, Images
from napari_cryoorient.tasks.fsc import same_sampling


def conical_of_maps(
    a: DensityMap,
    b: DensityMap,
    *,
    mask: str | Path | DensityMap | None = None,
    say: Callable[[str], None],
) -> ConicalCorrelation:
    """Correlate half-maps in cones, within a mask: a map from 0 to 1, or "auto" for one found.

    Raises InputError where maps and mask are not of one grid.
    """
    a, b = same_sampling(a, b, say)
    soft: Images | None = None
    if mask == "auto":
        mean = sum(each.voxels / each.voxels.std(dtype=np.float64) for each in (a, b))
        soft = molecule_mask(np.asarray(mean, dtype=np.float32), a.pixel_size_angstrom)
        say(f"Mask: found from both half-maps, {soft.mean():.1%} of the box.")
    elif mask is not None:
        given = mask if isinstance(mask, DensityMap) else None
        given = given or read_map(Path(str(mask)), pixel_size_angstrom=a.pixel_size_angstrom)
        soft = given.voxels
        if soft.shape != a.voxels.shape:
            raise InputError(
                f"The mask has {len(soft)} voxels a side, the half-maps {a.box}; make it on their "
                f"grid: {given.path or 'the mask given'}."
            )
    return conical_correlation(a.voxels, b.voxels, a.pixel_size_angstrom, mask=soft)
