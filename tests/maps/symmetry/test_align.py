"""How one map lies against another: known turns found again, and what cannot be told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.rotations import angular_distance_deg, rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg, symmetry_matrices
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.maps.symmetry import align_maps, detect_symmetry, turned_map
from napari_cryoorient.maps.symmetry.describe import (
    describe_alignment,
    describe_axes,
    extent_angstrom,
)
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.simulation.demo_density import demo_density
from support.blob_maps import blobs

D2 = symmetry_matrices("D2")
C1 = symmetry_matrices("C1")


def permutation(x: str, y: str, z: str) -> torch.Tensor:
    """The rotation that takes x, y and z to the axes so called, up to D2's own turns."""
    columns = [torch.eye(3, dtype=torch.float64)["xyz".index(name)] for name in (x, y, z)]
    turn = torch.stack(columns, dim=1)
    return turn * torch.linalg.det(turn)


@pytest.fixture(scope="module")
def lopsided() -> DensityMap:
    """A D2 map whose three 2-folds differ."""
    return blobs("D2")


@pytest.mark.parametrize("axes", ["xyz", "yzx", "xzy"])
def test_permuted_d2_is_d2_and_the_axes_are_told(lopsided: DensityMap, axes: str):
    turn = permutation(*axes)
    turned = turned_map(lopsided, turn)
    found = detect_symmetry(turned)
    assert found.name == "D2"
    assert found.is_on_relion_axes
    # What takes the turned map back is the inverse.
    lies = align_maps(turned, lopsided, D2)
    assert float(symmetric_distance_deg(lies.rotation, turn.T, D2)) < 0.5
    assert lies.agreement > 0.98
    assert lies.runner_up < 0.7 * lies.agreement
    sentence = describe_alignment(found, lies, "a.mrc")
    if axes == "xyz":
        assert sentence.startswith("The map has the orientation of a.mrc")
    else:
        back = {new: old for old, new in zip("xyz", axes, strict=True)}
        told = f"its x lies along that map's {back['x']}, its y along {back['y']}, its z along "
        assert told + back["z"] in sentence
        assert "axes permuted" in sentence


def test_any_turn_and_shift_between_boxes_of_other_pixels():
    density = demo_density(48, 4.0)
    turn = rotation_vector_to_matrix(torch.tensor([1.9, -0.7, 0.4], dtype=torch.float64))
    moved = turned_map(density, turn, torch.tensor([6.0, -3.0, 9.0], dtype=torch.float64))
    finer = demo_density(64, 3.0)  # the same particle
    lies = align_maps(moved, finer, C1)
    assert float(angular_distance_deg(lies.rotation, turn.T)) < 1.5
    expected = -(turn.T @ torch.tensor([6.0, -3.0, 9.0], dtype=torch.float64))
    torch.testing.assert_close(lies.shift_angstrom, expected, atol=1.5, rtol=0)
    back = align_maps(turned_map(moved, lies.rotation, lies.shift_angstrom), finer, C1)
    assert back.angle_deg < 1.0
    assert float(back.shift_angstrom.norm()) < 1.5


def test_the_other_hand_is_told(lopsided: DensityMap):
    mirrored = replace(
        lopsided, voxels=np.ascontiguousarray(np.roll(lopsided.voxels[::-1], 1, axis=0))
    )
    lies = align_maps(mirrored, lopsided, D2)
    assert lies.mirrored > 0.95
    sentence = describe_alignment(detect_symmetry(mirrored), lies, "a.mrc")
    assert "mirror image of a.mrc" in sentence


def test_another_molecule_is_not_found(lopsided: DensityMap):
    lies = align_maps(lopsided, demo_density(40, 4.0), D2)
    sentence = describe_alignment(detect_symmetry(lopsided), lies, "a.mrc")
    assert "not found in a.mrc" in sentence


@pytest.mark.parametrize("axes", [("y", "z", "x"), ("x", "z", "y")])
def test_turning_by_whole_axes_only_moves_voxels(lopsided: DensityMap, axes):
    turn = permutation(*axes)
    turned = turned_map(lopsided, turn)
    n = lopsided.box
    rng = np.random.default_rng(0)
    for place in rng.integers(-n // 2 + 2, n // 2 - 2, (20, 3)):
        x, y, z = (turn.numpy() @ place).round().astype(int) + n // 2
        a, b, c = place + n // 2
        assert turned.voxels[z, y, x] == pytest.approx(lopsided.voxels[c, b, a], abs=1e-5)


def test_extents_tell_the_axes_of_d2_apart():
    axis = torch.arange(48, dtype=torch.float64) - 24
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    ball = torch.exp(-(x**2 / (2 * 4**2) + y**2 / (2 * 6**2) + z**2 / (2 * 8**2)))
    density = DensityMap(ball.float().numpy(), 2.0)
    reach = [extent_angstrom(density, d) for d in torch.eye(3, dtype=torch.float64)]
    assert reach[0] < reach[1] < reach[2]
    # The quarter contour cuts a Gaussian short, by the same part along every axis.
    assert reach[1] / reach[0] == pytest.approx(1.5, rel=0.05)
    assert reach[2] / reach[0] == pytest.approx(2.0, rel=0.05)


def test_axes_are_listed_by_fold():
    density = blobs("D3")
    lines = describe_axes(density, detect_symmetry(density))
    assert lines[0] == "3-fold: z"
    assert lines[1].startswith("2-fold: x, ")


def test_real_beta_galactosidase_is_d2_with_its_axes_permuted(shared_data: Path):
    real = read_map(shared_data / "maps" / "bgal_real_D2_100px_3.54A.mrc")
    model = read_map(shared_data / "maps" / "bgal_D2_96px_2.2A.mrc")
    found = detect_symmetry(real)
    lies = align_maps(real, model, D2)
    assert lies.agreement > 0.9
    assert max(lies.runner_up, lies.mirrored) < 0.4
    sentence = describe_alignment(found, lies, "5a1a")
    assert "its x lies along that map's y, its y along z, its z along x" in sentence
