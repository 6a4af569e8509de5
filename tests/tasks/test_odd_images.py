"""Images unlike the others are named, and spoil neither statistics nor reconstructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import ArrayImages, DensityMap, Images, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    simulated_images,
)
from napari_cryoorient.stack.batches import without_hot_pixels
from napari_cryoorient.stack.odd_images import BlankedImages, find_odd_images
from napari_cryoorient.stack.statistics import stack_statistics

BOX, PIXEL, N = 32, 8.0, 60


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, PIXEL)


@pytest.fixture(scope="module")
def particles(density: DensityMap) -> ParticleSet:
    simulation = draw_simulation(
        density, SimulationSettings(n=N, snr=0.5, microscope=Microscope(), seed=4)
    )
    images = np.concatenate(list(simulated_images(simulation)))
    names = tuple(f"{i + 1:06d}@p.mrcs" for i in range(N))
    zeros = np.zeros(N, dtype=np.int64)
    return ParticleSet(ArrayImages(images, PIXEL), simulation.poses, simulation.ctf, zeros, names)


def with_images(particles: ParticleSet, change: Callable[[Images], object]) -> ParticleSet:
    images = particles.images.read(np.arange(N)).copy()
    change(images)
    return replace(particles, images=ArrayImages(images, PIXEL))


def spoiled(particles: ParticleSet, kind: str, row: int) -> ParticleSet:
    deviation = float(particles.images.read(np.arange(N)).std())

    def change(images: Images) -> None:
        if kind == "blank":
            images[row] = 7.0
        elif kind == "hot":
            images[row, 5, 9] = 1e4 * deviation
        elif kind == "cold corner":
            images[row, 0, 0] = -1e4 * deviation
        elif kind == "block":
            images[row, 8:10, 8:10] = 1e4 * deviation
        else:
            images[row] *= float(kind)

    return with_images(particles, change)


KINDS = ("blank", "hot", "cold corner", "block", "1e4", "1e12", "1e-4")


def test_good_images_are_not_odd(particles: ParticleSet):
    assert find_odd_images(particles).notes == ()
    plain = torch.from_numpy(particles.images.read(np.arange(N)))
    assert without_hot_pixels(plain) is plain


def test_noiseless_particles_have_no_hot_pixels():
    clean = draw_simulation(demo_density(BOX, PIXEL), SimulationSettings(n=20, seed=1))
    images = torch.from_numpy(np.concatenate(list(simulated_images(clean))))
    torch.testing.assert_close(without_hot_pixels(images), images, rtol=0, atol=0)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(kind=st.sampled_from(KINDS), row=st.integers(0, N - 1))
def test_one_odd_image_changes_no_statistics_and_is_named(density, particles, kind, row):
    stack = spoiled(particles, kind, row)
    notes = find_odd_images(stack).notes
    assert len(notes) == 1
    assert f"row {row + 1}" in notes[0]
    assert particles.names[row] in notes[0]
    plain, found = (stack_statistics(density, each, BOX) for each in (particles, stack))
    assert found.gain == pytest.approx(plain.gain, rel=0.1)
    assert found.snr == pytest.approx(plain.snr, rel=0.15)
    torch.testing.assert_close(found.noise_power[2:], plain.noise_power[2:], rtol=0.15, atol=0)


def test_half_a_blank_stack_is_counted(density, particles):
    stack = with_images(particles, lambda images: images[::2].fill(0.0))
    (note,) = find_odd_images(stack).notes
    assert "30 rows (1, 3, 5 ...)" in note
    assert np.isfinite(stack_statistics(density, stack, BOX).snr)


def test_absurd_images_count_as_empty(particles: ParticleSet):
    odd = find_odd_images(spoiled(particles, "1e12", 4))
    assert odd.empty.tolist() == [4]
    images = BlankedImages(particles.images, odd.empty)
    read = images.read(np.array([3, 4]))
    assert read[0].any()
    assert not read[1].any()
    assert (images.box, images.pixel_size_angstrom, len(images)) == (BOX, PIXEL, N)


def test_grey_values_beyond_single_precision_are_refused(particles: ParticleSet):
    with pytest.raises(InputError, match="scale them"):
        find_odd_images(with_images(particles, lambda images: images.__imul__(np.float32(1e20))))


@pytest.mark.parametrize("kind", ["i1", "i2", "u2", "f2"])
def test_number_types_of_narrow_range_give_the_same_as_single_precision(particles, kind):
    """Scaled to the ends of their range, one image saturated; float16's infinity is not finite."""
    images = particles.images.read(np.arange(N))
    info = np.finfo("f2") if kind == "f2" else np.iinfo(kind)
    low, high = float(info.min), float(info.max)
    scaled = low + (high - low) * (images - images.min()) / np.ptp(images)
    stored = scaled.astype(kind)
    stored[3] = np.inf if kind == "f2" else info.max
    odd = find_odd_images(replace(particles, images=ArrayImages(stored, PIXEL)))
    assert odd.empty.tolist() == [3]
    assert len(odd.notes) == 1
    assert ("not finite" in odd.notes[0]) == (kind == "f2")


def test_subnormal_values_are_another_scale_and_alone_refused(particles: ParticleSet):
    odd = find_odd_images(spoiled(particles, "1e-40", 4))
    assert "row 5" in odd.notes[0]
    with pytest.raises(InputError):
        find_odd_images(with_images(particles, lambda images: images.__imul__(np.float32(1e-40))))


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e38])
def test_images_that_are_not_computable_change_no_statistics(density, particles, value):
    plain = stack_statistics(density, particles, BOX)
    stack = with_images(particles, lambda images: images[7:9].fill(value))
    odd = find_odd_images(stack)
    assert odd.empty.tolist() == [7, 8]
    assert "2 rows (8, 9), the first 000008@p.mrcs" in odd.notes[0]
    found = stack_statistics(density, stack, BOX)
    assert found.gain == pytest.approx(plain.gain, rel=0.1)
    torch.testing.assert_close(found.noise_power[2:], plain.noise_power[2:], rtol=0.1, atol=0)
