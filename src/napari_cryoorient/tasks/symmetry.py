"""A map's point group, and how it lies against another map: what ``symmetry`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cryoorient.config import SymmetryConfig
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.atomic import refuse_unwritable
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.maps.symmetry import (
    DetectedSymmetry,
    MapAlignment,
    align_maps,
    detect_symmetry,
    turned_map,
)
from napari_cryoorient.maps.symmetry.describe import axes_of_map, describe_alignment, describe_axes
from napari_cryoorient.memory import TURNED, refuse_map_beyond
from napari_cryoorient.reporting import SILENT, Reporter


@dataclass(frozen=True)
class MapSymmetry:
    """What was found of a map: its point group, and how it lies against another one.

    ``described`` says it in lines.
    """

    found: DetectedSymmetry
    alignment: MapAlignment | None
    described: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``symmetry --json`` does."""
        found, lies = self.found, self.alignment
        turn, _ = found.onto_relion()
        figures: dict[str, Any] = {
            "symmetry": found.name,
            "agreement": found.agreement,
            "on_relion_axes": found.is_on_relion_axes,
            "axes": [{"fold": n, "direction": d.tolist()} for n, d in axes_of_map(found)],
            "rotation_onto_relion_axes": turn.tolist(),
            "centre_angstrom": found.centre_angstrom.tolist(),
            "pseudo_symmetry": found.pseudo,
        }
        if lies is not None:
            figures |= {
                "rotation_onto_other": lies.rotation.tolist(),
                "shift_onto_other_angstrom": lies.shift_angstrom.tolist(),
                "angle_deg": lies.angle_deg,
                "correlation": lies.agreement,
                "correlation_next_best": lies.runner_up,
                "correlation_mirrored": lies.mirrored,
            }
        return figures


def symmetry_of_map(
    map_path: Path,
    config: SymmetryConfig = SymmetryConfig(),
    *,
    against: Path | None = None,
    output: Path | None = None,
    pixel_size_angstrom: float | None = None,
    other_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> MapSymmetry:
    """Find a map's point group, and the rotation and shift that bring it onto ``against``.

    ``output`` gets the map turned and moved onto RELION's axes, or onto the other map.
    """
    if output is not None:
        refuse_unwritable(output)
    for path in (map_path, against):
        if path is not None:
            refuse_map_beyond(path, TURNED, "Turning a map")
    density = read_map(map_path, pixel_size_angstrom=pixel_size_angstrom)
    other = None
    if against is not None:
        other = read_map(against, pixel_size_angstrom=other_pixel_size_angstrom)
    for note in density.notes:
        reporter.say(f"Note: {note}")
    found, alignment = detect_symmetry(density, config.largest_fold), None
    turn, shift = found.onto_relion()
    lines = [found.describe(), *(f"  {line}" for line in describe_axes(density, found))]
    if other is not None and against is not None:
        reporter.step(f"Comparing the map with {against.name}")
        group = found.from_relion @ symmetry_matrices(found.name) @ found.from_relion.T
        alignment = align_maps(density, other, group, found.centre_angstrom)
        lines.append(describe_alignment(found, alignment, against.name))
        turn, shift = alignment.rotation, alignment.shift_angstrom
    if output is not None:
        write_map(turned_map(density, turn, shift), output)
        onto = "RELION axes" if against is None else against.name
        lines.append(f"{map_path.name} brought onto {onto}: {output}")
    return MapSymmetry(found, alignment, tuple(lines))
