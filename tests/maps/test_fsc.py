"""The FSC against a plain loop, its crossings, and what masks do to it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cryoorient.maps.fsc import (
    ShellCorrelation,
    fourier_shell_correlation,
    masked_correlation,
    randomise_phases,
    sphere_mask,
)
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.projection.masks import molecule_mask


def by_a_plain_loop(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Sums over all of Fourier space, frequency by frequency."""
    box = len(a)
    first, second = np.fft.fftn(a.astype(np.float64)), np.fft.fftn(b.astype(np.float64))
    sums = np.zeros((3, box // 2 + 1))
    for index in np.ndindex(a.shape):
        signed = [i if i <= box // 2 else i - box for i in index]
        shell = round(float(np.sqrt(sum(i * i for i in signed))))
        if shell <= box // 2:
            f, g = first[index], second[index]
            sums[:, shell] += [(f * np.conj(g)).real, abs(f) ** 2, abs(g) ** 2]
    return list(sums[0] / np.sqrt(sums[1] * sums[2]))


@pytest.mark.parametrize("box", [11, 12])
def test_it_is_what_a_plain_loop_gives(box: int):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(box,) * 3).astype(np.float32)
    b = a + rng.normal(size=(box,) * 3).astype(np.float32)
    curve = fourier_shell_correlation(a, b, 3.0)
    np.testing.assert_allclose(curve.values, by_a_plain_loop(a, b), atol=1e-12)
    np.testing.assert_allclose(curve.frequencies, np.arange(box // 2 + 1) / (3.0 * box))


def test_equal_maps_agree_whatever_their_scale_and_noise_does_not(density: DensityMap):
    same = fourier_shell_correlation(density.voxels, 3 * density.voxels, 8.0)
    np.testing.assert_allclose(same.values, 1.0, atol=1e-6)
    assert same.crossing_angstrom(0.143) is None
    assert same.nyquist_angstrom == pytest.approx(16.0)
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 32, 32, 32)).astype(np.float32)
    assert np.abs(fourier_shell_correlation(a, b, 8.0).values[4:]).max() < 0.2


def test_crossings_are_interpolated_over_frequency():
    frequencies = np.arange(6) / 100.0
    curve = ShellCorrelation(frequencies, np.array([1, 1, 0.8, 0.4, 0.1, 0.6]))
    assert curve.crossing_angstrom(0.5) == pytest.approx(1 / 0.0275)
    assert curve.crossing_angstrom(0.143) == pytest.approx(1 / (0.03 + 0.01 * 0.257 / 0.3))
    # A shell that holds nothing in one of the maps agrees with nothing.
    nothing = ShellCorrelation(frequencies, np.array([1, 1, 1, 1, 0.0, 0.0]))
    assert nothing.crossing_angstrom(0.5) == pytest.approx(1 / 0.035)
    # The first crossing counts, not the last.
    again = ShellCorrelation(frequencies, np.array([1, 0.1, 0.9, 0.9, 0.9, 0.9]))
    assert again.crossing_angstrom(0.5) == pytest.approx(100.0)
    # A shell at the threshold is where the curve crosses it.
    level = ShellCorrelation(frequencies, np.array([1, 1, 0.8, 0.5, 0.1, 0.0]))
    assert level.crossing_angstrom(0.5) == pytest.approx(1 / 0.03)


def test_what_a_mask_correlates_is_taken_off():
    """Two maps of pure noise, under one tight mask, seem to agree; corrected they do not."""
    rng = np.random.default_rng(3)
    mask = sphere_mask(32, 4.0, 24.0, 12.0)
    signal = mask * np.exp(-np.square(np.arange(32) - 16) / 8).astype(np.float32)
    a, b = (0.02 * rng.normal(size=(32, 32, 32)).astype(np.float32) + signal for _ in range(2))
    a, b = (randomise_phases(each, 5, rng) + 0.3 * signal for each in (a, b))
    curve = masked_correlation(a, b, 4.0, mask)
    assert curve.corrected is not None
    assert curve.randomised_from_angstrom is not None
    plain = fourier_shell_correlation(a, b, 4.0).values
    beyond = slice(9, 15)
    assert curve.values[beyond].mean() > plain[beyond].mean() + 0.05
    assert curve.corrected[beyond].mean() < curve.values[beyond].mean() - 0.05


def test_random_phases_keep_amplitudes_and_low_frequencies(density: DensityMap):
    changed = randomise_phases(density.voxels, 6, np.random.default_rng(0))
    before, after = np.fft.fftn(density.voxels), np.fft.fftn(changed)
    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=2e-2, atol=1e-2)
    curve = fourier_shell_correlation(density.voxels, changed, 8.0)
    np.testing.assert_allclose(curve.values[:5], 1, atol=1e-5)
    assert abs(curve.values[7:14].mean()) < 0.2


def test_the_mask_found_holds_the_molecule_and_not_the_rest(density: DensityMap):
    noisy = density.voxels + np.random.default_rng(0).normal(
        scale=0.1 * density.voxels.std(), size=density.voxels.shape
    ).astype(np.float32)
    mask = molecule_mask(noisy, density.pixel_size_angstrom)
    assert mask.min() == 0.0
    assert mask.max() == 1.0
    inside = mask > 0.99
    assert 0.02 < inside.mean() < 0.7
    assert np.square(density.voxels[inside]).sum() > 0.95 * np.square(density.voxels).sum()
    assert mask[0, 0, 0] == mask[0, 16, 16] == 0.0


def test_maps_of_different_shapes_are_refused():
    a, b = np.ones((8, 8, 8), np.float32), np.ones((10, 10, 10), np.float32)
    with pytest.raises(ValueError, match="one cubic shape"):
        fourier_shell_correlation(a, b, 1.0)
