"""Fourier shell correlation of two maps, and the resolutions at which it crosses a threshold.

``FSC(r) = sum Re(F1 conj F2) / sqrt(sum |F1|^2 sum |F2|^2)`` over the frequencies whose radius
rounds to r Fourier pixels (Harauz and van Heel, 1986).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.geometry.soft_edges import soft_edge
from napari_cryoorient.particles import Floats, Images, without_solvent

GOLD_STANDARD, HALF = 0.143, 0.5
# Phases are randomised from where the unmasked curve falls below this (as relion_postprocess).
RANDOMISE_BELOW = 0.8


@dataclass(frozen=True)
class ShellCorrelation:
    """The curve: ``frequencies`` ``(r,)`` in 1/angstrom from 0 to Nyquist, ``values`` ``(r,)``.

    ``corrected`` ``(r,)`` is the curve freed of what the mask itself correlates, where there was a
    mask and this was requested; ``randomised_from_angstrom`` says from where phases were drawn
    at random to find that out.
    """

    frequencies: Floats
    values: Floats
    corrected: Floats | None = None
    randomised_from_angstrom: float | None = None

    @property
    def best(self) -> Floats:
        """The corrected curve where there is one, else the curve."""
        return self.values if self.corrected is None else self.corrected

    @property
    def nyquist_angstrom(self) -> float:
        """Finest resolution the maps can hold."""
        return float(1 / self.frequencies[-1])

    def crossing_angstrom(self, threshold: float) -> float | None:
        """Return the resolution where the curve first falls below ``threshold``.

        Between shells the curve is straight over frequency.  None where it never falls below: the
        resolution is then finer than ``nyquist_angstrom``.
        """
        below = np.flatnonzero(~(self.best[1:] >= threshold)) + 1
        if not below.size:
            return None
        shell = int(below[0])
        high, low = float(self.best[shell - 1]), float(self.best[shell])
        if shell == 1 or not math.isfinite(low):
            return float(1 / self.frequencies[shell])
        part = (high - threshold) / (high - low)
        step = float(self.frequencies[shell] - self.frequencies[shell - 1])
        return 1 / (float(self.frequencies[shell - 1]) + part * step)


def fourier_shell_correlation(
    a: Images, b: Images, pixel_size_angstrom: float, *, mask: Images | None = None
) -> ShellCorrelation:
    """Correlate two maps ``(N, N, N)`` shell by shell, both times ``mask`` where one is given.

    Under a mask the level of each map's solvent is taken off first: times the mask it would be the
    mask's own shape, and the same in both.  Raises ValueError for maps of different shapes.
    """
    if a.shape != b.shape or len(set(a.shape)) != 1 or (mask is not None and mask.shape != a.shape):
        raise ValueError(f"maps of one cubic shape are needed, not {a.shape} and {b.shape}")
    first, second = (a, b) if mask is None else (mask * without_solvent(each) for each in (a, b))
    return _correlation(_transform(first), _transform(second), len(a), pixel_size_angstrom)


def masked_correlation(
    a: Images, b: Images, pixel_size_angstrom: float, mask: Images, *, seed: int = 0
) -> ShellCorrelation:
    """Correlate two masked maps, and correct for what the mask brings in (Chen et al., 2013).

    Phases of both maps are drawn beyond the radius where the unmasked curve falls below 0.8;
    what is still correlated there under the mask is the mask's: ``(F - R) / (1 - R)``.
    """
    plain = fourier_shell_correlation(a, b, pixel_size_angstrom)
    masked = fourier_shell_correlation(a, b, pixel_size_angstrom, mask=mask)
    below = np.flatnonzero(plain.values[1:] < RANDOMISE_BELOW) + 1
    if not below.size:  # nothing to doubt
        return replace(masked, corrected=masked.values)
    start = int(below[0])
    rng = np.random.default_rng([seed, 0])
    randomised = fourier_shell_correlation(
        randomise_phases(a, start, rng),
        randomise_phases(b, start, rng),
        pixel_size_angstrom,
        mask=mask,
    ).values
    corrected = masked.values.copy()
    # The shell where phases turn random is a mixture of both; RELION leaves two shells aside too.
    beyond = slice(start + 2, None)
    share = np.minimum(randomised[beyond], 1 - 1e-6)
    corrected[beyond] = np.where(
        masked.values[beyond] < share, 0.0, (masked.values[beyond] - share) / (1 - share)
    )
    return replace(
        masked,
        corrected=corrected,
        randomised_from_angstrom=float(1 / masked.frequencies[start]),
    )


def randomise_phases(volume: Images, from_shell: int, rng: np.random.Generator) -> Images:
    """Give every frequency from a radius on (in Fourier pixels) a phase drawn at random."""
    import scipy.fft

    transform = _transform(volume)
    # The phases of white noise are those of a real map.
    noise = _transform(rng.standard_normal(volume.shape, dtype=np.float32))
    phase = noise / np.maximum(np.abs(noise), 1e-30)
    beyond = _shells(len(volume)) >= from_shell
    transform = np.where(beyond, np.abs(transform) * phase, transform)
    inverse = scipy.fft.irfftn(transform, s=volume.shape)
    return np.asarray(inverse, dtype=np.float32)


def sphere_mask(
    box: int, pixel_size_angstrom: float, radius_angstrom: float, edge_angstrom: float
) -> Images:
    """Return a soft sphere ``(N, N, N)``: 1 up to the radius, a cosine down to 0 beyond it."""
    axis = np.arange(box, dtype=np.float32) - box // 2
    squares = axis * axis
    radius = np.sqrt(squares[:, None, None] + squares[:, None] + squares) * pixel_size_angstrom
    return soft_edge(radius - radius_angstrom, edge_angstrom)


def _transform(volume: Images) -> NDArray[np.complex128]:
    import scipy.fft  # loads slowly, and a window that shows curves has no use for it

    transform: NDArray[np.complex128] = scipy.fft.rfftn(np.asarray(volume, dtype=np.float64))
    return transform


def radius_half_space(box: int) -> Floats:
    """Return the radius ``(N, N, N // 2 + 1)`` in Fourier pixels, laid out as by ``rfftn``."""
    full, half = np.fft.fftfreq(box, 1 / box), np.fft.rfftfreq(box, 1 / box)
    return np.asarray(np.sqrt(full[:, None, None] ** 2 + full[:, None] ** 2 + half**2))


def _shells(box: int) -> NDArray[np.int64]:
    shells: NDArray[np.int64] = np.rint(radius_half_space(box)).astype(np.int64)
    return shells


def _correlation(
    a: NDArray[np.complex128], b: NDArray[np.complex128], box: int, pixel_size_angstrom: float
) -> ShellCorrelation:
    n = box // 2 + 1
    # Each frequency of the half space stands for its mirror too, but for those that are their own.
    twice = np.full(a.shape[-1], 2.0)
    twice[0] = 1.0
    if box % 2 == 0:
        twice[-1] = 1.0
    cross, of_a, of_b = np.zeros((3, n))
    full, half = np.fft.fftfreq(box, 1 / box), np.fft.rfftfreq(box, 1 / box)
    # Plane by plane: radius and products of all frequencies take several times the maps.
    for plane, z in enumerate(full):
        radius = np.sqrt(z**2 + full[:, None] ** 2 + half**2)
        shells = np.rint(radius).astype(np.int64)
        inside = shells < n
        where, first, second = shells[inside], a[plane], b[plane]
        for total, values in (
            (cross, (first * second.conj()).real),
            (of_a, np.abs(first) ** 2),
            (of_b, np.abs(second) ** 2),
        ):
            total += np.bincount(where, (values * twice)[inside], minlength=n)
    norm = np.sqrt(of_a * of_b)
    values = np.divide(cross, norm, out=np.zeros(n), where=norm > 0)
    frequencies = np.arange(n) / (box * pixel_size_angstrom)
    return ShellCorrelation(frequencies, values)
