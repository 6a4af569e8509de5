from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.zernike import zernike_orders, zernike_sum
from napari_cryoorient.io.aberrations import Lens, transformed
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles, write_poses

BOX, PIXEL = 48, 2.0
MAGNIFICATION = np.array([[1.03, 0.015], [0.005, 0.98]])


def spot(x: float, y: float, width: float = 2.0) -> np.ndarray:
    axis = np.arange(BOX) - BOX // 2
    squares = (axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2
    return np.exp(-squares / (2 * width**2)).astype(np.float32)


def lens(**changes) -> Lens:
    plain = {
        "magnification": np.eye(2),
        "odd_zernike": np.zeros(1),
        "beam_tilt_mrad": np.zeros(2),
        "voltage_kv": 300.0,
        "spherical_aberration_mm": 2.7,
    }
    return Lens(**plain | changes)


def test_orders_are_relions():
    assert zernike_orders(6, is_odd=True) == [(-1, 1), (1, 1), (-3, 3), (-1, 3), (1, 3), (3, 3)]
    assert zernike_orders(5, is_odd=False) == [(0, 0), (-2, 2), (0, 2), (2, 2), (-4, 4)]


@pytest.mark.parametrize(
    ("index", "is_odd", "polynomial"),
    [
        (0, True, lambda x, y: y),
        (2, True, lambda x, y: 3 * x**2 * y - y**3),
        (3, True, lambda x, y: (3 * (x**2 + y**2) - 2) * y),
        (2, False, lambda x, y: 2 * (x**2 + y**2) - 1),
        (3, False, lambda x, y: x**2 - y**2),
        (6, False, lambda x, y: 6 * (x**2 + y**2) ** 2 - 6 * (x**2 + y**2) + 1),
    ],
)
def test_polynomials_in_x_and_y(index: int, is_odd: bool, polynomial):
    x, y = np.random.default_rng(0).normal(size=(2, 20))
    coefficients = np.zeros(9)
    coefficients[index] = 1.0
    found = zernike_sum(coefficients, x, y, is_odd=is_odd)
    np.testing.assert_allclose(found, polynomial(x, y), atol=1e-12)


@pytest.mark.parametrize("matrix", [MAGNIFICATION, MAGNIFICATION.T, np.diag([0.97, 1.02])])
def test_a_transformed_image_is_looked_up_at_the_matrix_times_the_place(matrix):
    place = np.array([9.0, -6.0])
    made = transformed(spot(*(matrix @ place))[None], matrix)[0]
    assert np.unravel_index(made.argmax(), made.shape) == (BOX // 2 - 6, BOX // 2 + 9)
    assert made[BOX // 2 - 6, BOX // 2 + 9] == pytest.approx(1.0, abs=1e-4)


def test_what_lenses_do_is_undone():
    faults = lens(
        magnification=MAGNIFICATION,
        odd_zernike=np.array([0.5, 1.0, 10.0, 0.0, -20.0, 5.0]),
        beam_tilt_mrad=np.array([0.7, -0.4]),
    )
    ideal = np.stack([spot(5, -3), spot(-8, 2) + spot(0, 9)])
    made = faults.distorted(ideal, PIXEL)
    assert np.abs(made - ideal).max() > 0.2
    np.testing.assert_allclose(faults.corrected(made, PIXEL), ideal, atol=2e-4)


def test_the_first_odd_coefficients_move_an_image():
    # exp(i c k) is a move by -c / (2 pi) angstrom; the first coefficient goes with y.
    moved = lens(odd_zernike=np.array([0.0, -2 * np.pi * 4 * PIXEL])).distorted(
        spot(0, 0)[None], PIXEL
    )
    np.testing.assert_allclose(moved[0], spot(4, 0), atol=1e-4)


OPTICS = {
    "rlnOpticsGroup": "1",
    "rlnVoltage": "300",
    "rlnSphericalAberration": "2.7",
    "rlnImagePixelSize": str(PIXEL),
}
MATRIX = dict(
    zip(
        ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11"),
        map(str, MAGNIFICATION.ravel()),
        strict=True,
    )
)


def a_star(folder: Path, optics: dict[str, str]) -> Path:
    images = np.stack([spot(*place) for place in ((5, -3), (-8, 2), (0, 9))])
    with StackWriter(folder / "stack.mrcs", 3, BOX, PIXEL) as writer:
        writer.append(images)
    lines = [
        "data_optics",
        "",
        "loop_",
        *(f"_{name}" for name in optics),
        " ".join(optics.values()),
    ]
    columns = ["ImageName", "OpticsGroup", "AngleRot", "AngleTilt", "AnglePsi"]
    columns += ["OriginXAngst", "OriginYAngst"]
    lines += ["", "data_particles", "", "loop_", *(f"_rln{name}" for name in columns)]
    lines += [f"{i + 1}@stack.mrcs 1 10 20 30 {-5 * i} {3 * i}" for i in range(3)]
    path = folder / "particles.star"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_images_and_shifts_are_those_of_ideal_lenses(tmp_path: Path):
    path = a_star(tmp_path, OPTICS | MATRIX | {"rlnBeamTiltX": "0.7", "rlnBeamTiltY": "-0.4"})
    particles, star = read_particles(path)
    plain, _ = read_particles(a_star(tmp_path, OPTICS))
    faults = lens(magnification=MAGNIFICATION, beam_tilt_mrad=np.array([0.7, -0.4]))
    rows = np.array([2, 0])
    expected = faults.corrected(plain.images.read(rows), PIXEL)
    np.testing.assert_allclose(particles.images.read(rows), expected, atol=1e-5)
    assert "anisotropic magnification, beam tilt" in " ".join(particles.notes)
    assert particles.poses is not None
    assert plain.poses is not None
    back = particles.poses.shifts_angstrom @ MAGNIFICATION  # M^T p, row by row
    np.testing.assert_allclose(back, plain.poses.shifts_angstrom, atol=1e-9)
    write_poses(star, particles.poses, tmp_path / "out.star")
    (tmp_path / "out.star").replace(path)
    again, _ = read_particles(path)
    assert again.poses is not None
    np.testing.assert_allclose(
        again.poses.shifts_angstrom, particles.poses.shifts_angstrom, atol=1e-4
    )


@pytest.mark.parametrize(
    "optics",
    [{}, {"rlnBeamTiltX": "0", "rlnBeamTiltY": "0"}, {"rlnOddZernike": "[0,0,0,0,0,0]"}],
    ids=["nothing said", "no tilt", "zeros"],
)
def test_lenses_without_fault_leave_images_alone(tmp_path: Path, optics):
    particles, _ = read_particles(a_star(tmp_path, OPTICS | optics))
    np.testing.assert_array_equal(particles.images.read(np.array([1]))[0], spot(-8, 2))
    assert not any("corrected" in note for note in particles.notes)


def test_even_aberrations_are_the_ctfs_and_what_is_not_used_is_told(tmp_path: Path):
    extra = {"rlnEvenZernike": "[0.1,0.2,0.3]", "rlnMtfFileName": "mtf.star"}
    particles, _ = read_particles(a_star(tmp_path, OPTICS | extra))
    said = " ".join(particles.notes)
    assert "even aberrations are part of the CTF" in said
    assert "not used: rlnMtfFileName" in said


def test_odd_values_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"has \[0.1,x\] in _rlnOddZernike"):
        read_particles(a_star(tmp_path, OPTICS | {"rlnOddZernike": "[0.1,x]"}))
    with pytest.raises(InputError, match="magnification matrix"):
        read_particles(a_star(tmp_path, OPTICS | dict.fromkeys(MATRIX, "0")))
