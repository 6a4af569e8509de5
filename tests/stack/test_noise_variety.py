"""Images whose noise differs in shape: noticed, told for each, and of no harm to the confidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.fourier_grids import radial_mean_half_plane
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.projection.resample import images_to_fourier
from napari_cryoorient.stack.noise_variety import (
    NoiseVariety,
    OwnNoise,
    band_edges,
    measured_variety,
)
from napari_cryoorient.stack.statistics import opposite_corners, shaped_noise
from support.blob_maps import blobs

BOX, N = 64, 128
CPU = torch.device("cpu")
# Power by radius of the two kinds, of equal variance.
RADIUS = torch.arange(BOX // 2 + 1).float()
STEEP = 0.3 + 2.0 * torch.exp(-((RADIUS / 14) ** 2))


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return blobs("C2", box=BOX)


def stack(density: DensityMap, is_steep: np.ndarray, snr: float = 0.06) -> ParticleSet:
    """Simulate a stack without noise and add that of the two kinds, at levels of its own."""
    made = nc.simulate(density, len(is_steep), snr=1.0, shift_sigma_angstrom=3.0, seed=3)
    clean = nc.project(density, made)
    drawn = [
        shaped_noise(len(is_steep), spectrum, BOX, torch.Generator().manual_seed(1)).numpy()
        for spectrum in (torch.ones_like(RADIUS), STEEP)
    ]
    noise = np.where(is_steep[:, None, None], drawn[1], drawn[0])
    noise /= noise.std((1, 2), keepdims=True)
    scale = np.sqrt(clean.var((1, 2)).mean() / snr)
    levels = np.random.default_rng(2).uniform(0.8, 1.25, len(is_steep))[:, None, None]
    images = (clean + scale * levels * noise).astype(np.float32)
    return replace(made, images=ArrayImages(images, made.pixel_size_angstrom))


def noise_of(spectrum: torch.Tensor) -> torch.Tensor:
    """Return the spectrum as it is when noise has unit variance."""
    images = shaped_noise(64, spectrum[: BOX // 2 + 1], BOX, torch.Generator().manual_seed(5))
    return spectrum[: BOX // 2 + 1] / images.var()


def test_bands_cover_all_radii_and_widen() -> None:
    edges = band_edges(64.0)
    assert (edges[0], edges[-1]) == (1.0, 64.0)
    assert bool((edges.diff().diff() > 0)[1:].all())


@pytest.mark.parametrize(("is_steep", "snr"), [(False, 0.06), (True, 0.06), (False, 10.0)])
def test_images_alike_have_no_shapes(density: DensityMap, is_steep: bool, snr: float) -> None:
    """Nor do particles make them that reach into the corners."""
    particles = stack(density, np.full(N, is_steep), snr)
    likelihood = ParticleLikelihood(density, particles, CPU)
    assert not likelihood.statistics.noise_variety


@pytest.mark.parametrize("box", [16, 32])
def test_chance_makes_no_shapes(box: int) -> None:
    corners = opposite_corners(box)
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(64, box, box, generator=generator)
        one, other = (
            radial_mean_half_plane(images_to_fourier(images * part).abs().square()).double()
            for part in corners
        )
        last = box // 2 + 1
        mean = 0.5 * (one + other).mean(0)[:last]
        assert not measured_variety(one[:, :last], other[:, :last], mean, corners)


def test_an_image_without_power_is_finite() -> None:
    variety = NoiseVariety(
        torch.tensor([1.0, 4.0, 8.0]), torch.tensor([2.5, 6.0]), torch.zeros(2), torch.ones(1, 2)
    )
    own = OwnNoise(variety, torch.arange(1, 8).float(), CPU)
    assert bool(own.over_stack(torch.zeros(1, 7), torch.zeros(1, 7)).isfinite().all())


@pytest.fixture(scope="module")
def mixed(density: DensityMap) -> tuple[ParticleSet, np.ndarray]:
    is_steep = np.arange(N) % 3 == 0
    return stack(density, is_steep), is_steep


def test_each_image_has_the_noise_of_its_kind(
    density: DensityMap, mixed: tuple[ParticleSet, np.ndarray]
) -> None:
    particles, is_steep = mixed
    likelihood = ParticleLikelihood(density, particles, CPU, radius=28.0)
    assert likelihood.statistics.noise_variety
    weights = likelihood.load(np.arange(N)).power
    of_level, of_steep = weights[~is_steep].mean(0), weights[is_steep].mean(0)
    for low, high in ((3, 7), (7, 10), (20, 27)):
        band = (likelihood.radii >= low) & (likelihood.radii < high)
        steep, level = (noise_of(each)[low:high].mean() for each in (STEEP, torch.ones(BOX)))
        told = float((of_level[band].mean() / of_steep[band].mean()).log())
        # Corners are small and smear spectra, which is not quite undone.
        assert told == pytest.approx(float((steep / level).log()), rel=0.4, abs=0.15)


def test_particles_in_noise_of_either_kind_are_believed(
    density: DensityMap, mixed: tuple[ParticleSet, np.ndarray]
) -> None:
    particles, is_steep = mixed
    found = nc.search(particles, density, symmetry="C2", device="cpu")
    assert particles.poses is not None
    off = pose_errors(found.poses, particles.poses, symmetry_matrices("C2")).angles_deg
    for kind in (is_steep, ~is_steep):
        right = (off[kind] < 10).mean()
        assert right > 0.75
        assert float(found.confidence[kind].mean()) == pytest.approx(right, abs=0.12)
