"""A map made ready to be projected: what lies around its molecule is zero."""

from __future__ import annotations

import torch

from napari_cryoorient.particles import DensityMap, without_solvent
from napari_cryoorient.projection.resample import fourier_crop_volume
from napari_cryoorient.projection.shapes import Volume


def reference_volume(density: DensityMap, box: int | None = None) -> Volume:
    """Return a map ``(N, N, N)``, float32, with its solvent at zero, brought to ``box`` voxels.

    A constant carries no orientation, and a projector pads with zeros: around a map whose solvent
    is not zero that makes a cube. The level is the median of the map's six faces. Every projector
    is made from here.
    """
    volume = torch.tensor(without_solvent(density.voxels), dtype=torch.float32)
    return volume if box is None else fourier_crop_volume(volume, box)
