"""A low-pass for the eye: what is looked at, never what is computed with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cryoorient.particles import Images, ImageSource, Integers


@dataclass(frozen=True)
class LowPassed:
    """Images of another source, their frequencies beyond ``resolution_angstrom`` faded out.

    The filter is Gaussian and falls to 1/e at that resolution.
    """

    source: ImageSource
    resolution_angstrom: float

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
        """Read images ``(k, box, box)`` and filter them."""
        images = self.source.read(indices)
        axis = np.fft.fftfreq(self.box, self.pixel_size_angstrom)
        half_axis = np.fft.rfftfreq(self.box, self.pixel_size_angstrom)
        squares = axis[:, None] ** 2 + half_axis**2  # 1 / angstrom^2
        transfer = np.exp(-squares * self.resolution_angstrom**2)
        filtered = np.fft.irfft2(np.fft.rfft2(images) * transfer, s=(self.box, self.box))
        return filtered.astype(np.float32)
