from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.reference_notes import told_of


def test_a_map_whose_solvent_is_at_zero_needs_no_word() -> None:
    density = demo_density(32, 4.0)
    assert told_of(density) is density


def test_a_constant_is_told_of() -> None:
    density = demo_density(32, 4.0)
    deviation = float(density.voxels.std())
    told = told_of(replace(density, voxels=density.voxels + 3 * np.float32(deviation)))
    assert "+3.0 of its standard deviations" in told.notes[-1]
