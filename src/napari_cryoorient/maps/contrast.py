"""Whether a map's molecule is dark: told from the map alone."""

from __future__ import annotations

import numpy as np
import torch

from napari_cryoorient.particles import Images
from napari_cryoorient.projection.resample import lowpass

_LOWPASS_ANGSTROM, _LEAST_LOWPASS_VOXELS = 20.0, 4.0
# Maps of molecules reach 1.2 to 5 within the sphere that touches their box, noise 0.0.
CLEAR_SKEWNESS = 0.5


def looks_inverted(voxels: Images, pixel_size_angstrom: float) -> bool:
    """Tell a clearly dark molecule: it fills the lesser part of the box, so its side is longer.

    ``voxels`` ``(N, N, N)`` are low-passed at 20 angstrom, or four voxels, and their skewness taken
    within the sphere that touches the box.
    """
    box = len(voxels)
    resolution = max(_LOWPASS_ANGSTROM, _LEAST_LOWPASS_VOXELS * pixel_size_angstrom)
    volume = torch.tensor(voxels, dtype=torch.float32)
    smooth = lowpass(volume, resolution, pixel_size_angstrom, n_dimensions=3).numpy()
    squares = (np.arange(box) - box // 2) ** 2
    inside = squares[:, None, None] + squares[:, None] + squares < (box // 2) ** 2
    values = smooth[inside].astype(np.float64)
    deviations = values - values.mean()
    spread = float(np.mean(deviations**2))
    return spread > 0 and float(np.mean(deviations**3)) / spread**1.5 < -CLEAR_SKEWNESS
