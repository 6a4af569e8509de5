"""Filter curve: one pass over the images, the maps those of each subset alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.config import FilterCurveConfig
from napari_cryoorient.diagnosis.filter_curve import _levels, filter_curve
from napari_cryoorient.diagnosis.filter_files import filter_curve_of_particles
from napari_cryoorient.io.star import read_star
from napari_cryoorient.particles import ArrayImages, Floats, Poses
from napari_cryoorient.reporting import SILENT
from support.command_line import call, simulated
from support.pose_sets import rotations

N = 240


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Floats, np.ndarray]:
    """Particles of which a third have a wrong pose and, mostly, little confidence."""
    folder = simulated(tmp_path_factory.mktemp("filter"), "--n", N, "--snr", 0.2)
    particles = nc.read_particles(folder / "particles.star")
    assert particles.poses is not None
    rng = np.random.default_rng(0)
    is_wrong = rng.random(N) < 1 / 3
    poses = particles.poses.rotations.copy()
    poses[is_wrong] = rotations(int(is_wrong.sum()), 9)
    confidence = np.where(is_wrong, rng.uniform(0, 0.4, N), rng.uniform(0.6, 1, N))
    moved = replace(particles, poses=Poses(poses, particles.poses.shifts_angstrom))
    nc.write_poses(folder / "spoilt.star", moved, confidence=confidence)
    return folder / "spoilt.star", confidence, is_wrong


def test_each_threshold_has_the_map_of_its_own_particles(
    spoilt: tuple[Path, Floats, np.ndarray],
) -> None:
    particles = nc.read_particles(spoilt[0])
    halves = np.arange(N) % 2 + 1
    stack = replace(particles, random_subset=halves)
    levels = [0.0, 0.3, 0.5, 0.8]
    curve = filter_curve(stack, spoilt[1], torch.device("cpu"), thresholds=levels)
    assert curve.kept.tolist() == [(spoilt[1] >= level).sum() for level in levels]
    for level, found in zip(levels, curve.half_map_angstrom, strict=True):
        chosen = np.flatnonzero(spoilt[1] >= level)
        alone = nc.reconstruct(stack[chosen], half_maps=True, device="cpu", invert_contrast="no")
        assert alone.fsc is not None
        expected = alone.fsc.crossing_angstrom(0.143) or alone.fsc.nyquist_angstrom
        assert found == pytest.approx(expected, rel=1e-3)


def test_particles_that_are_all_but_sure_or_not_at_all_leave_thresholds_between() -> None:
    confidence = np.concatenate([np.zeros(90), [0.15, 0.35, 0.55, 0.75], np.ones(106)])
    levels = _levels(confidence)
    assert levels[0] == 0
    kept = [int((confidence >= level).sum()) for level in levels]
    assert kept == [200, 110, 109, 108, 107, 106]


def test_each_image_is_read_once_whatever_the_number_of_thresholds(
    spoilt: tuple[Path, Floats, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_cryoorient.diagnosis import filter_curve as module

    entered: list[int] = []
    honest = module.back_project

    def counting(*given, **settings):  # type: ignore[no-untyped-def]
        entered.extend(row for rows in settings["rows_of_sets"] for row in rows)
        return honest(*given, **settings)

    monkeypatch.setattr(module, "back_project", counting)
    nc.filter_curve(spoilt[0], device="cpu")
    assert sorted(entered) == list(range(N))


def test_leaving_out_wrong_poses_makes_the_map_finer_and_the_command_writes_the_rest(
    spoilt: tuple[Path, Floats, np.ndarray], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    star, confidence, is_wrong = spoilt
    curve = nc.filter_curve(star, star.parent / "map.mrc", thresholds=[0, 0.5], device="cpu")
    assert curve.reference_angstrom[1] < curve.reference_angstrom[0]
    assert curve.expected_wrong[0] == pytest.approx((1 - confidence).sum(), abs=1e-3)
    kept, table, page = tmp_path / "kept.star", tmp_path / "c.csv", tmp_path / "c.png"
    status, out, _ = call(
        capsys,
        *("filter-curve", star, "--map", star.parent / "map.mrc", "-o", kept),
        *("--min-confidence", 0.5, "--csv", table, "--figure", page, "--device", "cpu"),
    )
    assert status == 0
    assert "particles of at least 0.5" in out
    assert len(read_star(kept).blocks[-1].table) == (~is_wrong).sum()
    assert len(table.read_text().splitlines()) == 11
    assert page.stat().st_size > 10_000


def test_a_file_without_confidence_is_refused(
    spoilt: tuple[Path, Floats, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(capsys, "filter-curve", spoilt[0].parent / "particles.star")
    assert status == 2
    assert "no confidence" in err


def test_joined_stacks_have_the_curve_of_one_scale(
    spoilt: tuple[Path, Floats, np.ndarray],
) -> None:
    particles = nc.read_particles(spoilt[0])
    group = 1 + np.arange(N) % 3 // 2
    images = particles.images.read(np.arange(N))
    joined = images * np.where(group == 2, np.float32(30), np.float32(1))[:, None, None]
    curves = [
        filter_curve_of_particles(
            replace(
                particles,
                images=ArrayImages(stack, particles.pixel_size_angstrom),
                optics_group=group,
            ),
            spoilt[1],
        )
        for stack in (images, joined)
    ]
    np.testing.assert_allclose(curves[1].half_map_angstrom, curves[0].half_map_angstrom, rtol=0.02)


def test_unusable_images_are_left_out_without_a_map_too(
    spoilt: tuple[Path, Floats, np.ndarray],
) -> None:
    particles = nc.read_particles(spoilt[0])
    images = particles.images.read(np.arange(N)).copy()
    images[:5] = np.nan
    stack = replace(particles, images=ArrayImages(images, particles.pixel_size_angstrom))
    said: list[str] = []
    curve = filter_curve_of_particles(
        stack,
        spoilt[1],
        config=FilterCurveConfig(thresholds=(0.0,)),
        reporter=replace(SILENT, say=said.append),
    )
    assert curve.kept.tolist() == [N - 5]
    assert any("left out" in line for line in said)
