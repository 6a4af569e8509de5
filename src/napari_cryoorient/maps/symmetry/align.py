"""How one map lies against another: what brings it there, and whether that can be told.

All rotations are tried on a grid with the strongest voxels of the second map; the best are moved by
cross-correlation and refined. The mirror image of the first map goes the same way, for its hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.grids import rotation_grid
from napari_cryoorient.geometry.rotations import angular_distance_deg, rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg
from napari_cryoorient.maps.symmetry.self_rotation import (
    HIGHEST_PART,
    LOWEST_FREQUENCY,
    flattened,
    positions,
)
from napari_cryoorient.particles import DensityMap, Images, median_of_faces, refuse_small_box
from napari_cryoorient.projection.resample import fourier_crop_volume

COMPARED_BOX = 48  # voxels across the smaller of the two fields of view
# So many of the strongest voxels are compared: on the grid, and at the end.
SCAN_POINTS, JUDGE_POINTS = 800, 8000
SPACING_DEG = 10.0
N_REFINED, N_JUDGED = 8, 3
# Placements nearer than this are one.
APART_DEG = 20.0
_POINTS_AT_ONCE = 2**19


@dataclass(frozen=True)
class MapAlignment:
    """What brings a map onto another: a point x of it goes to ``rotation @ x + shift_angstrom``.

    ``rotation`` is ``(3, 3)``, ``shift_angstrom`` ``(3,)`` (x, y, z). ``agreement`` is the
    correlation there, ``runner_up`` that of the best placement elsewhere (turns of the map's own
    group are no other placements) and ``mirrored`` the best of the map's mirror image.
    """

    rotation: Tensor
    shift_angstrom: Tensor
    agreement: float
    runner_up: float
    mirrored: float

    @property
    def angle_deg(self) -> float:
        """How far the map has to be turned."""
        return float(angular_distance_deg(self.rotation, torch.eye(3, dtype=torch.float64)))


def align_maps(
    density: DensityMap, other: DensityMap, group: Tensor, centre_angstrom: Tensor | None = None
) -> MapAlignment:
    """Find what brings ``density``, of symmetry ``group`` ``(g, 3, 3)`` as it lies, onto ``other``.

    The group's rotations are about ``centre_angstrom`` ``(3,)``. Of the equivalent rotations the
    smallest is returned. Both maps are compared within the band that the coarser one has, in
    angstrom: boxes and pixel sizes may differ. Raises InputError for maps too small to compare.
    """
    for each in (density, other):
        refuse_small_box(each.box, "A map")
    overlap = _Overlap(density, other)
    found = _placements(overlap, group)
    mirrored = _placements(_Overlap(_mirror_image(density), other), group[:1])
    best = found[0]
    equivalents = best.rotation @ group.transpose(1, 2)
    identity = torch.eye(3, dtype=torch.float64).expand_as(equivalents)
    smallest = equivalents[int(angular_distance_deg(equivalents, identity).argmin())]
    shift = best.shift
    if centre_angstrom is not None:  # which every equivalent placement takes to the same point
        shift = shift + (best.rotation - smallest) @ centre_angstrom
    return MapAlignment(
        smallest,
        shift,
        best.agreement,
        found[1].agreement if len(found) > 1 else 0.0,
        mirrored[0].agreement,
    )


def turned_map(
    density: DensityMap, rotation: Tensor, shift_angstrom: Tensor | None = None
) -> DensityMap:
    """Turn a map about its centre and move it, cubic splines between voxels.

    What comes from outside the box is filled with the median of its faces.
    """
    from scipy.ndimage import affine_transform  # loads slowly; a search turns no map

    turn = (
        rotation.detach().double().numpy()[::-1, ::-1].T
    )  # of z y x, from the new place to the old
    centre = np.full(3, density.box // 2, dtype=np.float64)
    moved = np.zeros(3)
    if shift_angstrom is not None:
        moved = shift_angstrom.double().numpy()[::-1] / density.pixel_size_angstrom
    voxels = affine_transform(
        density.voxels.astype(np.float64),
        turn,
        centre - turn @ (centre + moved),
        order=3,
        mode="constant",
        cval=median_of_faces(density.voxels),
    )
    return replace(density, voxels=voxels.astype(np.float32), path=None)


@dataclass(frozen=True)
class _Placement:
    rotation: Tensor
    shift: Tensor
    agreement: float


class _Overlap:
    """Correlates two maps at trial placements, in a band that both have."""

    def __init__(self, density: DensityMap, other: DensityMap) -> None:
        fields = [m.box * m.pixel_size_angstrom for m in (density, other)]
        pixel = max(
            density.pixel_size_angstrom, other.pixel_size_angstrom, min(fields) / COMPARED_BOX
        )
        low, high = LOWEST_FREQUENCY / min(fields), HIGHEST_PART / pixel
        self._volume, self._pixel, _ = _filtered(density, pixel, low, high)
        self._other, self._other_pixel, places = _filtered(other, pixel, low, high)
        self._places = places.flip(-1).float() * self._other_pixel  # x y z, angstrom
        inside = self._places.norm(dim=-1) < min(fields) / 2 - 2 * pixel
        values = self._other[inside]
        order = values.abs().argsort(descending=True)
        self._points = self._places[inside][order[:JUDGE_POINTS]]
        self._values = values[order[:JUDGE_POINTS]]

    def at(self, rotations: Tensor, shifts: Tensor, n_points: int = JUDGE_POINTS) -> Tensor:
        """Return correlations ``(r,)`` at rotations ``(r, 3, 3)`` and shifts ``(r, 3)``."""
        points, values = self._points[:n_points], self._values[:n_points]
        size = max(1, _POINTS_AT_ONCE // len(points))
        unit = values / values.norm()
        parts = []
        for start in range(0, len(rotations), size):
            part = slice(start, start + size)
            sampled = self._sampled(points, rotations[part].float(), shifts[part].float())
            parts.append(sampled @ unit / sampled.norm(dim=1).clamp_min(1e-20))
        return torch.cat(parts)

    def best_shift(self, rotation: Tensor) -> Tensor:
        """Return the shift ``(3,)`` in angstrom at which the turned map agrees best, to a voxel."""
        n = self._other.shape[-1]
        turned = self._sampled(
            self._places.flatten(0, 2), rotation[None].float(), torch.zeros(1, 3)
        ).view(n, n, n)
        product = torch.fft.fftn(self._other) * torch.fft.fftn(turned).conj()
        peak = int(torch.fft.ifftn(product).real.argmax())
        zyx = torch.tensor([peak // n**2, peak // n % n, peak % n], dtype=torch.float64)
        zyx = torch.where(zyx > n // 2, zyx - n, zyx)
        return zyx.flip(0) * self._other_pixel

    @property
    def voxel_angstrom(self) -> float:
        """Edge of the voxels that are compared."""
        return self._other_pixel

    def _sampled(self, points: Tensor, rotations: Tensor, shifts: Tensor) -> Tensor:
        """Look up the first map ``(r, p)`` where points ``(p, 3)`` of the second come from."""
        n = self._volume.shape[-1]
        old = (points - shifts[:, None]) @ rotations / self._pixel  # Q^T (x - t), row by row
        grid = (old + n // 2) * (2 / (n - 1)) - 1
        return torch.nn.functional.grid_sample(
            self._volume[None, None], grid[None, :, :, None], align_corners=True
        )[0, 0, :, :, 0]


def _filtered(
    density: DensityMap, pixel: float, low: float, high: float
) -> tuple[Tensor, float, Tensor]:
    """Bring a map to about ``pixel`` angstrom and into a band (1/A): the map, its pixel, places."""
    field = density.box * density.pixel_size_angstrom
    box = min(density.box, 2 * round(field / pixel / 2))
    volume = fourier_crop_volume(torch.from_numpy(density.voxels).double(), box)
    places = positions(box)
    inside = places.norm(dim=-1) < box / 2 - 1
    volume = (volume - volume[~inside].mean()) * inside
    return flattened(volume, low * field, high * field).float(), field / box, places


def _placements(overlap: _Overlap, group: Tensor) -> list[_Placement]:
    """Return placements that are not each other's neighbours or equivalents, best first."""
    grid = rotation_grid(SPACING_DEG).flatten(0, 1)
    scores = overlap.at(grid, torch.zeros(len(grid), 3), SCAN_POINTS)
    tried: list[Tensor] = []
    for index in scores.argsort(descending=True).tolist():
        if all(float(symmetric_distance_deg(t, grid[index], group)) > APART_DEG for t in tried):
            tried.append(grid[index])
        if len(tried) == N_REFINED:
            break
    coarse = [
        _refined(overlap, q, overlap.best_shift(q), SPACING_DEG / 2, 0.8, SCAN_POINTS)
        for q in tried
    ]
    best = sorted(coarse, key=lambda p: -p.agreement)[:N_JUDGED]
    found = sorted(
        (_refined(overlap, p.rotation, p.shift, 0.8, 0.1, JUDGE_POINTS) for p in best),
        key=lambda p: -p.agreement,
    )
    distinct: list[_Placement] = []
    for placement in found:
        if all(
            float(symmetric_distance_deg(p.rotation, placement.rotation, group)) > APART_DEG
            for p in distinct
        ):
            distinct.append(placement)
    return distinct


