"""A map made from code: helices and double strands packed into the lobes of a made-up particle.

Beads (one a residue or nucleotide) sit at ``positions_angstrom`` in x y z from the centre of mass.
The asymmetric particle has a large and a small subunit, a head, a platform and two stalks, so that
no view looks like another; a symmetric one is an asymmetric lobe group copied by the group's
matrices.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_cryoorient.particles import DensityMap, Floats

HELIX_RISE_ANGSTROM = 1.5
HELIX_RADIUS_ANGSTROM = 2.3
HELIX_TURN_DEG = 100.0
DUPLEX_RISE_ANGSTROM = 2.8
DUPLEX_RADIUS_ANGSTROM = 8.0
DUPLEX_TURN_DEG = 32.7
RESIDUE_SPACING_ANGSTROM = 3.8
LONGEST_LOOP_ANGSTROM = 45.0
DUPLEX_WEIGHT = 2.6  # a nucleotide scatters about 2.6 times as much as a residue
MIN_SIGMA_VOXELS = 0.7  # narrower Gaussians alias
BEADS_PER_CHUNK = 4096


@dataclass(frozen=True)
class Beads:
    """Gaussian scatterers: positions ``(n, 3)`` in angstrom (x, y, z) and weights ``(n,)``."""

    positions_angstrom: Floats
    weights: Floats

    @property
    def radius_angstrom(self) -> float:
        """Distance of the outermost bead from the centre."""
        return float(np.linalg.norm(self.positions_angstrom, axis=1).max())


@dataclass(frozen=True)
class Lobe:
    """An ellipsoid filled with rods; lengths in parts of the particle's radius."""

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    yaw_deg: float
    duplex_share: float
    """Share of the rods which are double strands instead of helices."""


ASYMMETRIC_LOBES = (
    Lobe((0.02, 0.06, -0.26), (0.62, 0.56, 0.46), 15.0, 0.55),  # large subunit
    Lobe((-0.10, 0.36, 0.10), (0.24, 0.20, 0.22), 0.0, 0.2),  # its central bulge
    Lobe((0.62, 0.24, -0.10), (0.34, 0.13, 0.13), 28.0, 0.3),  # stalk on one side
    Lobe((-0.66, 0.12, -0.02), (0.22, 0.17, 0.20), -25.0, 0.5),  # knob on the other
    Lobe((0.05, -0.22, 0.42), (0.50, 0.26, 0.24), -20.0, 0.5),  # small subunit's body
    Lobe((-0.34, 0.16, 0.52), (0.25, 0.25, 0.21), 40.0, 0.45),  # its head
    Lobe((-0.60, 0.10, 0.64), (0.20, 0.09, 0.10), 65.0, 0.0),  # its beak
    Lobe((0.46, -0.10, 0.30), (0.20, 0.15, 0.16), 10.0, 0.35),  # its platform
    Lobe((0.28, -0.58, 0.40), (0.11, 0.22, 0.11), -12.0, 0.0),  # its spur
)

SYMMETRIC_UNIT_LOBES = (
    Lobe((0.58, 0.10, 0.20), (0.26, 0.16, 0.20), 20.0, 0.0),
    Lobe((0.46, 0.20, 0.46), (0.20, 0.14, 0.15), -30.0, 0.0),
    Lobe((0.80, -0.10, 0.34), (0.16, 0.10, 0.12), 60.0, 0.0),
    Lobe((0.62, 0.28, 0.66), (0.10, 0.08, 0.18), 0.0, 0.0),
)


