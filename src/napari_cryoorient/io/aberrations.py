"""What lenses do beyond defocus, as RELION 3.1 writes it, and images freed from it.

An image's frequency k holds the ideal image's frequency M k (``rlnMagMat``), where odd aberrations
have turned its phase: ``exp(i phi)``, ``phi = sum c Z(k) - 2 pi Cs lambda^2 |k|^2 (tilt k)``
(``rlnOddZernike``, ``rlnBeamTiltX/Y``).  Both are undone; even aberrations (``rlnEvenZernike``)
belong to the CTF.  Checked against relion_reconstruct and relion_project (docs/conventions.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.zernike import zernike_sum
from napari_cryoorient.io.fourier_resize import interpolation_matrix
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.particles import (
    DerivedImages,
    Floats,
    Images,
    ImageSource,
    Integers,
)

_MAGNIFICATION = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")
_BEAM_TILT = ("rlnBeamTiltX", "rlnBeamTiltY")
_ODD, _EVEN = "rlnOddZernike", "rlnEvenZernike"
_MICROSCOPE = ("rlnVoltage", "rlnSphericalAberration")
# What RELION would use and we do not.
_UNUSED = ("rlnMtfFileName",)


@dataclass(frozen=True)
class Lens:
    """What one optics group's lenses do: magnification ``(2, 2)`` and odd aberrations."""

    magnification: Floats
    odd_zernike: Floats
    beam_tilt_mrad: Floats
    voltage_kv: float
    spherical_aberration_mm: float

    @property
    def is_distorting(self) -> bool:
        """Whether the magnification is not the same in all directions."""
        return not np.array_equal(self.magnification, np.eye(2))

    @property
    def turns_phases(self) -> bool:
        """Whether there are odd aberrations."""
        return bool(self.odd_zernike.any() or self.beam_tilt_mrad.any())

    def phases(self, box: int, pixel_size_angstrom: float) -> Floats:
        """Return how far phases are turned, in radian, ``(box, box // 2 + 1)``."""
        kx = np.fft.rfftfreq(box, pixel_size_angstrom)[None, :]
        ky = np.fft.fftfreq(box, pixel_size_angstrom)[:, None]
        x, y = np.broadcast_arrays(kx, ky)
        turned: Floats = zernike_sum(self.odd_zernike, x, y, is_odd=True)
        if self.beam_tilt_mrad.any():
            import torch  # here: a STAR file opens without it

            from napari_cryoorient.geometry.wavelength import electron_wavelength_angstrom

            voltage = torch.tensor(self.voltage_kv, dtype=torch.float64)
            wavelength = float(electron_wavelength_angstrom(voltage))
            spherical_angstrom = self.spherical_aberration_mm * 1e7
            along_tilt = 1e-3 * (self.beam_tilt_mrad[0] * kx + self.beam_tilt_mrad[1] * ky)
            strength = 2 * np.pi * spherical_angstrom * wavelength**2
            turned = turned - strength * (kx**2 + ky**2) * along_tilt
        return turned

    def corrected(self, images: Images, pixel_size_angstrom: float) -> Images:
        """Return images ``(k, N, N)`` as lenses without these faults would have made them."""
        if self.is_distorting:
            images = transformed(images, self.magnification.T)
        return self._turned(images, pixel_size_angstrom, -1.0)

    def distorted(self, images: Images, pixel_size_angstrom: float) -> Images:
        """Return ideal images ``(k, N, N)`` as these lenses make them."""
        images = self._turned(images, pixel_size_angstrom, 1.0)
        if self.is_distorting:
            images = transformed(images, _inverse(self.magnification.T))
        return images

    def _turned(self, images: Images, pixel_size_angstrom: float, sign: float) -> Images:
        if not self.turns_phases:
            return images
        box = images.shape[-1]
        turn = np.exp(1j * sign * self.phases(box, pixel_size_angstrom)).astype(np.complex64)
        made = np.fft.irfft2(np.fft.rfft2(images) * turn, s=(box, box))
        return np.asarray(made, dtype=np.float32)


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def transformed(images: Images, matrix: Floats) -> Images:
    """Look images ``(k, N, N)`` up at ``matrix @ (x, y)`` from their centre, edges joined.

    The matrix is near one; it is a shift and a stretch along y, then along x, each by
    trigonometric interpolation.
    """
    (a, b), (c, d) = matrix
    box = images.shape[-1]
    axis = np.arange(box) - box // 2
    along_y = np.swapaxes(images, 1, 2)  # lines of one x
    along_y = _stretched(_moved(along_y, c / a * axis), d - b * c / a)
    return _stretched(_moved(np.swapaxes(along_y, 1, 2), b * axis), a)


