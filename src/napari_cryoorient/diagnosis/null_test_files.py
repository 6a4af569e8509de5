"""Particles and a map of two files beside their nulls: what ``null-test`` does."""

from __future__ import annotations

from pathlib import Path

from napari_cryoorient.config import NullTestConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.null_test import NullTest, null_test_inputs
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.memory import SEARCHED
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.pairing import load_inputs


def null_test_of_star(
    star_path: Path,
    map_path: Path,
    config: NullTestConfig = NullTestConfig(),
    *,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> NullTest:
    """Read stack and map, and test them as ``null_test_inputs``, which says what it raises."""
    device = choose_device(config.device)
    symmetry_matrices(config.symmetry)  # refuses a name before the files are read
    inputs = load_inputs(
        star_path,
        map_path,
        invert_contrast=config.invert_contrast,
        project_dir=project_dir,
        map_pixel_size_angstrom=map_pixel_size_angstrom,
        bytes_a_voxel=SEARCHED,
    )
    return null_test_inputs(inputs, device, config, reporter=reporter)
