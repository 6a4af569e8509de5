"""Sentences about a map's axes: which lies where, how they differ, and against another map."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.maps.symmetry.align import MapAlignment
from napari_cryoorient.maps.symmetry.point_group import DetectedSymmetry, axes_of, name_of_axis
from napari_cryoorient.particles import DensityMap, median_of_faces

# A placement as good as this part of the best is no clear second.
CLEAR_PART = 0.8
# Less than this is no agreement at all.
LEAST_CORRELATION = 0.3
SAME_DEG = 3.0


def axes_of_map(symmetry: DetectedSymmetry) -> list[tuple[int, Tensor]]:
    """Return a map's axes as (fold, unit direction), those of the highest fold first."""
    return [(fold, symmetry.from_relion @ axis) for fold, axis in axes_of(symmetry.name)]


def extent_angstrom(density: DensityMap, direction: Tensor) -> float:
    """Return how far the density reaches along a line through the centre: twice its r.m.s."""
    box = density.box
    strong = density.voxels - median_of_faces(density.voxels)
    strong = np.where(strong > 0.25 * strong.max(), strong, 0.0).astype(np.float64)
    along = np.zeros((box, box, box))
    places = np.arange(box) - box // 2
    for part, axis in zip(direction.tolist(), (2, 1, 0), strict=True):
        along += part * np.expand_dims(places, tuple(a for a in range(3) if a != axis))
    mean_square = (strong * along**2).sum() / max(strong.sum(), 1e-30)
    return float(2 * np.sqrt(mean_square) * density.pixel_size_angstrom)


def describe_axes(density: DensityMap, symmetry: DetectedSymmetry) -> list[str]:
    """Say where the axes lie; equal ones that stand at right angles are told by their extents."""
    lines = []
    axes = axes_of_map(symmetry)
    for fold in sorted({fold for fold, _ in axes}, reverse=True):
        directions = [direction for n, direction in axes if n == fold]
        names = ", ".join(name_of_axis(direction) for direction in directions[:6])
        more = f" and {len(directions) - 6} more" if len(directions) > 6 else ""
        lines.append(f"{fold}-fold: {names}{more}")
    if symmetry.name == "D2":
        reach = sorted(((extent_angstrom(density, d), name_of_axis(d)) for _, d in axes))[::-1]
        told = ", ".join(f"{angstrom:.0f} A along {name}" for angstrom, name in reach)
        lines.append(
            f"the three 2-folds of D2 may be called in any order; the density reaches {told}"
        )
    return lines


def describe_alignment(symmetry: DetectedSymmetry, found: MapAlignment, other: str) -> str:
    """Say how a map is oriented relative to ``other``, and how sure that is."""
    agreement = (
        f"correlation {found.agreement:.2f}, {found.runner_up:.2f} for the next best way, "
        f"{found.mirrored:.2f} for the mirror image"
    )
    if max(found.agreement, found.mirrored) < LEAST_CORRELATION:
        return f"The map is not found in {other} ({agreement}): another molecule?"
    if found.mirrored > found.agreement / CLEAR_PART:
        return f"The map is the mirror image of {other} ({agreement}): it has the opposite hand."
    if found.runner_up > CLEAR_PART * found.agreement:
        return f"The orientation of the map relative to {other} is ambiguous ({agreement})."
    if found.angle_deg < SAME_DEG:
        sentence = f"The map has the orientation of {other} ({agreement})"
    else:
        sentence = f"The map is rotated by {found.angle_deg:.1f} degrees relative to {other}"
        lies = along_other(found.rotation)
        if lies is not None:
            sentence += f": its {lies}"
            if symmetry.name == "D2" and symmetry.is_on_relion_axes:
                sentence += "; D2 is RELION's in both, with the axes permuted"
        sentence += f" ({agreement})"
    if float(found.shift_angstrom.norm()) >= 0.5:
        x, y, z = found.shift_angstrom.tolist()
        sentence += f"; it has to be shifted by ({x:.1f}, {y:.1f}, {z:.1f}) A"
    return sentence + "."


def along_other(rotation: Tensor) -> str | None:
    """Name where x, y and z go, or None where they do not go to axes."""
    named = [name_of_axis(rotation @ axis) for axis in torch.eye(3, dtype=rotation.dtype)]
    if any(name not in ("x", "y", "z") for name in named):
        return None
    x, y, z = named
    return f"x lies along that map's {x}, its y along {y}, its z along {z}"
