from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles, write_poses

# Box, pixel size and where a blob lies, in angstrom, of each image of two stacks.
KINDS = {"fine": (60, 2.0), "coarse": (48, 3.0)}
PLACES = {"fine": [(10.0, -20.0), (0.0, 6.0)], "coarse": [(-15.0, 9.0), (24.0, 3.0)]}
ORDER = [("coarse", 1), ("fine", 0), ("coarse", 0), ("fine", 1)]


def blob(box: int, pixel: float, place: tuple[float, float]) -> np.ndarray:
    axis = (np.arange(box) - box // 2) * pixel
    squares = (axis[None, :] - place[0]) ** 2 + (axis[:, None] - place[1]) ** 2
    return np.exp(-squares / (2 * 7.0**2)).astype(np.float32)


def a_star(folder: Path, *, relion30: bool = False, said_box: int | None = None) -> Path:
    for name, (box, pixel) in KINDS.items():
        with StackWriter(folder / f"{name}.mrcs", 2, box, pixel) as writer:
            writer.append(np.stack([blob(box, pixel, place) for place in PLACES[name]]))
    lines = []
    if not relion30:
        columns = ["rlnOpticsGroup", "rlnImagePixelSize", "rlnImageSize"]
        lines += ["data_optics", "", "loop_", *(f"_{name}" for name in columns)]
        lines += [f"1 2.0 {said_box or 60}", "2 3.0 48", ""]
    extra = ["rlnDetectorPixelSize", "rlnMagnification", "rlnOriginX", "rlnOriginY"]
    if not relion30:
        extra = ["rlnOpticsGroup", "rlnOriginXAngst", "rlnOriginYAngst"]
    columns = ["rlnImageName", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", *extra]
    lines += ["data_particles", "", "loop_", *(f"_{name}" for name in columns)]
    for name, number in ORDER:
        x, y = PLACES[name][number]
        pixel = KINDS[name][1]
        rest = f"5 {5e4 / pixel} {-x / pixel} {-y / pixel}"
        if not relion30:
            rest = f"{1 if name == 'fine' else 2} {-x} {-y}"
        lines.append(f"{number + 1}@{name}.mrcs 10 20 30 {rest}")
    path = folder / "particles.star"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("relion30", [False, True], ids=["optics groups", "magnifications"])
def test_two_samplings_become_one(tmp_path: Path, relion30: bool):
    particles, star = read_particles(a_star(tmp_path, relion30=relion30))
    assert (particles.box, particles.pixel_size_angstrom) == (40, 3.0)  # 120 A, the smaller field
    said = "images of 48 pixels of 3 A, 60 pixels of 2 A are brought to 40 pixels of 3 A"
    assert said in particles.notes
    expected = np.stack([blob(40, 3.0, PLACES[name][number]) for name, number in ORDER])
    found = particles.images.read(np.arange(4))
    np.testing.assert_allclose(found, expected, atol=4e-3)
    np.testing.assert_array_equal(particles.images.read(np.array([2, 0])), found[[2, 0]])
    assert particles.poses is not None
    places = np.array([PLACES[name][number] for name, number in ORDER])
    np.testing.assert_allclose(particles.poses.shifts_angstrom, places, atol=1e-9)
    rows = np.array([0, 1, 3])
    write_poses(star, particles.poses[rows], tmp_path / "out.star", rows=rows)
    again, _ = read_particles(tmp_path / "out.star")
    assert again.poses is not None
    np.testing.assert_allclose(again.poses.shifts_angstrom, places[rows], atol=1e-4)


def test_a_box_of_ones_own_is_taken_from_the_common_field(tmp_path: Path):
    particles, _ = read_particles(a_star(tmp_path), box=20)
    assert (particles.box, particles.pixel_size_angstrom) == (20, 6.0)


def test_an_image_size_that_is_not_the_stacks_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"says the images have 64 pixels .* stack has 60"):
        read_particles(a_star(tmp_path, said_box=64))
