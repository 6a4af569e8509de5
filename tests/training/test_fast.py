from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet, Poses
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.training.checkpoint import restore
from napari_cryoorient.training.fast import FastRecipe, fast_recipe
from napari_cryoorient.training.loop import Cadence, train
from napari_cryoorient.training.report import Request
from napari_cryoorient.training.synthetic import noise_scale_at, one_cycle_at

BOX, PIXEL, N = 32, 8.0, 64


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, PIXEL)


@pytest.fixture(scope="module")
def particles(density: DensityMap) -> ParticleSet:
    generator = torch.Generator().manual_seed(0)
    rotations = random_rotations(N, generator)
    shifts = 4.0 * torch.randn(N, 2, generator=generator)
    projector = Projector(torch.from_numpy(density.voxels), pixel_size_angstrom=PIXEL)
    clean = projector(rotations, shifts)
    images = clean + clean.std() * torch.randn(N, BOX, BOX, generator=generator)
    return ParticleSet(
        ArrayImages(images.numpy(), PIXEL),
        Poses(rotations.double().numpy(), shifts.double().numpy()),
        None,
        np.zeros(N, dtype=np.int64),
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A grid and batches that a test can afford."""
    monkeypatch.setattr("napari_cryoorient.training.fast.SPACING_DEG", 18.0)
    monkeypatch.setattr("napari_cryoorient.training.fast.CONCENTRATION", 20.0)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def recipe(density: DensityMap, particles: ParticleSet, **changes: object) -> FastRecipe:
    values = {"steps": 8, "batch_size": 16, "device": "cpu", "precision": "float32"}
    config = TrainConfig.model_validate(values | changes)
    torch.manual_seed(0)
    rows = np.arange(len(particles) - 16)
    return fast_recipe(density, particles, config, torch.device("cpu"), rows)


def losses_of(made: FastRecipe, first: int = 0) -> list[float]:
    found: list[float] = []
    for report in train(
        made, w=0.8, first_step=first, cadence=Cadence(report_s=0.0, checkpoint_s=1e9)
    ):
        if report.metrics is not None:
            found.append(report.metrics.loss)
    return found


def test_it_learns_to_tell_poses(density: DensityMap, particles: ParticleSet) -> None:
    made = recipe(density, particles, steps=90, batch_size=48)
    list(train(made, w=0.8, cadence=Cadence(report_s=1e9, checkpoint_s=1e9)))
    held_out = made._batches.batch(np.arange(N - 16, N))
    with torch.no_grad():
        prediction = made.evaluation_network(held_out.images, held_out.ctf)
    error = symmetric_distance_deg(prediction.rotations, held_out.rotations, made.group)
    assert error.median() < 40.0  # at random: 130 degrees
    assert prediction.shifts_angstrom is not None


@pytest.mark.parametrize("representation", ["distribution", "quaternion", "axis-angle", "6d"])
@pytest.mark.parametrize("w", [0.0, 0.5, 1.0])
def test_every_representation_takes_a_step_at_every_w(
    density: DensityMap, particles: ParticleSet, representation: str, w: float
) -> None:
    made = recipe(density, particles, representation=representation, steps=1)
    before = [p.detach().clone() for p in made.network.parameters()]
    reports = [r.metrics for r in train(made, w=w) if r.metrics is not None]
    assert reports
    assert np.isfinite([reports[-1].loss, reports[-1].qd, reports[-1].reprojection]).all()
    after = list(made.network.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_stack_without_poses_is_learned_from_the_map_alone(
    density: DensityMap, particles: ParticleSet
) -> None:
    bare = replace(particles, poses=None)
    made = recipe(density, bare, labels="simulated", steps=1)
    batch = made.batch(0)
    assert batch.images.shape == (16, BOX, BOX)
    assert [r for r in train(made, w=0.8)][-1].outcome == "finished"


def test_the_particles_of_a_small_stack_are_not_learned_by_heart(
    density: DensityMap, particles: ParticleSet
) -> None:
    poses = recipe(density, particles).batch(0).rotations.numpy()
    known = np.asarray(particles.poses.rotations, dtype=np.float32)
    assert min(np.abs(known - pose).max(axis=(1, 2)).min() for pose in poses) > 1e-3


def test_a_part_of_each_batch_is_real_where_the_stack_has_poses(
    density: DensityMap, particles: ParticleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cryoorient.training.fast.STEPS_BETWEEN_REPEATS", 10)
    real = recipe(density, particles).batch(0).rotations[-4:].numpy()
    known = np.asarray(particles.poses.rotations[: N - 16], dtype=np.float32)
    for rotation in real:
        assert np.abs(known - rotation).max(axis=(1, 2)).min() < 1e-6
    simulated = recipe(density, particles, labels="simulated").batch(0).rotations.numpy()
    for rotation in simulated:
        assert np.abs(known - rotation).max(axis=(1, 2)).min() > 1e-3


def test_after_the_warm_up_every_image_is_real_and_before_it_none(
    density: DensityMap, particles: ParticleSet
) -> None:
    made = recipe(density, particles, warm_up=0.5, steps=8)
    known = torch.from_numpy(particles.poses.rotations[: N - 16]).float()

    def n_known() -> int:
        poses = made.batch(3).rotations
        return int((torch.cdist(poses.flatten(1), known.flatten(1)).amin(1) < 1e-3).sum())

    counts = []
    for step in range(8):
        counts.append(n_known())
        made.after_step(step)
    assert counts == [0] * 4 + [16] * 4
    assert losses_of(recipe(density, particles, warm_up=0.0, steps=2))
    with pytest.raises(InputError, match="none has a pose"):
        recipe(density, replace(particles, poses=None), warm_up=0.5)


def test_equivalent_poses_cost_the_same(density: DensityMap, particles: ParticleSet) -> None:
    made = recipe(density, particles, symmetry="D2", labels="simulated")
    batch = made.batch(0)
    made.network.eval()
    prediction = made.network(batch.images, batch.ctf)
    turned = replace(batch, rotations=batch.rotations @ made.group[1].T)
    one, other = made.losses(prediction, batch, 1.0), made.losses(prediction, turned, 1.0)
    torch.testing.assert_close(one.total, other.total, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.qd, other.qd, rtol=1e-4, atol=1e-5)


def test_a_resumed_run_has_the_losses_of_one_that_never_stopped(
    density: DensityMap, particles: ParticleSet
) -> None:
    straight = losses_of(recipe(density, particles, steps=6))
    state = {}
    first = recipe(density, particles, steps=6)

    class StopAfter3:
        def poll(self) -> Request:
            return Request(None, stop=len(seen) >= 3)

    seen: list[float] = []
    for report in train(
        first, w=0.8, control=StopAfter3(), cadence=Cadence(report_s=0.0, checkpoint_s=1e9)
    ):
        if report.metrics is not None and len(seen) < 3:
            seen.append(report.metrics.loss)
        if report.checkpoint is not None:
            state = {k: v for k, v in report.checkpoint.items()}
    second = recipe(density, particles, steps=6)
    restore(second, state)
    rest = losses_of(second, int(state["step"]))
    assert seen + rest == straight


def test_a_time_budget_sets_the_number_of_steps(
    density: DensityMap, particles: ParticleSet
) -> None:
    made = recipe(density, particles, steps=None, minutes=0.03)
    reports = [r for r in train(made, w=0.8) if r.metrics is not None or r.outcome]
    assert reports[-1].outcome == "finished"
    assert made._progress == 1.0
    assert 1 <= made.n_steps < 1500
    left_s = [r.metrics.time_left_s for r in reports if r.metrics is not None]
    assert max(left_s) < 3600  # the first step has no time to go by, and is not a millionth


def test_schedules_start_low_and_end_where_they_should() -> None:
    assert noise_scale_at(0.0, 0.2, 0.6) == pytest.approx(0.2)
    assert noise_scale_at(0.6, 0.2, 0.6) == pytest.approx(1.0)
    assert noise_scale_at(1.0, 0.2, 0.6) == 1.0
    assert one_cycle_at(0.0) < 0.05
    assert one_cycle_at(0.2) == 1.0
    assert one_cycle_at(1.0) < 0.01