def _moved(lines: Images, pixels: Floats) -> Images:
    """Look line i of ``(k, l, N)`` up ``pixels[i]`` further on."""
    if not pixels.any():
        return lines
    n = lines.shape[-1]
    ramp = np.exp(2j * np.pi * np.outer(pixels, np.arange(n // 2 + 1)) / n).astype(np.complex64)
    return np.asarray(np.fft.irfft(np.fft.rfft(lines) * ramp, n), dtype=np.float32)


def _stretched(lines: Images, factor: float) -> Images:
    """Look lines ``(..., N)`` up at ``factor`` times their places from the centre."""
    n = lines.shape[-1]
    matrix = interpolation_matrix(n, n, 1.0, factor, is_periodic=True)
    return np.asarray(lines @ matrix.T, dtype=np.float32)


@dataclass(frozen=True)
class CorrectedImages(DerivedImages):
    """Images of another source, freed from what their lenses did: ``lens_of`` ``(n,)`` is whose."""

    lenses: Sequence[Lens]
    lens_of: Integers

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices``, corrected."""
        images = self.source.read(indices)
        of = self.lens_of[np.asarray(indices)]
        for number in np.unique(of):
            rows = of == number
            lens = self.lenses[number]
            with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite stay so
                images[rows] = lens.corrected(images[rows], self.pixel_size_angstrom)
        return images


@dataclass(frozen=True)
class Lenses:
    """The lenses of a file's particles: ``lens_of`` ``(n,)`` says which of them are whose."""

    lenses: tuple[Lens, ...]
    lens_of: Integers

    def correcting(self, images: ImageSource) -> ImageSource:
        """Return images that are corrected as they are read; as they are where nothing is wrong."""
        if not any(lens.is_distorting or lens.turns_phases for lens in self.lenses):
            return images
        return CorrectedImages(images, self.lenses, self.lens_of)

    def distorting(self, chunks: Iterable[Images], pixel_size_angstrom: float) -> Iterator[Images]:
        """Yield chunks ``(k, N, N)`` of all particles in their order, as the lenses make them."""
        first = 0
        for images in chunks:
            of, made = self.lens_of[first : first + len(images)], images.copy()
            for number in np.unique(of):
                rows = of == number
                made[rows] = self.lenses[number].distorted(images[rows], pixel_size_angstrom)
            first += len(images)
            yield made

    def ideal_shifts(self, shifts_angstrom: Floats) -> Floats:
        """Return where objects at ``(n, 2)`` of the images lie once these are corrected."""
        return self._moved(shifts_angstrom, _inverse)

    def image_shifts(self, ideal_shifts_angstrom: Floats, rows: Integers | None = None) -> Floats:
        """Return where objects at ``(n, 2)`` of corrected images lie in those on disk."""
        return self._moved(ideal_shifts_angstrom, lambda matrix: matrix, rows)

    def _moved(
        self,
        shifts: Floats,
        of: Callable[[Floats], Floats],
        rows: Integers | None = None,
    ) -> Floats:
        matrices = np.stack([of(lens.magnification) for lens in self.lenses])
        lens_of = self.lens_of if rows is None else self.lens_of[rows]
        # x = M^T p for columns, so that rows are multiplied by M itself.
        moved: Floats = np.einsum("ni,nij->nj", shifts, matrices[lens_of])
        return moved


def lenses_of_table(table: ParticleTable) -> Lenses | None:
    """Return what a table says of its lenses, or None where they are taken to be without fault.

    Raises InputError for odd values, and for a beam tilt without voltage and Cs.
    """
    if not any(name in table for name in (*_MAGNIFICATION, *_BEAM_TILT, _ODD)):
        return None
    n = len(table)
    magnification = np.tile(np.eye(2), (n, 1, 1))
    if all(name in table for name in _MAGNIFICATION):
        columns = [table.floats(name) for name in _MAGNIFICATION]
        magnification = np.stack(columns, axis=1).reshape(n, 2, 2)
        if (np.abs(np.linalg.det(magnification)) < 0.5).any():
            raise InputError(
                f"{table.path} has a magnification matrix (rlnMagMat00 ...) that is far from one."
            )
    tilt = np.stack([table.floats(name, default=0.0) for name in _BEAM_TILT], axis=1)
    odd = table.vectors(_ODD)
    odd = np.zeros((n, 1)) if odd is None else odd
    microscope = np.zeros((n, 2))
    if tilt.any():
        microscope = np.stack([table.floats(name) for name in _MICROSCOPE], axis=1)
    if not (tilt.any() or odd.any() or (magnification != np.eye(2)).any()):
        return None
    columns = [magnification.reshape(n, 4), tilt, microscope, odd]
    each, lens_of = np.unique(np.hstack(columns), axis=0, return_inverse=True)
    lenses = tuple(
        Lens(row[:4].reshape(2, 2), row[8:], row[4:6], float(row[6]), float(row[7])) for row in each
    )
    return Lenses(lenses, lens_of.ravel().astype(np.int64))


def describe_aberrations(table: ParticleTable, lenses: Lenses | None) -> list[str]:
    """Say which aberrations are corrected, and which that are named are not used."""
    used = []
    if lenses is not None:
        if any(lens.is_distorting for lens in lenses.lenses):
            used.append("anisotropic magnification")
        if any(lens.beam_tilt_mrad.any() for lens in lenses.lenses):
            used.append("beam tilt")
        if any(lens.odd_zernike.any() for lens in lenses.lenses):
            used.append("odd aberrations")
    notes = [f"corrected as the images are read: {', '.join(used)}"] if used else []
    even = table.vectors(_EVEN)
    if even is not None and even.any():
        notes.append("even aberrations are part of the CTF")
    unused = [name for name in _UNUSED if name in table and any(table.texts(name))]
    if unused:
        notes.append(f"not used: {', '.join(unused)}")
    return notes
