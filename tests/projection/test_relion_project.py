"""Our images against relion_project's, for every even box: the conventions as a test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
import torch
from scipy.ndimage import gaussian_filter

from napari_cryoorient.geometry.rotations import (
    euler_zyz_deg_to_matrix,
    matrix_to_euler_zyz_deg,
    random_rotations,
)
from napari_cryoorient.particles import CtfParameters
from napari_cryoorient.projection.ctf import ctf_half_plane
from napari_cryoorient.projection.fourier_slice import Projector

pytestmark = pytest.mark.relion

N_IMAGES = 5


@dataclass(frozen=True)
class Scene:
    """A map and the rows of a STAR file that says how to project it."""

    voxels: np.ndarray
    pixel_size_angstrom: float
    particles: pd.DataFrame


def a_scene(voxels: np.ndarray, pixel_size_angstrom: float) -> Scene:
    rng = np.random.default_rng(len(voxels))
    rotations = random_rotations(N_IMAGES, torch.Generator().manual_seed(1), dtype=torch.float64)
    angles = matrix_to_euler_zyz_deg(rotations.numpy())
    angles[0] = [0.0, 0.0, 0.0]
    origins = rng.normal(size=(N_IMAGES, 2)) * 3 * pixel_size_angstrom
    origins[1] = 0
    defocus_v = rng.uniform(8e3, 2e4, N_IMAGES)
    particles = pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@none.mrcs" for i in range(N_IMAGES)],
            "rlnAngleRot": angles[:, 0],
            "rlnAngleTilt": angles[:, 1],
            "rlnAnglePsi": angles[:, 2],
            "rlnOriginXAngst": origins[:, 0],
            "rlnOriginYAngst": origins[:, 1],
            "rlnDefocusU": defocus_v + rng.uniform(0, 3000, N_IMAGES),
            "rlnDefocusV": defocus_v,
            "rlnDefocusAngle": rng.uniform(0, 180, N_IMAGES),
            "rlnPhaseShift": rng.uniform(0, 90, N_IMAGES),
            "rlnCtfBfactor": rng.uniform(0, 80, N_IMAGES),
            "rlnCtfScalefactor": rng.uniform(0.5, 1, N_IMAGES),
            "rlnOpticsGroup": 1,
        }
    )
    return Scene(voxels.astype(np.float32), pixel_size_angstrom, particles)


def projected_by_relion(
    scene: Scene, folder: Path, *, with_ctf: bool, even_zernike: list[float] | None = None
) -> np.ndarray:
    with mrcfile.new(folder / "map.mrc") as file:
        file.set_data(scene.voxels)
        file.voxel_size = scene.pixel_size_angstrom
    optics = pd.DataFrame(
        {
            "rlnOpticsGroup": [1],
            "rlnOpticsGroupName": ["one"],
            "rlnVoltage": [300.0],
            "rlnSphericalAberration": [2.7],
            "rlnAmplitudeContrast": [0.1],
            "rlnImagePixelSize": [scene.pixel_size_angstrom],
            "rlnImageSize": [len(scene.voxels)],
            "rlnImageDimensionality": [2],
        }
    )
    if even_zernike is not None:
        optics["rlnEvenZernike"] = "[" + ",".join(map(str, even_zernike)) + "]"
    starfile.write({"optics": optics, "particles": scene.particles}, folder / "poses.star")
    command = ["relion_project", "--i", "map.mrc", "--o", "out", "--ang", "poses.star"]
    command += ["--angpix", str(scene.pixel_size_angstrom), *(["--ctf"] if with_ctf else [])]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return mrcfile.read(folder / "out.mrcs")


def projected_here(
    scene: Scene, *, with_ctf: bool, even_zernike: list[float] | None = None
) -> np.ndarray:
    rows = scene.particles
    angles = rows[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy()
    origins = rows[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy()
    ctf = None
    if with_ctf:
        parameters = CtfParameters(
            defocus_u_angstrom=rows["rlnDefocusU"].to_numpy(),
            defocus_v_angstrom=rows["rlnDefocusV"].to_numpy(),
            defocus_angle_deg=rows["rlnDefocusAngle"].to_numpy(),
            phase_shift_deg=rows["rlnPhaseShift"].to_numpy(),
            voltage_kv=np.full(N_IMAGES, 300.0),
            spherical_aberration_mm=np.full(N_IMAGES, 2.7),
            amplitude_contrast=np.full(N_IMAGES, 0.1),
            b_factor_angstrom2=rows["rlnCtfBfactor"].to_numpy(),
            scale=rows["rlnCtfScalefactor"].to_numpy(),
            even_zernike=None if even_zernike is None else np.tile(even_zernike, (N_IMAGES, 1)),
        )
        ctf = ctf_half_plane(parameters, len(scene.voxels), scene.pixel_size_angstrom)
    projector = Projector(torch.tensor(scene.voxels), pixel_size_angstrom=scene.pixel_size_angstrom)
    images: np.ndarray = projector(
        torch.tensor(euler_zyz_deg_to_matrix(angles)).float(), -torch.tensor(origins).float(), ctf
    ).numpy()
    return images


def assert_same_images(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    for a, b in zip(ours, theirs, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9999
        assert np.linalg.norm(a - b) < 0.01 * np.linalg.norm(b)


@pytest.mark.parametrize("with_ctf", [False, True], ids=["plain", "ctf"])
@pytest.mark.parametrize("box", [32, 34, 48, 64, 96, 100, 128])
def test_every_even_box_gives_relions_images(tmp_path: Path, box: int, with_ctf: bool) -> None:
    rng = np.random.default_rng(0)
    axis = np.arange(box) - box // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    # Detail down to three pixels, inside a ball.  At exactly Nyquist, where rounding decides in
    # RELION which frequencies it keeps, little is left of it.
    voxels = gaussian_filter(rng.normal(size=(box,) * 3), 1.0) * (radius < 0.4 * box)
    scene = a_scene(voxels, 2.3)
    ours = projected_here(scene, with_ctf=with_ctf)
    assert_same_images(ours, projected_by_relion(scene, tmp_path, with_ctf=with_ctf))


def test_even_aberrations_give_relions_images(tmp_path: Path) -> None:
    coefficients = [0.2, 3.0, -2.0, 4.0, 60.0, -50.0, 30.0, 20.0, 40.0]
    voxels = gaussian_filter(np.random.default_rng(0).normal(size=(48,) * 3), 1.0)
    scene = a_scene(voxels, 2.3)
    ours = projected_here(scene, with_ctf=True, even_zernike=coefficients)
    theirs = projected_by_relion(scene, tmp_path, with_ctf=True, even_zernike=coefficients)
    assert_same_images(ours, theirs)
    plain = projected_here(scene, with_ctf=True)
    assert np.linalg.norm(plain - theirs) > 0.3 * np.linalg.norm(theirs)


@pytest.mark.parametrize(
    "name",
    ["ribosome70S_C1_96px_4.0A.mrc", "bgal_real_D2_100px_3.54A.mrc", "emd_1832.map"],
)
def test_real_maps_give_relions_images(tmp_path: Path, shared_data: Path, name: str) -> None:
    scene = a_scene(mrcfile.read(shared_data / "maps" / name), 4.0)
    ours = projected_here(scene, with_ctf=True)
    assert_same_images(ours, projected_by_relion(scene, tmp_path, with_ctf=True))
