"""References keep what half-maps agree on, and half-sets do not see each other's detail."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.maps.fsc import fourier_shell_correlation
from napari_cryoorient.maps.reference import cutoff_shell, filtered_references
from napari_cryoorient.particles import DensityMap

PIXEL = 8.0


def noisy_halves(density: DensityMap) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    scale = 1.2 * density.voxels.std()
    noise = rng.normal(scale=scale, size=(2, *density.voxels.shape)).astype(np.float32)
    return density.voxels + noise[0], density.voxels + noise[1]


def test_the_filter_brings_the_mean_nearer_to_the_truth(density: DensityMap):
    halves = noisy_halves(density)
    curve = fourier_shell_correlation(*halves, PIXEL)
    mean, own = filtered_references(halves, curve, PIXEL)

    def error(voxels: np.ndarray) -> float:
        return float(np.linalg.norm(voxels - density.voxels))

    assert error(mean) < 0.8 * error((halves[0] + halves[1]) / 2)
    for half, filtered in zip(halves, own, strict=True):
        assert error(mean) < error(filtered) < 0.8 * error(half)
    np.testing.assert_allclose(mean.mean(), np.mean(halves), rtol=1e-3)


def test_half_sets_share_the_coarse_and_keep_the_fine_to_themselves(density: DensityMap):
    halves = noisy_halves(density)
    curve = fourier_shell_correlation(*halves, PIXEL)
    _, own = filtered_references(halves, curve, PIXEL)
    between = fourier_shell_correlation(*own, PIXEL)
    joined = 32 * PIXEL / 40.0  # shells
    np.testing.assert_allclose(between.values[: int(joined)], 1.0, atol=1e-4)
    beyond = slice(int(joined) + 3, int(cutoff_shell(curve, 32, PIXEL)))
    np.testing.assert_allclose(between.values[beyond], curve.values[beyond], atol=0.03)
    # Nothing is left where the half-maps do not agree.
    transform = np.abs(np.fft.fftn(own[0]))
    end = int(cutoff_shell(curve, 32, PIXEL)) + 4
    assert end < 16
    assert transform[end : 32 - end, 0, 0].max() < 1e-5 * transform.max()
