"""The views of a file of poses judged, and its half-maps in cones: what ``orientations`` does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.config import OrientationsConfig
from napari_cryoorient.diagnosis.conical import ConicalCorrelation, conical_correlation
from napari_cryoorient.diagnosis.orientations import OrientationReport, orientation_report
from napari_cryoorient.diagnosis.pose_files import read_poses
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.particles import DensityMap, Images, Poses
from napari_cryoorient.projection.masks import molecule_mask
from napari_cryoorient.reporting import SILENT, Reporter, Say
from napari_cryoorient.tasks.fsc import same_sampling


def orientations_of_star(
    star_path: Path,
    config: OrientationsConfig = OrientationsConfig(),
    *,
    half_paths: tuple[Path, Path] | None = None,
    mask: str | Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> OrientationReport:
    """Judge the views of a file of poses, and two half-maps; raises InputError."""
    symmetry_matrices(config.symmetry)  # refuses a name before the files are read
    file = read_poses(star_path)
    for note in file.notes_on_poses():
        reporter.say(f"Note: {note}")
    halves = None
    if half_paths is not None:
        pixel = map_pixel_size_angstrom
        first, second = (read_map(path, pixel_size_angstrom=pixel) for path in half_paths)
        halves = first, second
    return orientations_of_poses(file.poses, config, halves=halves, mask=mask, reporter=reporter)


def orientations_of_poses(
    poses: Poses,
    config: OrientationsConfig = OrientationsConfig(),
    *,
    halves: tuple[DensityMap, DensityMap] | None = None,
    mask: str | Path | DensityMap | None = None,
    reporter: Reporter = SILENT,
) -> OrientationReport:
    """Judge the views of poses, and two half-maps, within a mask as ``conical_of_maps`` takes it.

    Raises InputError where maps and mask are not of one grid.
    """
    report = orientation_report(poses, symmetry_matrices(config.symmetry), seed=config.seed)
    if halves is None:
        return report
    reporter.step("Half-maps")
    return report.with_conical(conical_of_maps(*halves, mask=mask, say=reporter.say))


def conical_of_maps(
    a: DensityMap,
    b: DensityMap,
    *,
    mask: str | Path | DensityMap | None = None,
    say: Say,
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
