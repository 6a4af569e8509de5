import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.stacks import MrcStackCollection
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.particles import DensityMap, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    project_chunk,
    projector_of,
    simulated_images,
    symmetry_agreement,
    working_map,
    write_simulation,
)
from napari_cryoorient.stack.chunks import Stopped

BOX, PIXEL = 32, 8.0


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, PIXEL)


def images_of(density: DensityMap, settings: SimulationSettings) -> np.ndarray:
    return np.concatenate(list(simulated_images(draw_simulation(density, settings))))


def test_the_same_seed_gives_the_same_files(density: DensityMap, tmp_path: Path) -> None:
    settings = SimulationSettings(n=12, snr=0.2, shift_sigma_angstrom=4.0, seed=5)
    for name in ("a", "b"):
        write_simulation(draw_simulation(density, settings), tmp_path / name)
    for file in ("particles.mrcs", "particles.star", "map.mrc"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    other = replace(settings, seed=6)
    write_simulation(draw_simulation(density, other), tmp_path / "c")
    assert (tmp_path / "a/particles.mrcs").read_bytes() != (
        tmp_path / "c/particles.mrcs"
    ).read_bytes()


def test_images_do_not_depend_on_the_chunks(
    density: DensityMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimulationSettings(n=10, snr=0.5)
    whole = images_of(density, settings)
    monkeypatch.setattr("napari_cryoorient.simulation.simulate.PIXELS_PER_CHUNK", 3 * BOX**2)
    np.testing.assert_allclose(images_of(density, settings), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("snr", [1.0, 0.1])
def test_snr_is_signal_with_ctf_over_noise_on_the_whole_image(
    density: DensityMap, snr: float
) -> None:
    settings = SimulationSettings(n=64, snr=snr, shift_sigma_angstrom=5.0)
    clean = images_of(density, replace(settings, snr=None))
    noise = images_of(density, settings) - clean
    assert clean.var(axis=(1, 2)).mean() / noise.var() == pytest.approx(snr, rel=0.02)
    assert abs(noise.mean()) < 0.02 * noise.std()


def test_the_noiseless_part_is_the_written_map_at_the_written_poses(
    density: DensityMap, tmp_path: Path
) -> None:
    settings = SimulationSettings(n=6, shift_sigma_angstrom=6.0)
    star = write_simulation(draw_simulation(density, settings), tmp_path)
    table = read_pose_table(star)
    particles, _ = read_particles(star)
    assert table.poses is not None
    assert particles.pixel_size_angstrom == pytest.approx(PIXEL)
    expected = project_chunk(projector_of(read_map(tmp_path / "map.mrc")), table.poses, table.ctf)
    images = particles.images.read(np.arange(6))
    np.testing.assert_allclose(images, expected, atol=1e-4 * expected.std())


def test_the_object_lies_at_the_shift() -> None:
    voxels = np.zeros((BOX, BOX, BOX), np.float32)
    voxels[BOX // 2, BOX // 2, BOX // 2] = 1
    poses = Poses(np.eye(3)[None], np.array([[3 * PIXEL, -5 * PIXEL]]))
    image = project_chunk(projector_of(DensityMap(voxels, PIXEL)), poses, None)[0]
    assert np.unravel_index(image.argmax(), image.shape) == (BOX // 2 - 5, BOX // 2 + 3)


def test_poses_are_uniform_whatever_the_map(density: DensityMap) -> None:
    poses = draw_simulation(density, SimulationSettings(n=4000)).poses
    np.testing.assert_allclose(poses.rotations.mean(axis=0), 0, atol=0.05)
    views = poses.rotations[:, 2]
    np.testing.assert_allclose(views.T @ views / len(views), np.eye(3) / 3, atol=0.03)


def test_a_smaller_box_keeps_the_field_of_view_and_the_projections(density: DensityMap) -> None:
    small = working_map(density, 16)
    assert small.box * small.pixel_size_angstrom == pytest.approx(BOX * PIXEL)
    assert small.voxels.sum() * 8 == pytest.approx(density.voxels.sum(), rel=1e-3)


def test_a_larger_box_keeps_the_pixels_and_the_centre(density: DensityMap) -> None:
    large = working_map(density, 48)
    assert large.pixel_size_angstrom == PIXEL
    np.testing.assert_array_equal(large.voxels[8:40, 8:40, 8:40], density.voxels)
    assert np.ptp(large.voxels[:8]) == 0


def test_lowpass_takes_detail_and_leaves_the_rest(density: DensityMap) -> None:
    smooth = working_map(density, None, 40.0)
    power = np.abs(np.fft.fftn(smooth.voxels)) ** 2
    before = np.abs(np.fft.fftn(density.voxels)) ** 2
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.fft.fftfreq(BOX, PIXEL)] * 3)), axis=0)
    assert power[radius > 1 / 30].sum() < 1e-4 * before[radius > 1 / 30].sum()
    np.testing.assert_allclose(power[radius < 1 / 70], before[radius < 1 / 70], rtol=1e-3)


@pytest.mark.parametrize(
    ("box", "lowpass"), [(15, None), (8, None), (32, 3.0)], ids=["odd", "tiny", "too fine"]
)
def test_unusable_boxes_and_filters_are_refused(
    density: DensityMap, box: int, lowpass: float | None
) -> None:
    with pytest.raises(InputError):
        working_map(density, box, lowpass)


def test_symmetry_agreement_is_one_for_the_right_group_only() -> None:
    d7 = demo_density(BOX, PIXEL, symmetry="D7")
    assert symmetry_agreement(d7, "D7") > 0.995
    assert symmetry_agreement(d7, "D5") < 0.95


def test_an_interrupted_stack_leaves_nothing(
    density: DensityMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cryoorient.simulation.simulate.PIXELS_PER_CHUNK", 4 * BOX**2)

    made = []

    def interrupt(done: float, total: float) -> None:
        made.append(done)
        if done >= 8:
            raise KeyboardInterrupt

    simulation = draw_simulation(density, SimulationSettings(n=20))
    with pytest.raises(KeyboardInterrupt):
        write_simulation(simulation, tmp_path, reporter=SILENT.watched(interrupt))
    assert not list(tmp_path.iterdir())
    stopping = Reporter(should_stop=lambda: True)
    with pytest.raises(Stopped):
        write_simulation(simulation, tmp_path, reporter=stopping)
    assert not list(tmp_path.iterdir())
    assert made == [4, 8]


def test_the_slow_projection_agrees(density: DensityMap) -> None:
    rotation = random_rotations(1, torch.Generator().manual_seed(2), dtype=torch.float64).numpy()
    image = project_chunk(projector_of(density), Poses(rotation, np.zeros((1, 2))), None)[0]
    centre = BOX // 2
    z, y, x = np.nonzero(density.voxels > 1e-4)
    points = np.stack([x, y, z], axis=1) - centre
    landed = points @ rotation[0].T
    columns, rows = (np.rint(landed[:, i]).astype(int) + centre for i in (0, 1))
    slow = np.zeros((BOX, BOX))
    inside = (columns >= 0) & (columns < BOX) & (rows >= 0) & (rows < BOX)
    np.add.at(slow, (rows[inside], columns[inside]), density.voxels[z, y, x][inside])
    assert np.corrcoef(slow.ravel(), image.ravel())[0, 1] > 0.97


@pytest.mark.relion
def test_relion_projects_the_written_map_to_the_written_particles(
    density: DensityMap, tmp_path: Path
) -> None:
    settings = SimulationSettings(n=10, shift_sigma_angstrom=6.0)
    star = write_simulation(draw_simulation(density, settings), tmp_path)
    command = f"relion_project --i map.mrc --ang {star.name} --o by_relion --ctf --angpix {PIXEL}"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    ours, theirs = (
        MrcStackCollection.of_one(tmp_path / name, PIXEL).read(np.arange(10))
        for name in ("particles.mrcs", "by_relion.mrcs")
    )
    for image, reference in zip(ours, theirs, strict=True):
        assert np.linalg.norm(image - reference) < 0.01 * np.linalg.norm(reference)
