"""New particle STAR files, and how their numbers are written."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.geometry.euler import matrix_to_euler_zyz_deg
from napari_cryoorient.io.image_names import image_name
from napari_cryoorient.io.star_text import StarBlock, StarFile, quoted, text_table
from napari_cryoorient.particles import CtfParameters, Floats, Integers, Poses

ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
ORIGINS_ANGSTROM = ("rlnOriginXAngst", "rlnOriginYAngst")
ORIGINS_PIXELS = ("rlnOriginX", "rlnOriginY")
CONFIDENCE = "rlnParticleFigureOfMerit"
# What a confidence is made of: that the image shows the particle, and that its pose is right then.
PRESENCE_PROBABILITY = "cryoorientPresenceProbability"
POSE_PROBABILITY = "cryoorientPoseProbability"


def new_particle_star(
    stack_name: str,
    poses: Poses,
    *,
    box: int,
    pixel_size_angstrom: float,
    ctf: CtfParameters | None = None,
    random_subset: Integers | None = None,
) -> StarFile:
    """Make the STAR (RELION 3.1) of a stack just written, particle i being image i + 1.

    Particles that share voltage, spherical aberration and amplitude contrast share an optics
    group. Without ``ctf`` one group with the usual 300 kV, 2.7 mm and 0.1 stands in.
    """
    n = len(poses)
    optics = np.tile([300.0, 2.7, 0.1], (n, 1))
    if ctf is not None:
        optics = np.stack(
            [ctf.voltage_kv, ctf.spherical_aberration_mm, ctf.amplitude_contrast], axis=1
        )
    groups, group_of = np.unique(optics, axis=0, return_inverse=True)
    numbers = [str(i + 1) for i in range(len(groups))]
    optics_table = text_table(
        {
            "rlnOpticsGroup": numbers,
            "rlnOpticsGroupName": [f"opticsGroup{number}" for number in numbers],
            "rlnVoltage": printed(groups[:, 0]),
            "rlnSphericalAberration": printed(groups[:, 1]),
            "rlnAmplitudeContrast": printed(groups[:, 2]),
            "rlnImagePixelSize": printed(np.full(len(groups), pixel_size_angstrom)),
            "rlnImageSize": [str(box)] * len(groups),
            "rlnImageDimensionality": ["2"] * len(groups),
        }
    )
    columns = {
        "rlnImageName": [quoted(image_name(i + 1, stack_name)) for i in range(n)],
        "rlnOpticsGroup": [str(group + 1) for group in group_of.ravel()],
    }
    columns |= pose_columns(poses)
    if ctf is not None:
        columns |= {
            "rlnDefocusU": printed(ctf.defocus_u_angstrom),
            "rlnDefocusV": printed(ctf.defocus_v_angstrom),
            "rlnDefocusAngle": printed(ctf.defocus_angle_deg),
            "rlnPhaseShift": printed(ctf.phase_shift_deg),
            "rlnCtfBfactor": printed(ctf.b_factor_angstrom2),
            "rlnCtfScalefactor": printed(ctf.scale),
        }
    if random_subset is not None:
        columns["rlnRandomSubset"] = [str(int(half)) for half in random_subset]
    particles = StarBlock("particles", text_table(columns))
    return StarFile((StarBlock("optics", optics_table), particles), version="30001")


def pose_columns(poses: Poses) -> dict[str, list[str]]:
    """Return the columns of RELION's angles and of its origins in angstrom."""
    angles = matrix_to_euler_zyz_deg(poses.rotations).reshape(-1, 3)
    columns = {name: printed(angles[:, i]) for i, name in enumerate(ANGLES)}
    for i, name in enumerate(ORIGINS_ANGSTROM):
        columns[name] = printed(-poses.shifts_angstrom[:, i])
    return columns


def printed(values: Floats) -> list[str]:
    """Spell numbers ``(n,)`` with six decimals; raises ValueError if one is not finite."""
    if not np.isfinite(values).all():
        raise ValueError("a number to be written to a STAR file is not finite")
    # Adding 0 after rounding turns -0.000000 into 0.000000.
    return [f"{value:12.6f}" for value in np.round(values, 6) + 0.0]
