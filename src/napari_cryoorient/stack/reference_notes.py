"""What is told of a reference as it comes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cryoorient.particles import DensityMap, median_of_faces

# Levels of the solvent, in standard deviations of the map, that are worth a word.
WORTH_TELLING = 0.1


def told_of(density: DensityMap) -> DensityMap:
    """Return the map with a note where its solvent has a level.

    Such a constant is taken off wherever a map is projected (``projection.reference``).
    """
    level = median_of_faces(density.voxels)
    deviation = float(density.voxels.std(dtype=np.float64))
    if not deviation > 0 or abs(level) <= WORTH_TELLING * deviation:
        return density
    note = (
        f"the map's solvent is at {level:.3g} ({level / deviation:+.1f} of its standard "
        "deviations): this constant is taken off"
    )
    return replace(density, notes=(*density.notes, note))
