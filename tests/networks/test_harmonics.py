from __future__ import annotations

import math

import pytest
import torch

from napari_cryoorient.networks.filtering import disc_frequencies
from napari_cryoorient.networks.harmonics import AngularHarmonics
from napari_cryoorient.projection.resample import images_to_fourier

BOX = 34
ORDER = 12


def blob_image(angle: float) -> torch.Tensor:
    """Three smooth blobs, turned from x to y by ``angle``."""
    axis = torch.arange(BOX) - BOX // 2
    y, x = torch.meshgrid(axis.double(), axis.double(), indexing="ij")
    image = torch.zeros(BOX, BOX, dtype=torch.float64)
    for cx, cy, height in ((5.0, 1.0, 1.0), (-3.0, 4.0, 0.7), (0.5, -6.0, 0.4)):
        u = math.cos(angle) * cx - math.sin(angle) * cy
        v = math.sin(angle) * cx + math.cos(angle) * cy
        image += height * torch.exp(-((x - u) ** 2 + (y - v) ** 2) / 8)
    return image


@pytest.mark.parametrize("angle_deg", [90.0, 37.0, -142.5])
def test_turning_an_image_changes_the_phase_of_each_order_alone(angle_deg: float) -> None:
    frequencies, places = disc_frequencies(BOX)
    harmonics = AngularHarmonics(frequencies, ORDER, BOX / 2)

    def coefficients(angle: float) -> torch.Tensor:
        half_plane = images_to_fourier(blob_image(angle)).flatten()[places]
        real, imaginary = harmonics(half_plane[None].to(torch.complex64))[..., 0].chunk(2, dim=1)
        return torch.complex(real, imaginary)  # (orders, rings)

    before, after = coefficients(0.0), coefficients(math.radians(angle_deg))
    orders = torch.arange(ORDER + 1)[:, None]
    expected = before * torch.exp(-1j * orders * math.radians(angle_deg))
    assert (after - expected).norm() < 0.01 * before.norm()
    assert (after - before).norm() > 0.3 * before.norm()