@functools.lru_cache(maxsize=8)
def made_particle(
    seed: int = 0, *, symmetry: str = "C1", diameter_angstrom: float = 220.0
) -> Beads:
    """Make the beads of a particle of about ``diameter_angstrom``, the same for the same seed.

    They are kept, as packing them takes half a second, and cannot be written to.

    Raises:
        InputError: for a symmetry no group is known of.

    """
    rng = np.random.default_rng(seed)
    radius = diameter_angstrom / 2
    lobes = ASYMMETRIC_LOBES if symmetry.upper() == "C1" else SYMMETRIC_UNIT_LOBES
    parts = [_fill_lobe(lobe, radius, rng) for lobe in lobes]
    positions = np.concatenate([p.positions_angstrom for p in parts])
    weights = np.concatenate([p.weights for p in parts])
    if symmetry.upper() == "C1":
        beads = Beads(positions - np.average(positions, axis=0, weights=weights), weights)
    else:
        beads = symmetric_copies(Beads(positions, weights), symmetry)
    beads.positions_angstrom.setflags(write=False)
    beads.weights.setflags(write=False)
    return beads


def symmetric_copies(beads: Beads, symmetry: str) -> Beads:
    """Copy the beads by every operation of the group, in RELION's axes."""
    from napari_cryoorient.geometry.symmetry import symmetry_matrices

    group = symmetry_matrices(symmetry).numpy()
    copies = np.einsum("gij,nj->gni", group, beads.positions_angstrom)
    return Beads(copies.reshape(-1, 3), np.tile(beads.weights, len(group)))


def density_from_beads(
    beads: Beads, box: int, pixel_size_angstrom: float, resolution_angstrom: float
) -> DensityMap:
    """Draw the beads as Gaussians of sigma ``0.225 * resolution`` in a cubic map, centre box // 2.

    The map is scaled to a peak of one. Beads whose Gaussian leaves the box are cut at its faces.
    """
    sigma = max(0.225 * resolution_angstrom / pixel_size_angstrom, MIN_SIGMA_VOXELS)
    reach = int(np.ceil(3.5 * sigma))
    size = box + 2 * reach + 2  # a margin, so that no stamp leaves the array
    steps = np.arange(-reach, reach + 1)
    volume = np.zeros(size**3)
    where = beads.positions_angstrom[:, ::-1] / pixel_size_angstrom + box // 2 + reach + 1
    inside = np.all((where >= reach) & (where < size - reach - 1), axis=1)
    where, weights = where[inside], beads.weights[inside]
    for start in range(0, len(where), BEADS_PER_CHUNK):
        chunk = where[start : start + BEADS_PER_CHUNK]
        nearest = np.rint(chunk).astype(np.int64)
        offset = steps - (chunk - nearest)[..., None]  # (n, 3, stamp)
        profile = np.exp(-0.5 * (offset / sigma) ** 2)
        profile[:, 0] *= weights[start : start + BEADS_PER_CHUNK, None]
        z, y, x = (nearest[:, axis, None] + steps for axis in range(3))
        flat = (z[:, :, None, None] * size + y[:, None, :, None]) * size + x[:, None, None, :]
        stamp = np.einsum("nz,ny,nx->nzyx", profile[:, 0], profile[:, 1], profile[:, 2])
        volume += np.bincount(flat.ravel(), stamp.ravel(), minlength=size**3)
    inner = slice(reach + 1, reach + 1 + box)
    voxels = volume.reshape(size, size, size)[inner, inner, inner]
    return DensityMap((voxels / voxels.max()).astype(np.float32), pixel_size_angstrom)


def demo_density(
    box: int = 64,
    pixel_size_angstrom: float = 4.5,
    *,
    seed: int = 0,
    symmetry: str = "C1",
    resolution_angstrom: float | None = None,
) -> DensityMap:
    """Make the demonstration map; the resolution is Nyquist's unless given."""
    resolution = 2 * pixel_size_angstrom if resolution_angstrom is None else resolution_angstrom
    diameter = min(220.0, 0.76 * box * pixel_size_angstrom)
    beads = made_particle(seed, symmetry=symmetry, diameter_angstrom=diameter)
    return density_from_beads(beads, box, pixel_size_angstrom, resolution)


