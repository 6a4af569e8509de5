from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.fourier_grids import (
    at_radii,
    centred_axis,
    frequencies_half_plane,
    radial_mean_half_plane,
    radius_half_plane,
    radius_of_fft,
    radius_of_voxels,
    raised_cosine,
    shell_mean,
)
from napari_cryoorient.maps.fsc import radius_half_space

DOUBLE = torch.float64


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))


def test_row_half_the_box_is_the_positive_nyquist_frequency() -> None:
    kx, ky = frequencies_half_plane(6)
    assert kx.tolist() == [[0, 1, 2, 3]]
    assert ky.flatten().tolist() == [0, 1, 2, 3, -2, -1]


@pytest.mark.parametrize("box", [8, 9])
@pytest.mark.parametrize("n_dimensions", [2, 3])
@pytest.mark.parametrize("is_half", [True, False], ids=["half", "whole"])
def test_radii_lie_as_the_transform_does(box: int, n_dimensions: int, is_half: bool) -> None:
    whole = [round(float(f) * box) for f in np.fft.fftfreq(box)]
    last = [abs(f) for f in whole[: box // 2 + 1]] if is_half else whole
    found = radius_of_fft(box, n_dimensions, is_half=is_half, dtype=DOUBLE)
    for index in np.ndindex(*found.shape):
        numbers = [whole[i] for i in index[:-1]] + [last[index[-1]]]
        assert float(found[index]) == pytest.approx(math.hypot(*numbers), abs=1e-9)


def test_the_radii_of_a_window_without_torch_are_the_same() -> None:
    expected = radius_of_fft(10, 3, dtype=DOUBLE).numpy()
    np.testing.assert_allclose(radius_half_space(10), expected, atol=1e-12)
    torch.testing.assert_close(
        radius_half_plane(10, dtype=DOUBLE), radius_of_fft(10, 2, dtype=DOUBLE)
    )


@pytest.mark.parametrize("box", [4, 5])
def test_voxels_are_counted_from_the_centre(box: int) -> None:
    assert float(centred_axis(box)[box // 2]) == 0.0
    radius = radius_of_voxels(box, dtype=DOUBLE)
    for index in np.ndindex(box, box, box):
        assert float(radius[index]) == pytest.approx(math.dist(index, (box // 2,) * 3))


def test_a_spectrum_is_read_on_the_line_between_its_values() -> None:
    spectrum = torch.tensor([1.0, 3.0, 2.0, 6.0], dtype=DOUBLE)
    radii = torch.tensor([[0.0, 0.25, 1.0], [2.5, 3.0, 1.5]], dtype=DOUBLE)
    expected = np.interp(radii.numpy(), np.arange(4), spectrum.numpy())
    np.testing.assert_allclose(at_radii(spectrum, radii).numpy(), expected)


def test_a_shell_is_averaged_over_all_that_rounds_to_it() -> None:
    values, radius = noise(7, 7, 4), radius_of_fft(7, 3, dtype=DOUBLE)
    found = shell_mean(values, radius)
    assert len(found) == int(radius.max().round()) + 1
    for r, mean in enumerate(found.tolist()):
        members = [float(values[i]) for i in np.ndindex(7, 7, 4) if round(float(radius[i])) == r]
        assert mean == pytest.approx(sum(members) / len(members))


def test_a_raised_cosine_is_a_half_at_its_cutoff() -> None:
    radius = torch.tensor([0.0, 4.0, 5.0, 6.0, 9.0], dtype=DOUBLE)
    expected = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0], dtype=DOUBLE)
    torch.testing.assert_close(raised_cosine(radius, 5.0, 2.0), expected)


def power_spectrum(images: torch.Tensor) -> torch.Tensor:
    return radial_mean_half_plane(torch.fft.rfft2(images).abs().square())


def test_white_noise_has_a_flat_spectrum() -> None:
    spectrum = power_spectrum(2 * noise(200, 32, 32))
    assert spectrum.shape == (200, 17)
    level = spectrum.mean(0)[2:] / (4 * 32 * 32)  # the first rings hold too few to average
    torch.testing.assert_close(level, torch.ones(15, dtype=DOUBLE), atol=0.06, rtol=0)


def test_rings_weigh_the_half_plane_as_the_whole() -> None:
    images = noise(1, 12, 12)
    full = torch.fft.fft2(images)[0].abs() ** 2
    k = torch.fft.fftfreq(12, dtype=DOUBLE) * 12
    ring = torch.sqrt(k[:, None] ** 2 + k**2).round()
    expected = torch.stack([full[ring == r].mean() for r in range(7)])
    torch.testing.assert_close(power_spectrum(images)[0], expected)


def test_the_ring_of_a_radius_is_that_radius() -> None:
    rings = radial_mean_half_plane(radius_half_plane(32, dtype=DOUBLE))
    torch.testing.assert_close(rings, torch.arange(17, dtype=DOUBLE), atol=0.21, rtol=0)
