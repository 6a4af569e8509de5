"""Noise around a reference is taken off beyond a sphere that holds all of the molecule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cryoorient.particles import DensityMap, Images
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.solvent_noise import without_noise_around

BOX = 48
AXIS = np.arange(BOX) - BOX // 2
RADIUS = np.sqrt(AXIS[:, None, None] ** 2 + AXIS[:, None] ** 2 + AXIS**2)


@pytest.fixture
def molecule() -> DensityMap:
    """One that lies within 0.3 of the box."""
    small = demo_density(32, 4.0)
    return replace(small, voxels=np.pad(small.voxels, (BOX - 32) // 2))


def noise(density: DensityMap, part: float, seed: int = 0) -> Images:
    random = np.random.default_rng(seed).normal(size=(BOX,) * 3).astype(np.float32)
    return random * np.float32(part * density.voxels.max())


def test_a_map_without_noise_is_left_as_it_is(molecule: DensityMap) -> None:
    assert without_noise_around(molecule) is molecule
    faint = replace(molecule, voxels=molecule.voxels + noise(molecule, 1e-3))
    assert without_noise_around(faint) is faint


@pytest.mark.parametrize("level", [0.0, 100.0])
def test_noise_far_from_the_molecule_is_taken_off_and_nothing_else(
    molecule: DensityMap, level: float
) -> None:
    noisy = replace(molecule, voxels=molecule.voxels + noise(molecule, 0.1) + np.float32(level))
    clean = without_noise_around(noisy)
    assert "noise fills the map's box around its molecule" in clean.notes[-1]
    far, within = RADIUS > 0.57 * BOX, molecule.voxels > 0.2 * molecule.voxels.max()
    np.testing.assert_allclose(clean.voxels[far].std(), 0.0, atol=1e-4)
    np.testing.assert_allclose(clean.voxels[far], level, atol=0.05 * molecule.voxels.max())
    np.testing.assert_array_equal(clean.voxels[within], noisy.voxels[within])


def test_a_thin_arm_is_a_part_of_the_molecule(molecule: DensityMap) -> None:
    voxels = molecule.voxels + noise(molecule, 0.1)
    arm = (slice(23, 26), slice(23, 26), slice(BOX // 2, BOX - 4))
    voxels[arm] += molecule.voxels.max()
    clean = without_noise_around(replace(molecule, voxels=voxels))
    np.testing.assert_array_equal(clean.voxels[arm], voxels[arm])
    assert clean.voxels[0, 0, 0] != voxels[0, 0, 0]


def test_density_in_a_corner_is_not_noise(molecule: DensityMap) -> None:
    voxels = molecule.voxels + noise(molecule, 0.1)
    voxels[2:12, 2:12, 2:12] += molecule.voxels.max()
    cornered = replace(molecule, voxels=voxels)
    assert without_noise_around(cornered) is cornered


def test_noise_alone_is_no_molecule_in_noise(molecule: DensityMap) -> None:
    alone = replace(molecule, voxels=noise(molecule, 1.0))
    assert without_noise_around(alone) is alone


def test_a_large_map_is_looked_at_in_part(molecule: DensityMap) -> None:
    large = np.kron(molecule.voxels, np.ones((3, 3, 3), dtype=np.float32))
    random = np.random.default_rng(1).normal(size=large.shape).astype(np.float32)
    noisy = replace(molecule, voxels=large + np.float32(0.25) * large.max() * random)
    clean = without_noise_around(noisy)
    assert clean.notes != noisy.notes
    within = large > 0.3 * large.max()
    np.testing.assert_array_equal(clean.voxels[within], noisy.voxels[within])


@pytest.mark.parametrize("deviations", [2.0, 3.0])
def test_a_weak_domain_is_a_part_of_the_molecule(molecule: DensityMap, deviations: float) -> None:
    part = 0.1
    voxels = molecule.voxels + noise(molecule, part)
    away = np.sqrt(AXIS[:, None, None] ** 2 + AXIS[:, None] ** 2 + (AXIS - 0.38 * BOX) ** 2)
    domain = away < 4
    voxels[domain] += np.float32(deviations * part * molecule.voxels.max())
    clean = without_noise_around(replace(molecule, voxels=voxels))
    np.testing.assert_array_equal(clean.voxels[domain], voxels[domain])


def test_a_thin_arm_into_a_corner_is_not_noise(molecule: DensityMap) -> None:
    voxels = molecule.voxels + noise(molecule, 0.1)
    for i in range(BOX // 2, BOX - 2):
        voxels[i - 1 : i + 1, i - 1 : i + 1, i - 1 : i + 1] = molecule.voxels.max()
    armed = replace(molecule, voxels=voxels)
    assert without_noise_around(armed) is armed


def test_a_weak_filament_through_the_box_is_kept(molecule: DensityMap) -> None:
    part = 0.1
    voxels = molecule.voxels + noise(molecule, part)
    filament = np.broadcast_to(AXIS[:, None] ** 2 + AXIS**2 < (0.2 * BOX) ** 2, voxels.shape)
    voxels = voxels + 2 * part * molecule.voxels.max() * filament.astype(np.float32)
    clean = without_noise_around(replace(molecule, voxels=voxels))
    kept = filament & (RADIUS < 0.5 * BOX)
    np.testing.assert_array_equal(clean.voxels[kept], voxels[kept])
