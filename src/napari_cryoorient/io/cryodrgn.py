"""Poses and CTF as cryoDRGN takes them: ``pose.pkl`` and ``ctf.pkl``.

``pose.pkl`` is a pair: rotations ``(n, 3, 3)``, RELION's matrices A, and translations ``(n, 2)``,
RELION's origins as fractions of the box. ``ctf.pkl`` holds ``(n, 9)`` float32: box in pixels, pixel
size in angstrom, defocus U and V in angstrom, its angle in degrees, voltage in kV, spherical
aberration in mm, amplitude contrast, phase shift in degrees.
"""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.particles import CtfParameters, Floats, Images, Poses

POSE_FILE, CTF_FILE = "pose.pkl", "ctf.pkl"


def pose_arrays(poses: Poses, box: int, pixel_size_angstrom: float) -> tuple[Images, Floats]:
    """Return rotations ``(n, 3, 3)`` float32 and translations ``(n, 2)`` in parts of the box."""
    field = box * pixel_size_angstrom
    return poses.rotations.astype(np.float32), 0.0 - poses.shifts_angstrom / field


def ctf_array(ctf: CtfParameters, box: int, pixel_size_angstrom: float) -> Images:
    """Return what cryoDRGN wants to know of the CTF of each particle, ``(n, 9)``."""
    n = len(ctf)
    columns = [
        np.full(n, float(box)),
        np.full(n, pixel_size_angstrom),
        ctf.defocus_u_angstrom,
        ctf.defocus_v_angstrom,
        ctf.defocus_angle_deg,
        ctf.voltage_kv,
        ctf.spherical_aberration_mm,
        ctf.amplitude_contrast,
        ctf.phase_shift_deg,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def write_cryodrgn(
    folder: Path | str,
    poses: Poses | None,
    ctf: CtfParameters | None,
    *,
    box: int,
    pixel_size_angstrom: float,
) -> list[Path]:
    """Write what there is of poses and CTF into a folder; return the paths, all or none of them.

    ``box`` and ``pixel_size_angstrom`` are those of the images on disk.
    """
    contents: dict[Path, Any] = {}
    if poses is not None:
        contents[Path(folder) / POSE_FILE] = pose_arrays(poses, box, pixel_size_angstrom)
    if ctf is not None:
        contents[Path(folder) / CTF_FILE] = ctf_array(ctf, box, pixel_size_angstrom)
    with ExitStack() as files:  # both are renamed when both are written
        for path, content in contents.items():
            temporary = files.enter_context(atomic_path(path))
            with temporary.open("wb") as file:
                pickle.dump(content, file)
    return list(contents)
