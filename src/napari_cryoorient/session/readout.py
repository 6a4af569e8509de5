"""What can be said of the particle being looked at, in labels and values."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.particles import Poses
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Inspection, ctf_of

DEGREE, ANGSTROM = "\N{DEGREE SIGN}", "Å"


def readout(data: Data, inspection: Inspection, index: int) -> list[tuple[str, str]]:
    """Return rows of label and value for particle ``index`` of the inspection."""
    if not 0 <= index < len(inspection):
        return []
    row = int(inspection.rows[index])
    rows = [("Particle", _name(data, row))]
    if inspection.errors_deg is not None:
        rows.append(("Angular error", f"{inspection.errors_deg[index]:.1f}{DEGREE}"))
    if inspection.shift_errors_angstrom is not None:
        error = f"{inspection.shift_errors_angstrom[index]:.1f} {ANGSTROM}"
        rows.append(("Shift error", error))
    if inspection.confidence is not None:
        rows.append(("Confidence", f"{inspection.confidence[index]:.3g}"))
    for label, poses in (
        ("True", inspection.true_poses),
        ("Predicted", inspection.predicted_poses),
    ):
        if poses is not None:
            name = "STAR" if inspection.kind in ("poses", "images") else label
            rows += [
                (f"{name} angles", _angles(poses, index)),
                (f"{name} shift", _shift(poses, index)),
            ]
    correlation = correlation_with_projection(data, inspection, index)
    if correlation is not None:
        rows.append(("Correlation", f"{correlation:+.3f}"))
    ctf = ctf_of(data, inspection, index)
    if ctf is not None:
        defocus = (ctf.defocus_u_angstrom[0] + ctf.defocus_v_angstrom[0]) / 2e4
        spread = abs(ctf.defocus_u_angstrom[0] - ctf.defocus_v_angstrom[0]) / 10
        rows.append(("Defocus", f"{defocus:.2f} µm, astigmatism {spread:.0f} nm"))
    return rows


def correlation_with_projection(data: Data, inspection: Inspection, index: int) -> float | None:
    """Correlate a particle with the map's projection at its pose, through its CTF; torch loads.

    None where there is no map, no pose, or no such particle in the stack.
    """
    particles, poses = data.particles, inspection.shown_poses
    row = int(inspection.rows[index])
    if particles is None or data.projector is None or poses is None or row < 0:
        return None
    from napari_cryoorient.io.fourier_resize import fourier_resize
    from napari_cryoorient.simulate import project_chunk

    ctf = ctf_of(data, inspection, index) if particles.ctf_state == "none" else None
    one = Poses(poses.rotations[index : index + 1], poses.shifts_angstrom[index : index + 1])
    projection = project_chunk(data.projector, one, ctf)[0]
    image = particles.images.read(np.array([row]))[0]
    box = min(len(image), len(projection))
    image, projection = (fourier_resize(a[None], box, 2)[0] for a in (image, projection))
    correlation = float(np.corrcoef(image.ravel(), projection.ravel())[0, 1])
    return -correlation if data.is_negated else correlation


def _name(data: Data, row: int) -> str:
    if row < 0:
        return "made from the map"
    names = () if data.particles is None else data.particles.names
    return names[row] if row < len(names) else f"row {row + 1}"


def _angles(poses: Poses, index: int) -> str:
    from napari_cryoorient.geometry.euler import matrix_to_euler_zyz_deg

    angles = matrix_to_euler_zyz_deg(poses.rotations[index : index + 1]).ravel()
    return ", ".join(f"{angle:.1f}" for angle in angles) + DEGREE


def _shift(poses: Poses, index: int) -> str:
    x, y = poses.shifts_angstrom[index]
    return f"{x:+.1f}, {y:+.1f} {ANGSTROM}"
