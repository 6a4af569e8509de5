from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
import torch
from torch import Tensor

from napari_cryoorient.geometry.rotations import (
    euler_zyz_deg_to_matrix,
    quaternion_to_matrix,
    random_rotations,
)
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.interpolation import (
    _grid_sampled_slice,
    interpolate_half_space,
)
from napari_cryoorient.projection.resample import fourier_crop_images

DOUBLE = torch.float64


def poses(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        random_rotations(n, generator, dtype=DOUBLE),
        torch.randn(n, 2, generator=generator, dtype=DOUBLE) * 2,
    )


def rotate_and_sum(volume: Tensor, rotations: Tensor) -> Tensor:
    """Project in real space: the voxel at u of the turned map is the map at A^T u."""
    box = volume.shape[-1]
    axis = torch.arange(box, dtype=volume.dtype) - box // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    points = torch.stack([x, y, z], dim=-1).reshape(1, -1, 3) @ rotations
    grid = ((points + box // 2) * (2 / (box - 1)) - 1).reshape(-1, box, box, box, 3)
    maps = volume.expand(len(rotations), 1, box, box, box)
    return torch.nn.functional.grid_sample(maps, grid, align_corners=True)[:, 0].sum(1)


def relative_error(images: Tensor, reference: Tensor) -> float:
    return float(((images - reference).norm(dim=(1, 2)) / reference.norm(dim=(1, 2))).max())


def test_slices_are_projections(density: Tensor) -> None:
    rotations, _ = poses(5)
    wide = Projector(density)(rotations)
    assert relative_error(wide, rotate_and_sum(density, rotations)) < 0.06  # blurred by trilinear
    # The blobs are Gaussians: their projections are known without any interpolation.
    generator = torch.Generator().manual_seed(3)
    axis = torch.arange(32, dtype=DOUBLE) - 16
    exact = torch.zeros_like(wide)
    for weight in (1.0, 0.9, 0.7, 0.6, 0.5):
        centre = (torch.rand(3, generator=generator, dtype=DOUBLE) - 0.5) * 0.35 * 32
        landed = rotations @ centre
        squared = (axis - landed[:, 0, None, None]) ** 2 + (
            axis[:, None] - landed[:, 1, None, None]
        ) ** 2
        exact += weight * np.sqrt(2 * np.pi) * 1.6 * torch.exp(-squared / (2 * 1.6**2))
    assert relative_error(wide, exact) < 0.02  # of linear interpolation with a padding of 2


def test_a_point_lands_where_the_convention_says() -> None:
    box = 48
    point = torch.tensor([9.0, -5.0, 3.0], dtype=DOUBLE)
    volume = torch.zeros(box, box, box, dtype=DOUBLE)
    x, y, z = (point.long() + box // 2).tolist()
    volume[z, y, x] = 1.0
    rotations, shifts = poses(6, seed=2)
    images = Projector(volume, pixel_size_angstrom=2.0)(rotations, shifts)
    expected = (rotations @ point)[:, :2] + shifts / 2.0
    # The spot is narrower than a pixel: its phase at the lowest frequency tells the place.
    low = torch.fft.rfft2(torch.fft.ifftshift(images, dim=(-2, -1)))
    place = -torch.stack([low[:, 0, 1].angle(), low[:, 1, 0].angle()], -1) * box / (2 * np.pi)
    torch.testing.assert_close(place, expected, atol=0.04, rtol=0)


def test_the_centre_voxel_keeps_its_weight() -> None:
    volume = torch.zeros(16, 16, 16, dtype=DOUBLE)
    volume[8, 8, 8] = 3.0
    images = Projector(volume)(poses(4)[0])
    torch.testing.assert_close(images.sum((1, 2)), torch.full((4,), 3.0, dtype=DOUBLE))
    assert torch.equal(images.flatten(1).argmax(1), torch.full((4,), 8 * 16 + 8))


def test_equivalent_poses_of_a_symmetric_map_look_alike(density: Tensor) -> None:
    # Quarter turns about z map the grid without its first row and column onto itself.
    core = density.clone()
    core[0] = core[:, 0] = core[:, :, 0] = 0
    inner = core[1:, 1:, 1:]
    fourfold = torch.stack([torch.rot90(inner, k, dims=(1, 2)) for k in range(4)]).sum(0)
    core[1:, 1:, 1:] = fourfold
    rotations, _ = poses(3)
    projector = Projector(core)
    for element in symmetry_matrices("C4"):
        images = projector(rotations @ element.T)
        torch.testing.assert_close(images, projector(rotations), atol=1e-9, rtol=0)


@pytest.mark.parametrize("what", ["rotations", "shifts", "map"])
def test_gradients_are_exact(what: str) -> None:
    generator = torch.Generator().manual_seed(5)
    volume = torch.randn(8, 8, 8, generator=generator, dtype=DOUBLE)
    quaternions = torch.randn(2, 4, generator=generator, dtype=DOUBLE)
    shifts = torch.randn(2, 2, generator=generator, dtype=DOUBLE)
    if what == "map":
        volume.requires_grad_()
        rotations = quaternion_to_matrix(quaternions)
        # The map is an argument of the check, so that each perturbed one is transformed anew.
        assert torch.autograd.gradcheck(lambda v: Projector(v)(rotations, shifts), (volume,))
        return
    projector = Projector(volume, pixel_size_angstrom=1.5)
    leaf = (quaternions if what == "rotations" else shifts).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda _: projector(quaternion_to_matrix(quaternions), shifts), (leaf,)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gathers_equal_grid_sample(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(6)
    half_space = torch.randn(2, 13, 13, 7, generator=generator, dtype=dtype)
    points = (torch.rand(3, 3, 200, generator=generator, dtype=dtype) - 0.5) * 9.8
    weights = torch.randn(3, 200, generator=generator, dtype=dtype)
    found = []
    for method in (interpolate_half_space, _grid_sampled_slice):
        leaf = points.clone().requires_grad_()
        values = method(half_space, leaf)
        (values.real * weights + values.imag * weights.flip(1)).sum().backward()
        found.append((values.detach(), leaf.grad))
    tolerance = 2e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found[0][0], found[1][0], atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(found[0][1], found[1][1], atol=10 * tolerance, rtol=tolerance)


def test_a_radius_only_leaves_frequencies_out(density: Tensor) -> None:
    rotations, _ = poses(2)
    full, low = Projector(density), Projector(density, max_radius=5.5)
    radius = full.frequencies.norm(dim=1)
    inside = radius < 5.5
    assert len(low.frequencies) == inside.sum()
    assert low.transform.numel() < full.transform.numel() / 8
    torch.testing.assert_close(low.frequencies, full.frequencies[inside])
    torch.testing.assert_close(low.coefficients(rotations), full.coefficients(rotations)[:, inside])


@pytest.mark.parametrize("box", [16, 24, 48])
def test_another_box_is_the_same_image_resampled(density: Tensor, box: int) -> None:
    rotations, shifts = poses(3)
    other = Projector(density, pixel_size_angstrom=2.0, box=box)
    assert other.pixel_size_angstrom == pytest.approx(2.0 * 32 / box)
    reference = Projector(density, pixel_size_angstrom=2.0, max_radius=min(32, box) / 2)
    expected = fourier_crop_images(reference(rotations, shifts), box)
    # Alike but for the row and column at Nyquist, where this map has hardly anything.
    torch.testing.assert_close(other(rotations, shifts), expected, atol=1e-6, rtol=0)


def test_a_map_that_is_learnt_is_transformed_in_every_call(density: Tensor) -> None:
    learnt = density.clone().requires_grad_()
    projector = Projector(learnt)
    rotations, _ = poses(2)
    before = projector(rotations).detach()
    torch.testing.assert_close(before, Projector(density)(rotations))
    with torch.no_grad():
        learnt.mul_(2)
    torch.testing.assert_close(projector(rotations).detach(), 2 * before)


def test_arguments_are_left_alone(density: Tensor) -> None:
    rotations, shifts = poses(2)
    ctf = torch.rand(2, 32, 17, dtype=DOUBLE)
    copies = [tensor.clone() for tensor in (density, rotations, shifts, ctf)]
    Projector(density)(rotations, shifts, ctf)
    for tensor, copy in zip((density, rotations, shifts, ctf), copies, strict=True):
        assert torch.equal(tensor, copy)


def test_a_pose_that_is_not_finite_gives_an_image_that_is_not_finite(density: Tensor) -> None:
    rotations, _ = poses(2)
    rotations[1] = float("nan")
    images = Projector(density)(rotations)
    assert torch.isfinite(images[0]).all()
    assert not torch.isfinite(images[1]).all()


@pytest.mark.parametrize("shape", [(8, 8, 10), (9, 9, 9)])
def test_odd_or_oblong_maps_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cubic map and an even box"):
        Projector(torch.zeros(shape))


@pytest.mark.parametrize("name", ["centered", "shifted"])
def test_stored_images_of_relion_project_come_out_again(shared_data: Path, name: str) -> None:
    folder = shared_data / "relion_project"
    volume = mrcfile.read(folder / "derived_clean70S_64_fouriercrop.mrc").astype(np.float32)
    theirs = torch.tensor(mrcfile.read(folder / f"rln_proj_64_{name}.mrcs").astype(np.float64))
    rows = starfile.read(folder / f"rln_proj_64_{name}.star", always_dict=True)
    table = next(block for block in rows.values() if "rlnAngleRot" in block)
    angles = table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(float)
    rotations = torch.tensor(euler_zyz_deg_to_matrix(angles))
    shifts = None
    if name == "shifted":
        columns = [c for c in ("rlnOriginX", "rlnOriginY") if c in table]
        if not columns:
            columns = ["rlnOriginXAngst", "rlnOriginYAngst"]
        shifts = -torch.tensor(table[columns].to_numpy(float))
    images = Projector(torch.tensor(volume).double())(rotations, shifts)
    for ours, reference in zip(images, theirs, strict=True):
        pair = torch.stack([ours.flatten(), reference.flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.999
