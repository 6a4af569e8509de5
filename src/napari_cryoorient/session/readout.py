"""What can be said of the particle being looked at, in labels and values."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.particles import Floats, Poses
from napari_cryoorient.session.correlations import correlations_of
from napari_cryoorient.session.criteria import figure_of
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Inspection, Source, ctf_of
from napari_cryoorient.session.session import Session

LABELS: dict[Source, str] = {
    "network": "Predicted",
    "network, refined": "Refined",
    "search": "Found",
    "STAR, refined": "Refined",
    "STAR, relaxed": "Relaxed",
    "other file": "B",
}
DEGREE, ANGSTROM = "\N{DEGREE SIGN}", "Å"


def readout(data: Data, inspection: Inspection, index: int) -> list[tuple[str, str]]:
    """Return rows of label and value for particle ``index`` of the inspection."""
    if not 0 <= index < len(inspection):
        return []
    row = int(inspection.rows[index])
    rows = [("Image", name_of(data, row))]
    is_refined_star = inspection.source in ("STAR, refined", "STAR, relaxed")
    is_compared = inspection.source == "other file"
    turned, shifted = "Angular error", "Shift error"
    if is_refined_star:
        turned, shifted = "Turned by", "Shifted by"
    elif is_compared:
        turned, shifted = "Angles differ by", "Shifts differ by"
    if inspection.errors_deg is not None:
        rows.append((turned, figure_of("angular error", inspection.errors_deg[index])))
    if inspection.shift_errors_angstrom is not None:
        rows.append((shifted, figure_of("shift error", inspection.shift_errors_angstrom[index])))
    if inspection.probability_of_a is not None:
        probability = inspection.probability_of_a[index]
        rows.append(("Probability of A", figure_of("probability of A", probability)))
    if inspection.confidence is not None:
        rows.append(("Confidence", figure_of("confidence", inspection.confidence[index])))
    is_own = is_refined_star or inspection.source == "search"  # no label was learned from them
    is_star = is_own or inspection.kind in ("poses", "images")
    known = "STAR" if is_star else inspection.reference.capitalize()
    for label, poses in (
        ("A" if is_compared else known, inspection.true_poses),
        (LABELS[inspection.source], inspection.predicted_poses),
    ):
        if poses is not None:
            rows += [
                (f"{label} angles", _angles(_nearest(inspection, poses, index))),
                (f"{label} shift", _shift(poses, index)),
            ]
    correlation = correlation_of(data, inspection, index)
    if correlation is not None:
        rows.append(("Correlation", figure_of("correlation", correlation)))
    ctf = ctf_of(data, inspection, index)
    if ctf is not None:
        defocus = (ctf.defocus_u_angstrom[0] + ctf.defocus_v_angstrom[0]) / 2e4
        spread = (ctf.defocus_u_angstrom[0] - ctf.defocus_v_angstrom[0]) / 10
        axis = f"{ctf.defocus_angle_deg[0]:.0f}{DEGREE}"
        rows += [("Defocus", f"{defocus:.2f} µm"), ("Astigmatism", f"{spread:.0f} nm at {axis}")]
        if ctf.phase_shift_deg[0]:
            rows.append(("Phase shift", f"{ctf.phase_shift_deg[0]:.1f}{DEGREE}"))
    return rows


def headline_of(session: Session) -> str:
    """Return a line on the current particle: which one, how good, kept or rejected."""
    inspection, index = session.inspection, session.particle
    words = [name_of(session.data, session.row)]
    mark = session.marks.of(session.row)
    if mark is not None:  # before the figures: a narrow window cuts the end
        words.append({"keep": "kept by hand", "reject": "rejected by hand"}[mark])
    elif not session.selection_mask()[index]:
        words.append("dropped by the filter")
    for criterion in inspection.criteria:
        values = inspection.values(criterion)
        if values is not None:
            words.append(f"{criterion} {figure_of(criterion, float(values[index]))}")
    return " · ".join(words)


def correlation_of(data: Data, inspection: Inspection, index: int) -> float | None:
    """Return the correlation of a particle with the map's projection at its pose; torch loads.

    None where there is no map, no pose, or no such particle in the stack.
    """
    if inspection.correlations is not None:
        return float(inspection.correlations[index])
    poses, row = inspection.shown_poses, inspection.rows[index : index + 1]
    if data.particles is None or data.projector is None or poses is None or row[0] < 0:
        return None
    return float(correlations_of(data, poses[np.array([index])], row)[0])


def name_of(data: Data, row: int) -> str:
    """Return what to call a particle: its image's name in the STAR file."""
    if row < 0:
        return "made from the map"
    names = () if data.particles is None else data.particles.names
    return names[row] if row < len(names) else f"row {row + 1}"


def _nearest(inspection: Inspection, poses: Poses, index: int) -> Floats:
    """Return a rotation ``(3, 3)``; of a predicted one the equivalent nearest to the true one.

    Equivalent poses of a symmetric map look alike, their angles do not.
    """
    rotation: Floats = poses.rotations[index]
    if poses is not inspection.predicted_poses or inspection.true_poses is None:
        return rotation
    from napari_cryoorient.geometry.point_groups import point_group
    from napari_cryoorient.geometry.rotation_arrays import nearest_equivalent

    group = point_group(inspection.symmetry)
    return nearest_equivalent(rotation, inspection.true_poses.rotations[index], group)


def _angles(rotation: Floats) -> str:
    from napari_cryoorient.geometry.euler import matrix_to_euler_zyz_deg

    angles = matrix_to_euler_zyz_deg(rotation[None]).ravel()
    return ", ".join(f"{angle:.1f}" for angle in angles) + DEGREE


def _shift(poses: Poses, index: int) -> str:
    x, y = poses.shifts_angstrom[index]
    return f"{x:+.1f}, {y:+.1f} {ANGSTROM}"
