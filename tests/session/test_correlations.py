"""Correlations of all particles: right, in chunks, stopped and gone on with, remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_cryoorient.particles import ArrayImages, Poses
from napari_cryoorient.projection.ctf import ctf_half_plane
from napari_cryoorient.session import correlations as module
from napari_cryoorient.session.correlations import Correlations, correlations_of
from napari_cryoorient.session.data import Data, load_data
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.readout import correlation_of
from napari_cryoorient.session.session import Session

from .conftest import AtOnce, N, Stack, Told


@pytest.fixture
def data(made: Stack) -> Data:
    return load_data(made.star, made.map)


def poses_of(data: Data) -> Poses:
    assert data.particles is not None
    assert data.particles.poses is not None
    return data.particles.poses


class Stepwise(AtOnce):
    """Follows a stream only as far as the test says."""

    def follow(self, what: str, looks: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self.stream, self.take = looks(), then

    def step(self, n: int = 1) -> None:
        for _ in range(n):
            self.take(next(self.stream))


def test_an_image_is_its_own_projection_or_the_opposite(data: Data) -> None:
    poses, rows = poses_of(data), np.arange(N)
    assert data.particles is not None
    assert data.projector is not None
    values = correlations_of(data, poses, rows)
    assert np.median(values) > 0.5  # SNR 2
    from napari_cryoorient.simulation.simulate import project_chunk

    exact = project_chunk(data.projector, poses, data.particles.ctf)
    pixel_size = data.particles.pixel_size_angstrom
    clean = replace(data.particles, images=ArrayImages(5 * exact + 3, pixel_size))
    np.testing.assert_allclose(
        correlations_of(replace(data, particles=clean), poses, rows), 1.0, atol=1e-5
    )
    turned = replace(data, particles=clean, is_negated=True)
    np.testing.assert_allclose(correlations_of(turned, poses, rows), -1.0, atol=1e-5)
    blank = replace(clean, images=ArrayImages(0 * exact, pixel_size))
    assert not correlations_of(replace(data, particles=blank), poses, rows).any()


def test_phase_flipped_images_are_compared_with_flipped_projections(data: Data) -> None:
    import torch

    poses, particles, projector = poses_of(data), data.particles, data.projector
    assert particles is not None
    assert particles.ctf is not None
    assert projector is not None
    transfer = ctf_half_plane(particles.ctf, projector.box, projector.pixel_size_angstrom)
    pose = [torch.from_numpy(a).float() for a in (poses.rotations, poses.shifts_angstrom)]
    for state, of_images in (("phase-flipped", transfer.abs()), ("premultiplied", transfer**2)):
        images = ArrayImages(projector(*pose, of_images).numpy(), particles.pixel_size_angstrom)
        stack = replace(particles, images=images, ctf_state=state)
        values = correlations_of(replace(data, particles=stack), poses, np.arange(N))
        np.testing.assert_allclose(values, 1.0, atol=1e-5)


def test_all_are_computed_and_can_be_ranked_by(data: Data) -> None:
    session, told = Session(), Told()
    correlations = Correlations(session, AtOnce(), told)
    session.set_data(data)
    assert not correlations.is_going
    values = session.inspection.values("correlation")
    assert values is not None
    np.testing.assert_allclose(
        values, correlations_of(data, poses_of(data), np.arange(N)), atol=1e-6
    )
    assert session.inspection.criteria == ("correlation",)
    assert session.criterion == "correlation"
    session.set_selection("correlation", float(np.median(values)))
    assert len(session.selected()) == N // 2
    assert session.inspection.ranking("correlation")[0] == values.argmin()
    assert correlation_of(data, session.inspection, 3) == values[3]
    assert told.errors == []


def test_stopping_keeps_what_is_done_and_goes_on_there(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 5)
    monkeypatch.setattr(module.correlate_in_chunks, "__defaults__", (0, 5))
    session, jobs = Session(), Stepwise()
    correlations = Correlations(session, jobs, Told())
    session.set_data(data)
    jobs.step(2)
    assert correlations.progress == (10, N)
    assert session.inspection.values("correlation") is None
    correlations.stop()
    assert not correlations.is_going
    correlations.start()
    jobs.step(3)
    assert correlations.progress == (N, N)
    assert not correlations.is_going
    assert session.inspection.values("correlation") is not None


def test_poses_seen_before_are_not_correlated_again_and_another_map_is(
    data: Data, made: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session()
    correlations = Correlations(session, AtOnce(), Told())
    session.set_data(data)
    own = session.inspection.correlations
    turned = Poses(poses_of(data).rotations[::-1].copy(), poses_of(data).shifts_angstrom)
    n_calls: list[int] = []
    real = module.correlations_of
    monkeypatch.setattr(
        module, "correlations_of", lambda *of: n_calls.append(len(of[2])) or real(*of)
    )
    session.set_predictions(Predictions(Path("p.star"), turned, None, None, None))
    assert sum(n_calls) == N
    assert session.inspection.correlations is not None
    assert session.inspection.correlations.mean() < own.mean()
    session.set_predictions(None)
    assert session.inspection.correlations is own
    assert sum(n_calls) == N
    session.set_fourth("difference")  # another view of the same poses
    assert session.inspection.correlations is own
    session.set_data(load_data(made.star, None))
    assert session.inspection.correlations is None
    assert correlations.progress == (0, 0)


def test_an_image_that_cannot_be_read_is_told_and_ends_it(data: Data) -> None:
    class Gone(ArrayImages):
        def read(self, indices: Any) -> Any:
            raise RuntimeError("the disk went away")

    assert data.particles is not None
    broken = replace(data.particles, images=Gone(np.zeros((N, 32, 32), np.float32), 8.0))
    session, told = Session(), Told()
    correlations = Correlations(session, AtOnce(), told)
    session.set_data(replace(data, particles=broken))
    assert "the disk went away" in told.errors[0]
    assert not correlations.is_going


def test_large_stacks_wait_for_the_user(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AUTOMATIC", N - 1)
    session = Session()
    correlations = Correlations(session, AtOnce(), Told())
    session.set_data(data)
    assert correlations.progress == (0, N)
    correlations.start()
    assert correlations.progress == (N, N)


def test_an_image_that_is_not_finite_has_no_correlation(data: Data) -> None:
    assert data.particles is not None
    images = data.particles.images.read(np.arange(N)).copy()
    images[1, 2, 3], images[4, 5, 6] = np.nan, np.inf
    spoiled = replace(
        data.particles, images=ArrayImages(images, data.particles.pixel_size_angstrom)
    )
    rows = np.arange(N)
    values = correlations_of(replace(data, particles=spoiled), poses_of(data), rows)
    expected = correlations_of(data, poses_of(data), rows)
    expected[[1, 4]] = 0.0
    np.testing.assert_allclose(values, expected, atol=1e-12)
