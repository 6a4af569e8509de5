from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import angular_distance_deg, random_rotations
from napari_cryoorient.geometry.symmetry import (
    nearest_equivalent,
    symmetric_distance_deg,
    symmetry_matrices,
)

NAMES = (
    *(f"C{n}" for n in range(1, 13)),
    *(f"D{n}" for n in range(1, 10)),
    "T", "O", "I", "I1", "I2", "I3", "I4",
)  # fmt: skip
ORDERS = {"T": 12, "O": 24, "I": 60, "I1": 60, "I2": 60, "I3": 60, "I4": 60}


def order(name: str) -> int:
    return ORDERS.get(name) or int(name[1:]) * (2 if name[0] == "D" else 1)


def as_sets_differ(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance of an element of one group from the other group."""
    distances = np.abs(a[:, None] - b[None]).max(axis=(-1, -2))
    return float(max(distances.min(0).max(), distances.min(1).max()))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_group_of_rotations(name: str) -> None:
    group = symmetry_matrices(name)
    assert group.dtype == torch.float64
    assert group.shape == (order(name), 3, 3)
    torch.testing.assert_close(group[0], torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(torch.linalg.det(group), torch.ones(len(group)).double())
    distances = torch.cdist(group.flatten(1), group.flatten(1)) + 9 * torch.eye(len(group))
    assert distances.min() > 0.1 or len(group) == 1
    products = (group[:, None] @ group[None]).reshape(-1, 3, 3)
    assert as_sets_differ(products.numpy(), group.numpy()) < 1e-9


@pytest.mark.relion
@pytest.mark.parametrize("name", NAMES)
def test_it_is_relions_group(name: str) -> None:
    printed = subprocess.run(
        ["relion_refine", "--sym", name, "--print_symmetry_ops"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    numbers = re.sub(r"(?m)^.*(Euler|Running|\+\+\+|R\().*$", "", printed).split()
    theirs = np.array(numbers, dtype=float).reshape(-1, 3, 3)
    ours = symmetry_matrices(name).numpy()
    assert len(theirs) == len(ours)
    assert as_sets_differ(theirs, ours) < 1e-5


@pytest.mark.parametrize("name", ["C1", "C4", "D2", "D3", "D7", "O"])
def test_scipy_agrees_where_its_axes_are_relions(name: str) -> None:
    theirs = Rotation.create_group(name).as_matrix()
    assert as_sets_differ(theirs, symmetry_matrices(name).numpy()) < 1e-9


def test_names_may_be_written_small() -> None:
    assert torch.equal(symmetry_matrices(" d7 "), symmetry_matrices("D7"))


@pytest.mark.parametrize("name", ["TD", "TH", "OH", "IH", "I2H", "CI", "CS", "C4V", "D3H", "S4"])
def test_groups_with_mirrors_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' has mirrors"):
        symmetry_matrices(name)


@pytest.mark.parametrize("name", ["", "C0", "C", "X3", "I5", "D-2", "C2x", "7"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not known: give C1"):
        symmetry_matrices(name)


def test_changing_the_result_leaves_the_next_one_alone() -> None:
    symmetry_matrices("C2").zero_()
    assert symmetry_matrices("C2").abs().sum() > 0


@pytest.mark.parametrize("name", ["C1", "C3", "D7", "I3"])
def test_the_distance_is_the_smallest_over_the_group(name: str) -> None:
    generator = torch.Generator().manual_seed(5)
    a = random_rotations(20, generator, dtype=torch.float64)
    b = random_rotations(20, generator, dtype=torch.float64)
    group = symmetry_matrices(name)
    slow = torch.stack([angular_distance_deg(a, b @ g.T) for g in group]).amin(0)
    torch.testing.assert_close(symmetric_distance_deg(a, b, group), slow)
    turned = b @ group[-1].T
    torch.testing.assert_close(symmetric_distance_deg(a, turned, group), slow)
    broadcast = symmetric_distance_deg(a[:, None], b[None], group)
    torch.testing.assert_close(broadcast.diagonal(), slow)


def test_equivalent_poses_share_one_canonical_rotation() -> None:
    group = symmetry_matrices("O")
    a = random_rotations(30, torch.Generator().manual_seed(6), dtype=torch.float64)
    identity = torch.eye(3, dtype=torch.float64)
    canonical = nearest_equivalent(a, identity, group)
    torch.testing.assert_close(nearest_equivalent(a @ group[11].T, identity, group), canonical)
    assert angular_distance_deg(canonical, torch.eye(3).double()).max() < 63
    assert symmetric_distance_deg(canonical, a, group).max() < 1e-5


def test_the_nearest_equivalent_works_in_float32() -> None:
    group = symmetry_matrices("D2")
    a = random_rotations(8, torch.Generator().manual_seed(7))
    found = nearest_equivalent(a @ group[2].float().T, a, group)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, a)
