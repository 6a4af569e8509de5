"""Our images against some that RELION made and that are kept here: tested where RELION is not."""

from __future__ import annotations

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.io.pose_table import read_pose_table
from support.golden import PIXEL, POSES, golden_images, golden_map, made_by_relion

KINDS = ["plain", "ctf"]


def here(kind: str, **changes: np.ndarray) -> np.ndarray:
    table = read_pose_table(POSES)
    assert table.poses is not None
    poses = nc.Poses(
        **(
            {"rotations": table.poses.rotations, "shifts_angstrom": table.poses.shifts_angstrom}
            | changes
        )
    )
    ctf = table.ctf if kind == "ctf" else None
    return nc.project(nc.DensityMap(golden_map(), PIXEL), poses, ctf=ctf, device="cpu")


def largest_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest over the images, of the norm of the difference over the image's."""
    return max(np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_those_that_relion_made(kind: str) -> None:
    assert largest_difference(here(kind), golden_images(kind)) < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_they_tell_the_conventions_apart(kind: str) -> None:
    """The inverse rotation, the opposite shift and the other hand are all seen."""
    poses = read_pose_table(POSES).poses
    assert poses is not None
    golden = golden_images(kind)
    mirror = np.diag([1.0, 1.0, -1.0])
    wrong = (
        here(kind, rotations=poses.rotations.transpose(0, 2, 1)),
        here(kind, shifts_angstrom=-poses.shifts_angstrom),
        here(kind, rotations=poses.rotations @ mirror),
    )
    for images in wrong:
        assert largest_difference(images, golden) > 0.3


@pytest.mark.relion
@pytest.mark.parametrize("kind", KINDS)
def test_relion_still_makes_them(kind: str) -> None:
    assert largest_difference(made_by_relion(kind), golden_images(kind)) < 1e-4
