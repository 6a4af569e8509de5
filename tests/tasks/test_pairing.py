from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet, Poses
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.resample import fourier_crop_volume
from napari_cryoorient.stack.pairing import load_inputs, matched_map, measure_contrast
from napari_cryoorient.tasks.simulated_labels import snr_of


def stack(box: int, pixel: float) -> ParticleSet:
    images = ArrayImages(np.zeros((3, box, box), np.float32), pixel)
    return ParticleSet(images, None, None, np.zeros(3, dtype=np.int64))


def test_map_that_fits_is_left_alone(lopsided_map: DensityMap):
    matched = matched_map(lopsided_map, stack(24, 4.0))
    assert matched.notes == ()
    np.testing.assert_array_equal(matched.voxels, lopsided_map.voxels)


@pytest.mark.parametrize(
    ("box", "pixel", "words"),
    [
        (24, 4.06, "is assumed to be the stack's"),
        (48, 2.0, "same field of view"),
        (12, 8.0, "same field of view"),
    ],
    ids=["pixel size 1.5% off", "finer stack", "coarser stack"],
)
def test_equal_fields_of_view_go_together(lopsided_map: DensityMap, box, pixel, words):
    matched = matched_map(lopsided_map, stack(box, pixel))
    assert matched.box == 24
    assert matched.pixel_size_angstrom * 24 == pytest.approx(box * pixel)
    assert words in matched.notes[0]


def smooth_map(box: int, pixel: float) -> DensityMap:
    """A lopsided density of three Gaussians on a solvent level of 2, sampled."""
    axis = (np.arange(box) - box // 2) * pixel
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    density = np.full((box, box, box), 2.0)
    for centre, height in (((0, 0, 0), 3.0), ((14, -6, 4), 2.0), ((-8, 10, -12), 1.0)):
        squares = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
        density += height * np.exp(-squares / (2 * 7.0**2))
    return DensityMap(density.astype(np.float32), pixel)


@pytest.mark.parametrize(
    ("map_grid", "stack_grid"),
    [
        ((48, 2.2), (96, 1.274)),
        ((96, 1.274), (40, 3.0)),
        ((52, 2.0), (51 - 1, 2.0)),  # odd boxes of 51: the map is padded, the images are cut
        ((104, 1.0), (102, 1.0)),
        ((50, 2.6), (64, 2.0)),
    ],
    ids=["coarser and smaller", "finer", "odd boxes", "large odd boxes", "any"],
)
def test_any_map_keeps_its_scale_in_any_stack(map_grid, stack_grid):
    matched = matched_map(smooth_map(*map_grid), stack(*stack_grid))
    field = stack_grid[0] * stack_grid[1]
    assert matched.pixel_size_angstrom * matched.box == pytest.approx(field)
    assert matched.box <= stack_grid[0]
    expected = smooth_map(matched.box, matched.pixel_size_angstrom).voxels
    np.testing.assert_allclose(matched.voxels, expected, atol=0.02)


def test_a_note_says_what_was_done_to_the_map():
    matched = matched_map(smooth_map(48, 2.2), stack(96, 1.274))
    (note,) = matched.notes
    assert note == (
        "the map is resampled from 48 voxels of 2.2 A to 56 of 2.184 A, padded by 8 A, to the "
        "stack's field of view"
    )


def test_density_beyond_the_images_is_told_and_then_refused():
    wide = smooth_map(48, 2.0)
    assert any("is cut off" in note for note in matched_map(wide, stack(30, 1.0)).notes)
    with pytest.raises(InputError, match=r"% of its density lies beyond their 16 A"):
        matched_map(wide, stack(16, 1.0))


@pytest.mark.parametrize(("box", "verb"), [(32, "padded"), (16, "cropped")])
def test_equal_pixel_sizes_go_together_and_the_centre_stays(lopsided_map: DensityMap, box, verb):
    matched = matched_map(lopsided_map, stack(box, 4.0))
    assert matched.box == box
    assert verb in matched.notes[0]
    assert matched.voxels[box // 2, box // 2, box // 2] == lopsided_map.voxels[12, 12, 12]
    if verb == "padded":
        view = torch.eye(3)[None]
        wide = Projector(torch.tensor(matched.voxels))(view)[0, 4:-4, 4:-4]
        own = Projector(torch.tensor(lopsided_map.voxels))(view)[0]
        torch.testing.assert_close(wide, own, atol=0.02 * float(own.max()), rtol=0)


def test_a_map_much_smaller_than_the_images_is_refused(lopsided_map):
    with pytest.raises(InputError, match="Pixel sizes do not belong together"):
        matched_map(replace(lopsided_map, pixel_size_angstrom=1.0), stack(64, 4.0))


def noisy(files, sign: float, noise: float, *, poses: bool) -> ParticleSet:
    spread = files.images.std()
    rng = np.random.default_rng(0)
    images = sign * files.images + noise * spread * rng.standard_normal(files.images.shape)
    return ParticleSet(
        ArrayImages(images.astype(np.float32), 4.0),
        files.poses if poses else None,
        None,
        np.zeros(len(images), dtype=np.int64),
    )


@pytest.mark.parametrize("poses", [True, False], ids=["with poses", "without poses"])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["white", "dark"])
def test_contrast_is_seen_through_noise(files, sign: float, poses: bool):
    contrast = measure_contrast(files.density, noisy(files, sign, 3.0, poses=poses))
    assert contrast.is_clear
    assert contrast.is_inverted is (sign < 0)


def test_contrast_of_noise_alone_is_not_clear(files):
    assert not measure_contrast(files.density, noisy(files, 0.0, 3.0, poses=True)).is_clear


def test_contrast_needs_the_right_poses_to_be_high(files):
    right = measure_contrast(files.density, noisy(files, 1.0, 0.0, poses=True))
    assert right.correlation > 0.99
    turned = Poses(files.poses.rotations[::-1].copy(), files.poses.shifts_angstrom[::-1].copy())
    wrong = replace(noisy(files, 1.0, 0.0, poses=True), poses=turned)
    assert measure_contrast(files.density, wrong).correlation < 0.9


def test_contrast_does_not_mind_another_sampling_of_the_map(files):
    fine = fourier_crop_volume(torch.tensor(files.density.voxels), 48).numpy()
    contrast = measure_contrast(DensityMap(fine, 2.0), noisy(files, -1.0, 1.0, poses=True))
    assert contrast.is_inverted


@pytest.mark.parametrize("snr", [0.1, 1.0])
def test_snr_is_estimated_from_the_corners(files, snr: float):
    rng = np.random.default_rng(1)
    signal = files.images.var(axis=(1, 2)).mean()
    noise = np.sqrt(signal / snr) * rng.standard_normal(files.images.shape)
    assert snr_of((files.images + noise).astype(np.float32)) == pytest.approx(snr, rel=0.35)


def test_blank_stack_is_refused(files):
    with StackWriter(files.star.parent / "particles.mrcs", 30, 24, 4.0) as writer:
        writer.append(np.full((30, 24, 24), 3.0, np.float32))
    with pytest.raises(InputError, match="blank"):
        load_inputs(files.star, files.map)


def test_padding_takes_the_median_of_all_six_faces():
    voxels = np.ones((16, 16, 16), np.float32)
    voxels[[0, -1]] = 5.0  # two faces of six
    matched = matched_map(DensityMap(voxels, 4.0), stack(24, 4.0))
    assert matched.voxels[0, 0, 0] == 1.0
