from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cryoorient.particles import DensityMap
from napari_cryoorient.projection.masks import molecule_mask
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack import clean_reference as module
from napari_cryoorient.stack.clean_reference import clean_reference

BOX = 48


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, 4.0)


def with_noise(density: DensityMap, part: float) -> DensityMap:
    """Add white noise of so many standard deviations of the molecule."""
    inside = density.voxels[molecule_mask(density.voxels, 4.0) > 0.5]
    noise = np.random.default_rng(1).normal(scale=part * inside.std(), size=(BOX,) * 3)
    return replace(density, voxels=(density.voxels + noise).astype(np.float32))


def test_a_map_without_noise_is_left_alone(density: DensityMap) -> None:
    cleaned = clean_reference(density)
    assert cleaned.voxels is density.voxels
    assert cleaned.notes == density.notes


def test_a_constant_is_told_of(density: DensityMap) -> None:
    deviation = float(density.voxels.std())
    cleaned = clean_reference(replace(density, voxels=density.voxels + 3 * np.float32(deviation)))
    assert "+3.0 of its standard deviations" in cleaned.notes[-1]


@pytest.mark.parametrize("mask_box", [BOX, 32], ids=["in its own box", "in a smaller one"])
def test_noise_around_the_molecule_is_masked_away(
    density: DensityMap, mask_box: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MASK_BOX", mask_box)
    noisy = with_noise(density, 0.3)
    cleaned = clean_reference(noisy)
    assert "noise fills the map's box" in cleaned.notes[-1]
    away = molecule_mask(density.voxels, 4.0, extend_angstrom=45.0) == 0
    left, before = (np.square(each.voxels[away]).mean() for each in (cleaned, noisy))
    assert left < 0.02 * before

    def off(voxels: np.ndarray) -> float:
        return float(np.square(voxels - density.voxels).sum())

    assert off(cleaned.voxels) < 0.6 * off(noisy.voxels)


def test_a_second_piece_away_from_the_first_is_no_noise(density: DensityMap) -> None:
    """Density that the mask would cut off, but that does not fill the box."""
    voxels = density.voxels.copy()
    voxels[6:14, 6:14, 20:28] += 0.5 * density.voxels.max()
    cleaned = clean_reference(replace(density, voxels=voxels))
    assert cleaned.voxels is voxels


def test_a_molecule_that_fills_its_box_is_no_noise() -> None:
    wide = demo_density(BOX, 4.0).voxels[10:38, 10:38, 10:38].copy()
    assert clean_reference(DensityMap(wide, 4.0)).voxels is wide