def _refined(
    overlap: _Overlap,
    rotation: Tensor,
    shift: Tensor,
    first_deg: float,
    last_deg: float,
    n_points: int,
) -> _Placement:
    """Turn and move to where the maps agree best, in steps from ``first_deg`` to ``last_deg``."""
    step_deg, move = first_deg, overlap.voxel_angstrom * first_deg / SPACING_DEG
    unit = torch.cat([torch.zeros(1, 3), torch.eye(3), -torch.eye(3)]).double()
    still = torch.zeros(6, 3, dtype=torch.float64)
    score = -1.0
    while step_deg > last_deg:
        turns = torch.cat([unit, still]) * math.radians(step_deg)
        moves = torch.cat([still[:1], still, unit[1:]]) * move
        rotations, shifts = rotation_vector_to_matrix(turns) @ rotation, shift + moves
        scores = overlap.at(rotations, shifts, n_points)
        index = int(scores.argmax())
        rotation, shift, score = rotations[index], shifts[index], float(scores[index])
        if index == 0:
            step_deg, move = step_deg / 2, move / 2
    return _Placement(rotation, shift, score)


def _mirror_image(density: DensityMap) -> DensityMap:
    """Turn x into -x; the centre stays the centre."""
    voxels: Images = np.roll(density.voxels[:, :, ::-1], 1, axis=2)
    return replace(density, voxels=np.ascontiguousarray(voxels))
