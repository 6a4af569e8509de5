"""Particles of known poses give their map back, in its grey scale."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.maps.backproject import _Entry, back_project
from napari_cryoorient.maps.contrast import looks_inverted
from napari_cryoorient.maps.fsc import fourier_shell_correlation
from napari_cryoorient.maps.solve import solve_map
from napari_cryoorient.maps.stored_sums import AddedUp
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.projection.ctf import ctf_half_plane
from napari_cryoorient.projection.resample import fourier_to_images, images_to_fourier
from napari_cryoorient.reporting import Reporter

from .conftest import made_symmetric, simulated

CPU = torch.device("cpu")


def reconstructed(particles: ParticleSet, symmetry: str = "C1", **settings) -> np.ndarray:
    rows = (np.arange(len(particles)),)
    group = symmetry_matrices(symmetry)
    sums = back_project(particles, group, CPU, rows_of_sets=rows, **settings)
    assert sums is not None
    return solve_map(AddedUp(sums.sums), sums.factors).numpy()


def agreement(voxels: np.ndarray, density: DensityMap) -> float:
    """The least FSC up to 0.8 Nyquist."""
    curve = fourier_shell_correlation(voxels, density.voxels, density.pixel_size_angstrom)
    return float(curve.values[1 : int(0.8 * density.box / 2) + 1].min())


@pytest.mark.parametrize("with_ctf", [False, True], ids=["plain", "ctf"])
def test_noiseless_particles_give_their_map_back(density: DensityMap, with_ctf: bool):
    _, particles = simulated(density, 400, with_ctf=with_ctf)
    voxels = reconstructed(particles)
    assert agreement(voxels, density) > 0.99
    slope = float((voxels * density.voxels).sum() / np.square(density.voxels).sum())
    assert slope == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("symmetry", ["D2", "O"])
def test_symmetry_stands_in_for_missing_views(density: DensityMap, symmetry: str):
    group = symmetry_matrices(symmetry)
    symmetric = made_symmetric(density, group)
    _, particles = simulated(symmetric, 96 // len(group))
    with_group = agreement(reconstructed(particles, symmetry), symmetric)
    assert with_group > 0.95
    assert agreement(reconstructed(particles), symmetric) < with_group - 0.02


def test_turned_sums_give_the_map_of_every_equivalent_pose(density: DensityMap):
    """D7 turns the grid off itself: linear interpolation of the sums costs next to nothing."""
    _, particles = simulated(density, 40)
    maps = [reconstructed(particles, "D7", exact_symmetry=exact) for exact in (True, False)]
    curve = fourier_shell_correlation(maps[0], maps[1], density.pixel_size_angstrom)
    assert curve.values[1:13].min() > 0.99
    assert not np.allclose(maps[0], maps[1], rtol=1e-3)
    # Where nothing is interpolated both are the same.
    maps = [reconstructed(particles, "D2", exact_symmetry=exact) for exact in (True, False)]
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-5 * np.abs(maps[0]).max())


def test_images_already_multiplied_or_flipped_give_the_same_map(density: DensityMap):
    _, particles = simulated(density, 200, snr=1.0)
    expected = reconstructed(particles)
    half_planes = images_to_fourier(torch.tensor(particles.images.images))
    ctf = ctf_half_plane(particles.ctf, density.box, density.pixel_size_angstrom)
    for state, factor in (("premultiplied", ctf), ("phase-flipped", ctf.sign())):
        images = fourier_to_images(half_planes * factor).numpy()
        processed = replace(
            particles,
            images=ArrayImages(images, density.pixel_size_angstrom),
            ctf_state=state,
        )
        voxels = reconstructed(processed)
        assert np.linalg.norm(voxels - expected) < 1e-3 * np.linalg.norm(expected)
        # As if nothing had been done to them, they give another map.
        wrong = reconstructed(replace(processed, ctf_state="none"))
        assert np.linalg.norm(wrong - expected) > 0.1 * np.linalg.norm(expected)


def test_noise_averages_out_and_the_ctf_weights_it(density: DensityMap):
    _, particles = simulated(density, 600, snr=0.1)
    weighted = agreement(reconstructed(particles), density)
    # Images divided by nothing: where the CTF turns its sign they cancel.
    assert agreement(reconstructed(particles, with_ctf=False), density) < weighted


def test_the_number_of_threads_does_not_matter(density: DensityMap):
    _, particles = simulated(density, 300, snr=1.0)
    before = torch.get_num_threads()
    maps = []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            maps.append(reconstructed(particles))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(before)
    assert np.linalg.norm(maps[0] - maps[1]) < 1e-4 * np.linalg.norm(maps[0])


def test_weights_of_zero_leave_particles_out(density: DensityMap):
    _, particles = simulated(density, 200, snr=0.5)
    weights = np.zeros(200)
    weights[:120] = 0.7
    chosen = reconstructed(particles.subset(np.arange(120)))
    weighted = reconstructed(particles, weights=weights)
    assert np.linalg.norm(chosen - weighted) < 1e-4 * np.linalg.norm(chosen)


def test_nothing_lies_beyond_the_highest_frequency(density: DensityMap):
    _, particles = simulated(density, 300)
    frequency = np.fft.fftfreq(32, 1 / 32)
    radius = np.sqrt(frequency[:, None, None] ** 2 + frequency[:, None] ** 2 + frequency**2)
    inside, beyond = (radius > 7) & (radius < 8.5), (radius > 10.5) & (radius < 15)
    full, limited = (
        np.abs(np.fft.fftn(reconstructed(particles, max_radius=highest))) ** 2
        for highest in (None, 9.0)
    )
    assert limited[inside].sum() == pytest.approx(full[inside].sum(), rel=0.05)
    assert limited[beyond].sum() < 0.02 * full[beyond].sum()


def test_it_stops_between_two_chunks(density: DensityMap):
    _, particles = simulated(density, 300)
    asked, entered = threading.Event(), []

    class Waiting(ArrayImages):
        """So few images would be entered before anybody asks to stop."""

        def read(self, indices):
            assert asked.wait(timeout=60)
            return super().read(indices)

    def stop() -> bool:
        asked.set()
        return True

    waiting = replace(particles, images=Waiting(particles.images.images, 8.0))
    done = back_project(
        waiting,
        symmetry_matrices("C1"),
        CPU,
        rows_of_sets=(np.arange(300),),
        reporter=Reporter(should_stop=stop).watched(lambda n, _: entered.append(n)),
    )
    assert done is None
    assert max(entered) < 300


def test_a_failing_read_ends_the_work_with_its_own_error(density: DensityMap):
    _, particles = simulated(density, 50)

    class Broken(ArrayImages):
        def read(self, indices):
            raise OSError("the disk is gone")

    broken = replace(particles, images=Broken(particles.images.images, 8.0))
    with pytest.raises(OSError, match="disk is gone"):
        reconstructed(broken)


def test_a_dark_molecule_is_told_from_a_bright_one(density: DensityMap):
    assert looks_inverted(-density.voxels, density.pixel_size_angstrom)
    assert not looks_inverted(density.voxels, density.pixel_size_angstrom)
    noise = np.random.default_rng(0).normal(size=(32, 32, 32)).astype(np.float32)
    assert not looks_inverted(noise, 8.0)
    assert not looks_inverted(-noise, 8.0)
    assert not looks_inverted(np.zeros((32, 32, 32), dtype=np.float32), 8.0)


def test_memory_that_runs_out_changes_nothing(density: DensityMap, monkeypatch):
    """In the transform of images, and in the middle of entering them, which is not done twice."""
    _, particles = simulated(density, 40)
    expected = reconstructed(particles)
    coefficients, empty_like = _Entry._coefficients, torch.empty_like
    n_failures = 0

    def few_coefficients(self: _Entry, rows: np.ndarray, images: np.ndarray):
        nonlocal n_failures
        if len(rows) > 3:
            n_failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return coefficients(self, rows, images)

    def few_numbers(like: torch.Tensor, **settings):
        nonlocal n_failures
        if like.dim() == 1 and like.numel() > 5000:
            n_failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return empty_like(like, **settings)

    monkeypatch.setattr(_Entry, "_coefficients", few_coefficients)
    assert np.linalg.norm(reconstructed(particles) - expected) < 1e-5 * np.linalg.norm(expected)
    assert n_failures > 10
    monkeypatch.setattr(torch, "empty_like", few_numbers)
    n_failures = 0
    assert np.linalg.norm(reconstructed(particles) - expected) < 1e-5 * np.linalg.norm(expected)
    assert n_failures > 10