def _fill_lobe(lobe: Lobe, radius_angstrom: float, rng: np.random.Generator) -> Beads:
    """Pack rods that keep their distance into one lobe, and join them by loops."""
    semi_axes = np.array(lobe.semi_axes) * radius_angstrom
    grain = rng.normal(size=3)
    axes: list[Floats] = []
    thicknesses: list[Floats] = []
    positions: list[Floats] = []
    weights: list[Floats] = []
    tree: cKDTree | None = None
    for _ in range(int(300 + 50.0 * semi_axes.prod() / 1000)):
        is_duplex = rng.random() < lobe.duplex_share
        thickness = 7.5 if is_duplex else 3.9
        length = min(rng.uniform(28, 70) if is_duplex else rng.uniform(12, 42), semi_axes.max())
        direction = rng.normal(size=3) + 0.8 * grain
        direction /= np.linalg.norm(direction)
        middle = rng.uniform(-1, 1, size=3) * semi_axes
        axis = middle + np.linspace(-length / 2, length / 2, int(length / 3))[:, None] * direction
        if np.any(np.sum((axis / semi_axes) ** 2, axis=1) > 1):
            continue
        if tree is not None:
            distance, neighbour = tree.query(axis)
            if np.any(distance < thickness + np.concatenate(thicknesses)[neighbour]):
                continue
        if axes:
            loop = _loop(axes[-1][-1], axis[0], rng)
            positions.append(loop)
            weights.append(np.ones(len(loop)))
        axes.append(axis)
        thicknesses.append(np.full(len(axis), thickness))
        tree = cKDTree(np.concatenate(axes))
        rod = _duplex(length) if is_duplex else _helix(length)
        positions.append(middle + rod @ _frame(direction).T)
        weights.append(np.full(len(rod), DUPLEX_WEIGHT if is_duplex else 1.0))
    yaw = np.deg2rad(lobe.yaw_deg)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    placed = np.concatenate(positions) @ turn.T
    return Beads(placed + np.array(lobe.centre) * radius_angstrom, np.concatenate(weights))


def _loop(start: Floats, end: Floats, rng: np.random.Generator) -> Floats:
    """Residues along a bent line from one rod to the next; none where the gap is long."""
    gap = float(np.linalg.norm(end - start))
    if gap > LONGEST_LOOP_ANGSTROM:
        return np.zeros((0, 3))
    bow = rng.normal(size=3) * 0.15 * gap
    along = np.linspace(0, 1, int(gap / RESIDUE_SPACING_ANGSTROM) + 1)[:, None]
    return start + along * (end - start) + 4 * along * (1 - along) * bow


def _helix(length_angstrom: float) -> Floats:
    """Positions of the residues of an alpha helix along z, centred."""
    count = max(int(length_angstrom / HELIX_RISE_ANGSTROM), 3)
    return _screw(count, HELIX_RISE_ANGSTROM, HELIX_RADIUS_ANGSTROM, HELIX_TURN_DEG, 0.0)


def _duplex(length_angstrom: float) -> Floats:
    """Positions of the nucleotides of both strands of a double helix along z, centred."""
    count = max(int(length_angstrom / DUPLEX_RISE_ANGSTROM), 3)
    screw = (count, DUPLEX_RISE_ANGSTROM, DUPLEX_RADIUS_ANGSTROM, DUPLEX_TURN_DEG)
    return np.concatenate([_screw(*screw, 0.0), _screw(*screw, 150.0)])


def _screw(
    count: int, rise_angstrom: float, radius_angstrom: float, turn_deg: float, phase_deg: float
) -> Floats:
    """Points along one strand, a fixed rise and turn apart, their middle at z = 0."""
    step = np.arange(count)
    angle = np.deg2rad(step * turn_deg + phase_deg)
    height = (step - (count - 1) / 2) * rise_angstrom
    ring = radius_angstrom * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.column_stack([ring, height])


def _frame(direction: Floats) -> Floats:
    """Return a rotation whose third column is ``direction``."""
    other = np.eye(3)[np.argmin(np.abs(direction))]
    first = np.cross(other, direction)
    first /= np.linalg.norm(first)
    return np.column_stack([first, np.cross(direction, first), direction])
