"""A display-only low-pass filter: it changes what is shown, never what is computed with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cryoorient.particles import DerivedImages, Images, ImageSource, Integers

# Noise hides a particle of 1 to 2 A a pixel; its outline survives at this resolution.
DISPLAY_LOW_PASS_ANGSTROM = 20.0
# A stack is noisy where the filter takes more than this part of its variance away.
NOISY_PART = 0.5
_N_SAMPLED = 16


def display_low_pass_of(source: ImageSource) -> float | None:
    """Return the resolution in angstrom that a stack is first shown at; None: as it is.

    Images whose variance lies mostly beyond the filter are noise to the eye.
    """
    n = len(source)
    if n == 0 or 2.0 * source.pixel_size_angstrom >= DISPLAY_LOW_PASS_ANGSTROM:
        return None
    rows = np.unique(np.linspace(0, n - 1, min(n, _N_SAMPLED)).astype(np.int64))
    rows = rows[np.isfinite(source.read(rows)).all(axis=(1, 2))]
    if not len(rows):
        return None
    before = source.read(rows).var(axis=(1, 2)).mean()
    after = LowPassFiltered(source, DISPLAY_LOW_PASS_ANGSTROM).read(rows).var(axis=(1, 2)).mean()
    return DISPLAY_LOW_PASS_ANGSTROM if after < (1.0 - NOISY_PART) * before else None


@dataclass(frozen=True)
class LowPassFiltered(DerivedImages):
    """Images of another source, their frequencies beyond ``resolution_angstrom`` faded out.

    The filter is Gaussian and falls to 1/e at that resolution.
    """

    resolution_angstrom: float

    def read(self, indices: Integers) -> Images:
        """Read images ``(k, box, box)`` and filter them."""
        images = self.source.read(indices)
        axis = np.fft.fftfreq(self.box, self.pixel_size_angstrom)
        half_axis = np.fft.rfftfreq(self.box, self.pixel_size_angstrom)
        squares = axis[:, None] ** 2 + half_axis**2  # 1 / angstrom^2
        transfer = np.exp(-squares * self.resolution_angstrom**2)
        filtered = np.fft.irfft2(np.fft.rfft2(images) * transfer, s=(self.box, self.box))
        return filtered.astype(np.float32)
