"""The frozen data every room works on: maps, poses, CTF parameters, particle sets.

Poses hold RELION's matrix A (map frame to image frame): a point ``p`` of the map, x y z from its
centre, lands at ``(A p)_xy + shift`` in the image, from pixel ``box // 2``.  The shift is where the
object lies, the opposite of RELION's origin; the sign changes in ``io.star`` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Images = NDArray[np.float32]
CtfState = Literal["none", "phase-flipped", "premultiplied"]


@dataclass(frozen=True)
class DensityMap:
    """A cubic, even-sized map ``voxels[z, y, x]``; ``notes`` tell what reading it had to change."""

    voxels: Images
    pixel_size_angstrom: float
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def box(self) -> int:
        """Edge of the map in voxels."""
        return int(self.voxels.shape[0])


@dataclass(frozen=True)
class Poses:
    """Rotations ``(n, 3, 3)`` and shifts ``(n, 2)`` (x, y, angstrom), in the frame above."""

    rotations: Floats
    shifts_angstrom: Floats

    def __len__(self) -> int:
        return len(self.rotations)

    def __getitem__(self, index: Integers | slice) -> Poses:
        return Poses(self.rotations[index], self.shifts_angstrom[index])


@dataclass(frozen=True)
class CtfParameters:
    """Contrast transfer of each particle; every field is ``(n,)``.

    ``b_factor_angstrom2`` and ``scale`` are RELION's rlnCtfBfactor (0: no envelope) and
    rlnCtfScalefactor (1: unscaled); ``even_zernike`` ``(n, c)`` its rlnEvenZernike, or None.
    """

    defocus_u_angstrom: Floats
    defocus_v_angstrom: Floats
    defocus_angle_deg: Floats
    phase_shift_deg: Floats
    voltage_kv: Floats
    spherical_aberration_mm: Floats
    amplitude_contrast: Floats
    b_factor_angstrom2: Floats
    scale: Floats
    even_zernike: Floats | None = None

    def __len__(self) -> int:
        return len(self.defocus_u_angstrom)

    def __getitem__(self, index: Integers | slice) -> CtfParameters:
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return CtfParameters(**{name: c[index] for name, c in columns.items() if c is not None})


class ImageSource(Protocol):
    """Anything that reads particle images by index, in bounded memory."""

    @property
    def box(self) -> int:
        """Edge of the images in pixels; even."""
        ...

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size of the images in angstrom."""
        ...

    def __len__(self) -> int: ...

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices`` as ``(k, box, box)``."""
        ...


@dataclass(frozen=True)
class ArrayImages:
    """Images already in memory, ``(n, box, box)``."""

    images: Images
    pixel_size_angstrom: float

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return int(self.images.shape[-1])

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: Integers) -> Images:
        """Return images ``indices`` as float32."""
        return np.asarray(self.images[indices], dtype=np.float32)


@dataclass(frozen=True)
class SubsetImages:
    """Some of the images of another source, in a chosen order."""

    source: ImageSource
    rows: Integers

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self.source.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self.source.pixel_size_angstrom

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices`` of the subset."""
        return self.source.read(self.rows[indices])


@dataclass(frozen=True)
class NegatedImages:
    """The images of another source with their contrast turned."""

    source: ImageSource

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self.source.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self.source.pixel_size_angstrom

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices``, negated."""
        return -self.source.read(indices)


@dataclass(frozen=True)
class ParticleSet:
    """A stack with what its STAR file says of each particle; row i is particle i everywhere."""

    images: ImageSource
    poses: Poses | None
    ctf: CtfParameters | None
    optics_group: Integers
    names: tuple[str, ...] = ()
    random_subset: Integers | None = None
    ctf_state: CtfState = "none"
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.images)

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self.images.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size of the images in angstrom."""
        return self.images.pixel_size_angstrom

    def subset(self, rows: Integers) -> ParticleSet:
        """Return the particles ``rows``, in that order."""
        return replace(
            self,
            images=SubsetImages(self.images, rows),
            poses=None if self.poses is None else self.poses[rows],
            ctf=None if self.ctf is None else self.ctf[rows],
            optics_group=self.optics_group[rows],
            names=tuple(self.names[i] for i in rows) if self.names else (),
            random_subset=None if self.random_subset is None else self.random_subset[rows],
        )


def median_of_faces(voxels: Images) -> float:
    """Return the median over the six faces of a map ``(z, y, x)``: what lies around it."""
    faces = [np.take(voxels, end, axis).ravel() for axis in range(3) for end in (0, -1)]
    return float(np.median(np.concatenate(faces)))


def without_solvent(voxels: Images) -> Images:
    """Return a map less the median of its faces; a constant carries no orientation."""
    return voxels - np.asarray(median_of_faces(voxels), dtype=voxels.dtype)
