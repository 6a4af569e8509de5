"""Views and what they sample against closed formulas; conical FSC of maps cut off by direction."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.diagnosis.conical import conical_correlation
from napari_cryoorient.diagnosis.orientations import orientation_report
from napari_cryoorient.diagnosis.sampling import MOST_VIEWS, RADIUS, sampling_of
from napari_cryoorient.geometry.grids import directions_to_matrices
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import Floats, Poses

N = 100_000
C1 = symmetry_matrices("C1")


def even_views(n: int) -> Floats:
    views = np.random.default_rng(1).normal(size=(n, 3))
    return np.asarray(views / np.linalg.norm(views, axis=1, keepdims=True))


def views_in_cone(n: int, half_angle_deg: float) -> Floats:
    rng = np.random.default_rng(2)
    z = rng.uniform(math.cos(math.radians(half_angle_deg)), 1, n)
    around, radius = rng.uniform(0, 2 * np.pi, n), np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(around), radius * np.sin(around), z], axis=1)


def side_views(n: int) -> Floats:
    around = np.random.default_rng(3).uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(around), np.sin(around), 0 * around], axis=1)


def poses_of(views: Floats) -> Poses:
    psi = torch.from_numpy(np.random.default_rng(4).uniform(0, 360, len(views)))
    rotations = directions_to_matrices(torch.from_numpy(views), psi).numpy()
    return Poses(rotations, np.zeros((len(views), 2)))


def sampling_by_cone(half_angle_deg: float, tilts: Floats) -> Floats:
    """Return how often 10,000 views within a cone sample directions at ``tilts`` from its axis.

    Of the views at one tilt b those are in the slab whose azimuth p gives
    ``|sin t sin b cos p + cos t cos b| < 1 / (2 R)``.
    """
    edges = np.linspace(0, math.radians(half_angle_deg), 2001)
    of_views = (edges[1:] + edges[:-1]) / 2
    weight = np.sin(of_views) / np.sin(of_views).sum()
    t, b = tilts[:, None], of_views[None]
    across, along = np.sin(t) * np.sin(b), np.cos(t) * np.cos(b)
    ends = [np.arccos(np.clip((e / (2 * RADIUS) - along) / across, -1, 1)) for e in (-1, 1)]
    return np.asarray(((ends[0] - ends[1]) / np.pi * weight).sum(1) * MOST_VIEWS)


@pytest.mark.parametrize("symmetry", ["C1", "D7", "I"])
def test_even_views_have_an_scf_of_1(symmetry: str) -> None:
    report = orientation_report(poses_of(even_views(N)), symmetry_matrices(symmetry))
    assert report.scf == pytest.approx(1.0, abs=0.01)
    assert report.scf_star == pytest.approx(1.0, abs=0.01)
    assert report.sampling.empty_share == 0
    assert report.sampling.missing_cone is None
    assert report.advice == "The views are even."
    assert report.view_counts.sum() == N * len(symmetry_matrices(symmetry))


@pytest.mark.parametrize("symmetry", ["C1", "C7"])
def test_side_views_have_the_threshold_for_scf(symmetry: str) -> None:
    sampling = sampling_of(side_views(N), symmetry_matrices(symmetry))
    assert sampling.scf == pytest.approx(8 / np.pi**2, rel=0.01)
    assert sampling.scf_star == pytest.approx(8 / np.pi**2, rel=0.01)


def test_a_cone_with_some_even_views_agrees_with_the_integral() -> None:
    even = N // 10
    views = np.concatenate([views_in_cone(N - even, 45.0), even_views(even)])
    found = sampling_of(views, C1)
    tilts = np.linspace(0, np.pi / 2, 4001)
    tilts = (tilts[1:] + tilts[:-1]) / 2
    weight = np.sin(tilts) / np.sin(tilts).sum()
    counts = 0.9 * sampling_by_cone(45.0, tilts) + 0.1 * MOST_VIEWS / (2 * RADIUS)
    expected = 1 / ((weight @ counts) * (weight @ (1 / counts)))
    assert found.empty_share == 0
    assert found.scf == pytest.approx(expected, rel=0.01)
    assert expected < 0.5


@pytest.mark.parametrize("half_angle_deg", [40.0, 60.0])
def test_views_in_a_cone_leave_the_rest_of_a_right_angle_empty(half_angle_deg: float) -> None:
    report = orientation_report(poses_of(views_in_cone(N, half_angle_deg)), C1)
    cone = report.sampling.missing_cone
    assert cone is not None
    assert abs(cone.axis[2]) > 0.999
    # The slab of the outermost views reaches half a Fourier pixel into it.
    slab = math.degrees(1 / (2 * RADIUS))
    assert cone.half_angle_deg == pytest.approx(90 - half_angle_deg - slab / 2, abs=0.5)
    tilts = np.linspace(0, np.pi / 2, 4001)
    tilts = (tilts[1:] + tilts[:-1]) / 2
    counts = sampling_by_cone(half_angle_deg, tilts)
    weight, full = np.sin(tilts) / np.sin(tilts).sum(), counts >= 1
    part, mean = weight[full].sum(), weight @ counts
    scf = part / (mean * (weight[full] @ (1 / counts[full])))
    expected = scf / (1 + (1 - part) / part * mean * scf / 2)
    assert report.scf_star == pytest.approx(expected, rel=0.01)
    assert report.sampling.empty_share == pytest.approx(1 - part, rel=0.01)
    # A tilt by the half angle of the gap closes it.
    assert abs(report.best_tilt_deg - (90 - half_angle_deg)) <= 10
    assert "Collect at a tilt of about" in report.advice


def test_few_views_are_not_judged() -> None:
    report = orientation_report(poses_of(even_views(100)), C1)
    assert "too few" in report.advice
    assert report.summary()["n"] == 100
    even = orientation_report(poses_of(even_views(2000)), C1)
    assert even.scf == pytest.approx(even.sampling.scf_of_even_views, abs=0.01)
    assert even.scf < 0.96


def half_maps(box: int, narrow: float, wide: float) -> tuple[np.ndarray, np.ndarray]:
    """Return maps whose signal ends at one radius within 45 degrees of z, at another elsewhere."""
    rng = np.random.default_rng(0)
    axis = np.fft.fftfreq(box, 1 / box)
    z, y, x = np.meshgrid(axis, axis, np.fft.rfftfreq(box, 1 / box), indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    end = np.where(np.abs(z) > radius * math.cos(math.radians(45)), narrow, wide)
    signal = np.fft.rfftn(rng.normal(size=(box,) * 3)) * (radius < end) * 30
    noise = (np.fft.rfftn(rng.normal(size=(box,) * 3)) for _ in range(2))
    a, b = (
        np.fft.irfftn(signal + n, s=(box,) * 3, axes=(0, 1, 2)).astype(np.float32) for n in noise
    )
    return a, b


def test_conical_curves_end_where_the_signal_does_and_cfar_is_their_ratio() -> None:
    box, narrow, wide = 64, 12.0, 26.0
    found = conical_correlation(*half_maps(box, narrow, wide), 2.0)
    along = int(np.abs(found.directions[:, 2]).argmax())
    across = int(np.abs(found.directions[:, 2]).argmin())
    unit = 1 / (box * 2.0)
    crossings = found.crossings_angstrom()
    # From nearly 1 in the last shell with signal the curve falls to 0 in the next.
    assert 1 / crossings[along] / unit == pytest.approx(narrow + 1 - 0.143, abs=0.2)
    assert 1 / crossings[across] / unit == pytest.approx(wide + 1 - 0.143, abs=0.2)
    assert found.cfar == pytest.approx((narrow + 0.5) / (wide + 0.5), rel=0.01)
    assert found.areas.argmin() in np.flatnonzero(np.abs(found.directions[:, 2]) > 0.9)
    even = conical_correlation(*half_maps(box, wide, wide), 2.0)
    assert even.cfar > 0.95


def test_a_weak_coefficient_of_the_first_shells_ends_no_curve() -> None:
    """Signal alike in all directions, fading to the edge: no direction is worse than another."""
    box = 48
    rng = np.random.default_rng(3)
    axis = np.fft.fftfreq(box)
    z, y, x = np.meshgrid(axis, axis, np.fft.rfftfreq(box), indexing="ij")
    falloff = np.exp(-(x * x + y * y + z * z) / 0.04)
    signal = np.fft.rfftn(rng.normal(size=(box,) * 3)) * falloff * 10
    noise = (np.fft.rfftn(rng.normal(size=(box,) * 3)) for _ in range(2))
    first, second = (signal + each for each in noise)
    second[0, 0, 2] = -first[0, 0, 2]  # the only one of its shell in the cone about x
    a, b = (
        np.fft.irfftn(each, s=(box,) * 3, axes=(0, 1, 2)).astype(np.float32)
        for each in (first, second)
    )
    found = conical_correlation(a, b, 1.5)
    assert found.curves[:, 1:4].min() < 0.143
    assert found.cfar > 0.8


def test_the_curve_of_a_cone_is_that_of_its_frequencies() -> None:
    """Against sums over the very frequencies of one cone."""
    a, b = half_maps(48, 12.0, 22.0)
    found = conical_correlation(a, b, 1.5)
    box, direction = len(a), found.directions[17]
    axis = np.fft.fftfreq(box, 1 / box)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    along = np.abs(x * direction[0] + y * direction[1] + z * direction[2])
    inside = along >= radius * math.cos(math.radians(20))
    f, g = np.fft.fftn(a), np.fft.fftn(b)
    for shell in (10, 15, 20):
        chosen = inside & (np.rint(radius) == shell)
        cross = (f[chosen] * g[chosen].conj()).real.sum()
        power = (np.abs(f[chosen]) ** 2).sum() * (np.abs(g[chosen]) ** 2).sum()
        assert found.curves[17, shell] == pytest.approx(cross / power**0.5, abs=0.05)


def test_command_and_face_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    from napari_cryoorient.io.maps import write_map
    from napari_cryoorient.io.new_star import new_particle_star
    from napari_cryoorient.io.star import write_star
    from support.command_line import call

    poses = poses_of(views_in_cone(3000, 50.0))
    star = new_particle_star("s.mrcs", poses, box=64, pixel_size_angstrom=2.0)
    write_star(star, tmp_path / "p.star")
    for name, half in zip(("a", "b"), half_maps(32, 6.0, 13.0), strict=True):
        write_map(nc.DensityMap(half, 2.0), tmp_path / f"{name}.mrc")
    maps = tmp_path / "a.mrc", tmp_path / "b.mrc"
    status, out, _ = call(
        capsys,
        *("orientations", tmp_path / "p.star", "--half1", maps[0], "--half2", maps[1]),
        *("--figure", tmp_path / "page.pdf", "--json"),
    )
    assert status == 0
    said = json.loads(out.splitlines()[-1])
    report = nc.orientations(tmp_path / "p.star", *maps)
    assert said["advice"] == report.advice
    assert said["cfar"] == pytest.approx(report.summary()["cfar"])
    assert said["cfar"] < 0.6
    assert (tmp_path / "page.pdf").stat().st_size > 10_000
    status, _, err = call(capsys, "orientations", tmp_path / "p.star", "--half1", maps[0])
    assert status == 2
    assert "both" in err
