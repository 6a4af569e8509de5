from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.particles import (
    ArrayImages,
    CtfParameters,
    Images,
    Integers,
    NegatedImages,
    ParticleSet,
    Poses,
)
from napari_cryoorient.projection.ctf import ctf_half_plane
from napari_cryoorient.stack.batches import ParticleBatches, outside_disc, without_background

N, BOX = 6, 32
CPU = torch.device("cpu")


@pytest.fixture
def particles() -> ParticleSet:
    rng = np.random.default_rng(0)
    defocus = np.linspace(8000.0, 20000.0, N)
    ctf = CtfParameters(
        *(defocus, defocus + 500, np.full(N, 30.0), np.zeros(N), np.full(N, 300.0)),
        *(np.full(N, 2.7), np.full(N, 0.1), np.zeros(N), np.ones(N)),
    )
    return ParticleSet(
        images=ArrayImages(rng.standard_normal((N, BOX, BOX)).astype(np.float32), 2.0),
        poses=Poses(np.tile(np.eye(3), (N, 1, 1)), rng.standard_normal((N, 2))),
        ctf=ctf,
        optics_group=np.zeros(N, dtype=np.int64),
    )


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20], ids=["read anew", "kept"])
@pytest.mark.parametrize("box", [16, 32, 48])
def test_images_come_at_the_box_and_in_the_order_asked_for(particles, box, cache_bytes):
    batches = ParticleBatches(particles, box, CPU, cache_bytes=cache_bytes)
    assert batches.pixel_size_angstrom == pytest.approx(2.0 * BOX / box)
    for rows in (np.array([3, 0]), np.array([0, 3, 5]), np.array([2, 2])):
        images = batches.images(rows)
        assert images.shape == (len(rows), box, box)
        # Resampling keeps the mean grey value of each image, less that of its background.
        levelled = without_background(torch.from_numpy(particles.images.read(rows)))
        np.testing.assert_allclose(images.mean((-2, -1)), levelled.mean((-2, -1)), atol=1e-6)
        if box == BOX:
            np.testing.assert_array_equal(images, levelled)
    assert batches.batch(np.array([1])).shifts_angstrom[0].tolist() == pytest.approx(
        particles.poses.shifts_angstrom[1].tolist()
    )


def test_images_are_read_once_when_they_are_kept(particles: ParticleSet):
    class Counted(ArrayImages):
        n_read = 0

        def read(self, indices: Integers) -> Images:
            Counted.n_read += len(indices)
            return super().read(indices)

    counted = replace(particles, images=Counted(particles.images.images, 2.0))
    batches = ParticleBatches(counted, 16, CPU)
    for _ in range(3):
        batches.images(np.arange(4))
    assert Counted.n_read == 4


@pytest.mark.parametrize(
    ("state", "effect"),
    [("none", lambda c: c), ("phase-flipped", torch.abs), ("premultiplied", torch.square)],
)
def test_ctf_is_what_became_of_the_signal(particles, state, effect):
    treated = replace(particles, ctf_state=state)
    rows = np.array([4, 1])
    found = ParticleBatches(treated, 16, CPU).ctf(rows)
    plain = ctf_half_plane(particles.ctf[rows], 16, 4.0, device=CPU)
    torch.testing.assert_close(found, effect(plain))
    assert ParticleBatches(replace(particles, ctf=None), 16, CPU).ctf(rows) is None


def test_negated_images_are_negated(particles: ParticleSet):
    turned = NegatedImages(particles.images)
    np.testing.assert_array_equal(turned.read(np.array([2])), -particles.images.read(np.array([2])))
    assert (turned.box, turned.pixel_size_angstrom, len(turned)) == (BOX, 2.0, N)


def test_constants_of_images_are_taken_off(particles: ParticleSet):
    images = particles.images.images
    counts = (1000 * np.arange(N)[:, None, None] + images).astype(np.float32)
    rows = np.arange(N)
    found = ParticleBatches(replace(particles, images=ArrayImages(counts, 2.0)), 16, CPU)
    torch.testing.assert_close(
        found.images(rows), ParticleBatches(particles, 16, CPU).images(rows), atol=1e-3, rtol=0
    )
    assert abs(without_background(torch.from_numpy(counts))[:, outside_disc(BOX)].mean()) < 1e-3
