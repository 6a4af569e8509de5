"""How far predicted poses are from true ones: in degrees, in angstrom, and in their projections."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from napari_cryoorient.geometry.rotation_arrays import symmetric_distance_deg
from napari_cryoorient.particles import Floats, Poses

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cryoorient.projection.fourier_slice import Projector


@dataclass(frozen=True)
class PoseErrors:
    """Errors of each particle ``(n,)``; the summary figures are its properties.

    Angles are the smallest over the equivalent poses of the symmetry group (eq. 11); shift errors
    are the lengths of the differences of the in-plane shifts.
    """

    angles_deg: Floats
    shifts_angstrom: Floats

    @property
    def median_deg(self) -> float:
        """Median angular error."""
        return float(np.median(self.angles_deg))

    @property
    def mean_deg(self) -> float:
        """Mean angular error."""
        return float(np.mean(self.angles_deg))

    @property
    def fraction_under_5_deg(self) -> float:
        """Fraction of particles with an angular error below 5 degrees."""
        return float(np.mean(self.angles_deg < 5))

    @property
    def fraction_under_10_deg(self) -> float:
        """Fraction of particles with an angular error below 10 degrees."""
        return float(np.mean(self.angles_deg < 10))

    @property
    def shift_rms_angstrom(self) -> float:
        """Root mean square of the shift errors."""
        return float(np.sqrt(np.mean(self.shifts_angstrom**2)))

    @property
    def shift_median_angstrom(self) -> float:
        """Median of the shift errors."""
        return float(np.median(self.shifts_angstrom))

    def summary(self) -> dict[str, float]:
        """Return the figures by name, with the number of particles as ``n``."""
        return {
            "n": len(self.angles_deg),
            "median_deg": self.median_deg,
            "mean_deg": self.mean_deg,
            "fraction_under_5_deg": self.fraction_under_5_deg,
            "fraction_under_10_deg": self.fraction_under_10_deg,
            "shift_rms_angstrom": self.shift_rms_angstrom,
            "shift_median_angstrom": self.shift_median_angstrom,
        }


def pose_errors(predicted: Poses, true: Poses, group: ArrayLike) -> PoseErrors:
    """Compare poses row by row under a symmetry group ``(g, 3, 3)``.

    Raises:
        ValueError: if the two do not hold equally many poses, or none.

    """
    if len(predicted) != len(true) or not len(true):
        raise ValueError(f"{len(predicted)} predicted poses against {len(true)} true ones")
    angles = symmetric_distance_deg(predicted.rotations, true.rotations, np.asarray(group))
    differences = predicted.shifts_angstrom - true.shifts_angstrom
    return PoseErrors(angles, np.hypot(differences[:, 0], differences[:, 1]))


@dataclass(frozen=True)
class ReprojectionErrors:
    """Differences between projections at predicted and at true poses.

    ``rmse`` is the root mean square over the pixels of all images (eq. 16, per pixel), in the
    map's grey values; ``relative_rmse`` is the same divided by the standard deviation of the true
    projections; ``per_image_relative`` ``(n,)`` is that of each image alone, over the same
    standard deviation.
    """

    rmse: float
    relative_rmse: float
    per_image_relative: Floats


def reprojection_rmse(
    projector: Projector,
    predicted: Poses,
    true: Poses,
    *,
    include_shifts: bool = False,
    batch_size: int = 64,
) -> ReprojectionErrors:
    """Compare the simplified projections (no CTF, no noise) at two sets of poses (eq. 16).

    As in the paper both are projected at the true shift, which then has no part in the
    difference; ``include_shifts`` takes each at its own.  Runs on the projector's device, in
    batches.

    Raises:
        ValueError: if the two do not hold equally many poses, or none.

    """
    import torch  # which a comparison of poses alone has no use for

    if len(predicted) != len(true) or not len(true):
        raise ValueError(f"{len(predicted)} predicted poses against {len(true)} true ones")
    like = projector.transform

    def project(rotations: Floats, shifts: Floats | None) -> Tensor:
        images: Tensor = projector(
            torch.tensor(rotations).to(like),
            None if shifts is None else torch.tensor(shifts).to(like),
        )
        return images.flatten(1).to(like.dtype if like.device.type == "mps" else torch.float64)

    squares = np.zeros(len(true))
    total, total_square = 0.0, 0.0
    for start in range(0, len(true), batch_size):
        rows = slice(start, start + batch_size)
        relative = predicted.shifts_angstrom[rows] - true.shifts_angstrom[rows]
        with torch.no_grad():
            reference = project(true.rotations[rows], None)
            images = project(predicted.rotations[rows], relative if include_shifts else None)
        squares[rows] = (images - reference).square().mean(1).cpu().numpy()
        total += float(reference.mean(1).sum())
        total_square += float(reference.square().mean(1).sum())
    mean = total / len(true)
    deviation = math.sqrt(max(total_square / len(true) - mean * mean, 0.0))
    scale = deviation if deviation > 0 else math.nan
    rmse = math.sqrt(float(squares.mean()))
    return ReprojectionErrors(rmse, rmse / scale, np.sqrt(squares) / scale)
