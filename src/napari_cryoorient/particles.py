"""The frozen data every room works on: maps, poses, CTF parameters, particle sets.

Poses hold RELION's matrix A (map frame to image frame): a point ``p`` of the map, x y z from its
centre, lands at ``(A p)_xy + shift`` in the image, from pixel ``box // 2``.  The shift is where the
object lies, the opposite of RELION's origin; the sign changes in ``io.star`` and nowhere else.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError

LEAST_BOX = 8  # below it no shell of frequencies is left to compare

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Images = NDArray[np.float32]
CtfState = Literal["none", "phase-flipped", "premultiplied"]
# What picks several of n things, as NumPy has it: a slice, numbers, or n times yes or no.
Several = slice | Sequence[int] | NDArray[Any]


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        origin = "" if self.path is None else f", {self.path}"
        pixel = self.pixel_size_angstrom
        return f"DensityMap(box {self.box} voxels, {pixel:.4g} A a voxel{origin})"


@dataclass(frozen=True, eq=False)
class Pose:
    """One rotation ``(3, 3)`` and one shift ``(2,)`` (x, y, angstrom), in the frame above."""

    rotation: Floats
    shift_angstrom: Floats


@dataclass(frozen=True, eq=False, repr=False)
class Poses:
    """Rotations ``(n, 3, 3)`` and shifts ``(n, 2)`` (x, y, angstrom), in the frame above."""

    rotations: Floats
    shifts_angstrom: Floats

    def __len__(self) -> int:
        return len(self.rotations)

    @overload
    def __getitem__(self, index: int) -> Pose: ...
    @overload
    def __getitem__(self, index: Several) -> Poses: ...
    def __getitem__(self, index: int | Several) -> Pose | Poses:
        rotations, shifts = self.rotations[index], self.shifts_angstrom[index]
        return Pose(rotations, shifts) if rotations.ndim == 2 else Poses(rotations, shifts)

    def __iter__(self) -> Iterator[Pose]:
        for index in range(len(self)):
            yield self[index]

    def __repr__(self) -> str:
        return f"Poses({counted(len(self), 'pose')})"


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

    def __getitem__(self, index: Several) -> CtfParameters:
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return CtfParameters(**{name: c[index] for name, c in columns.items() if c is not None})


class PackedNames(Sequence[str]):
    """Names that are kept packed, as those of millions of particles are."""

    @abstractmethod
    def take(self, rows: Integers) -> PackedNames:
        """Return the names of ``rows``, in that order."""


def picked_names(names: Sequence[str], rows: Integers) -> Sequence[str]:
    """Return the names of ``rows``, in that order."""
    if isinstance(names, PackedNames):
        return names.take(rows)
    return tuple(names[row] for row in rows)


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
class DerivedImages:
    """Images made from those of another source as they are read; of its box, pixel and number."""

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
        """Read images ``indices`` of the source and change them."""
        raise NotImplementedError


@dataclass(frozen=True)
class SubsetImages(DerivedImages):
    """Some of the images of another source, in a chosen order."""

    rows: Integers

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices`` of the subset."""
        return self.source.read(self.rows[indices])


@dataclass(frozen=True)
class NegatedImages(DerivedImages):
    """The images of another source with their contrast turned."""

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices``, negated."""
        return -self.source.read(indices)


@dataclass(frozen=True, eq=False)
class Particle:
    """One particle: its image ``(N, N)``, and the rest where it is known.

    ``ctf`` holds one value of each parameter, as arrays of length 1.
    """

    image: Images = field(repr=False)
    pixel_size_angstrom: float
    pose: Pose | None
    ctf: CtfParameters | None
    name: str | None


@dataclass(frozen=True, eq=False, repr=False)
class ParticleSet:
    """A stack with what its STAR file says of each particle; row i is particle i everywhere.

    It indexes and slices as an array does, images unread: one number gives a ``Particle``, all else
    a smaller set.  ``file`` is what a reader keeps of the file the particles come from, for poses
    to be written back into, and ``file_rows`` are their rows in it, None for all.  ``is_empty``
    ``(n,)`` marks images that are known to tell nothing, None where no image is.
    """

    images: ImageSource
    poses: Poses | None
    ctf: CtfParameters | None
    optics_group: Integers
    names: Sequence[str] = ()
    random_subset: Integers | None = None
    ctf_state: CtfState = "none"
    notes: tuple[str, ...] = field(default=())
    file: object | None = None
    file_rows: Integers | None = None
    is_empty: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> Particle: ...
    @overload
    def __getitem__(self, index: Several) -> ParticleSet: ...
    def __getitem__(self, index: int | Several) -> Particle | ParticleSet:
        rows = np.arange(len(self), dtype=np.int64)[index]
        return self.subset(rows) if rows.ndim else self._particle(int(rows))

    def __iter__(self) -> Iterator[Particle]:
        for row in range(len(self)):
            yield self._particle(row)

    def __repr__(self) -> str:
        known = ["no poses" if self.poses is None else "poses"]
        known.append("no CTF" if self.ctf is None else "CTF")
        return (
            f"ParticleSet({counted(len(self), 'particle')}, box {self.box} pixels, "
            f"{self.pixel_size_angstrom:.4g} A a pixel, {', '.join(known)})"
        )

    def _particle(self, row: int) -> Particle:
        return Particle(
            image=self.images.read(np.array([row]))[0],
            pixel_size_angstrom=self.pixel_size_angstrom,
            pose=None if self.poses is None else self.poses[row],
            ctf=None if self.ctf is None else self.ctf[row : row + 1],
            name=self.names[row] if self.names else None,
        )

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
            names=picked_names(self.names, rows) if self.names else (),
            random_subset=None if self.random_subset is None else self.random_subset[rows],
            file_rows=rows if self.file_rows is None else self.file_rows[rows],
            is_empty=None if self.is_empty is None else self.is_empty[rows],
        )

    def usable_rows(self) -> Integers:
        """Return the rows whose images are not known to be empty."""
        if self.is_empty is None:
            return np.arange(len(self), dtype=np.int64)
        return np.flatnonzero(~self.is_empty)

    def spread_rows(self, n: int) -> Integers:
        """Return up to ``n`` usable rows, spread evenly over the stack."""
        usable = self.usable_rows()
        return usable[np.unique(np.linspace(0, len(usable) - 1, n).astype(np.int64))]


def counted(n: int, what: str) -> str:
    """Return a number with its noun: "1 particle", "2 particles"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def refuse_small_box(box: int, what: str) -> None:
    """Raise InputError for a box that has too few frequencies to compare anything in."""
    if box < LEAST_BOX:
        raise InputError(
            f"{what} of {box} pixels a side cannot be compared; {LEAST_BOX} are needed at least."
        )


def median_of_faces(voxels: Images) -> float:
    """Return the median over the six faces of a map ``(z, y, x)``: what lies around it."""
    faces = [np.take(voxels, end, axis).ravel() for axis in range(3) for end in (0, -1)]
    return float(np.median(np.concatenate(faces)))


def without_solvent(voxels: Images) -> Images:
    """Return a map less the median of its faces; a constant carries no orientation."""
    return voxels - np.asarray(median_of_faces(voxels), dtype=voxels.dtype)
