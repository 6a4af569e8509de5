"""RELION's Euler angles and the matrix A, in NumPy alone: reading a STAR file wants no torch.

``A = (Rz(rot) Ry(tilt) Rz(psi))^T`` takes the map's frame to the image's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_AT_ONCE = 1 << 18  # of millions of poses, all steps on the way at once are much memory


def euler_zyz_deg_to_matrix(angles_deg: Floats) -> Floats:
    """Turn RELION's (rot, tilt, psi) ``(..., 3)`` in degrees into matrices A ``(..., 3, 3)``."""
    angles = np.asarray(angles_deg, dtype=np.float64)
    matrices = np.empty((*angles.shape[:-1], 3, 3))
    rows, out = angles.reshape(-1, 3), matrices.reshape(-1, 3, 3)
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        out[part] = _matrices(rows[part])
    return matrices


def _matrices(angles: Floats) -> Floats:
    cosines, sines = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    (cr, ct, cp), (sr, st, sp) = cosines.T, sines.T
    elements = [
        cp * ct * cr - sp * sr, cp * ct * sr + sp * cr, -cp * st,
        -sp * ct * cr - cp * sr, -sp * ct * sr + cp * cr, sp * st,
        st * cr, st * sr, ct,
    ]  # fmt: skip
    return np.stack(elements, axis=-1).reshape(-1, 3, 3)


def matrix_to_euler_zyz_deg(rotations: Floats) -> Floats:
    """Turn matrices A ``(..., 3, 3)`` into (rot, tilt, psi) ``(..., 3)`` in degrees.

    Tilt lies in [0, 180].  At its ends only the sum or the difference of rot and psi is defined,
    and psi is 0.
    """
    matrices = np.asarray(rotations, dtype=np.float64).reshape(-1, 3, 3)
    angles = np.empty((len(matrices), 3))
    for start in range(0, len(matrices), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        angles[part] = _angles(matrices[part])
    return angles.reshape(*np.shape(rotations)[:-2], 3)


def _angles(matrices: Floats) -> Floats:
    # Written out: scipy warns at tilt 0 and 180, where RELION's angles are not unique.
    sin_tilt = np.hypot(matrices[:, 2, 0], matrices[:, 2, 1])
    tilt = np.arctan2(sin_tilt, matrices[:, 2, 2])
    rot = np.arctan2(matrices[:, 2, 1], matrices[:, 2, 0])
    psi = np.arctan2(matrices[:, 1, 2], -matrices[:, 0, 2])
    pole = sin_tilt < 1e-9
    rot_at_pole = np.arctan2(-matrices[:, 1, 0], matrices[:, 1, 1])
    rot = np.where(pole, rot_at_pole, rot)
    psi = np.where(pole, 0.0, psi)
    angles: Floats = np.degrees(np.stack([rot, tilt, psi], axis=-1))
    return angles
