"""Two refinements of the same made particles, in frames of their own, some poses wrong in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from napari_cryoorient.geometry.rotations import random_rotations, rotation_vector_to_matrix
from napari_cryoorient.particles import Floats, Poses

MIRROR = np.diag([1.0, 1.0, -1.0])


def rotations(n: int, seed: int) -> Floats:
    generator = torch.Generator().manual_seed(seed)
    return random_rotations(n, generator, dtype=torch.float64).numpy()


def turned(poses: Floats, degrees: float, rng: np.random.Generator) -> Floats:
    """Turn each pose at random, by so much in the root mean square."""
    vectors = rng.normal(0, np.radians(degrees) / np.sqrt(3), (len(poses), 3))
    return np.asarray(rotation_vector_to_matrix(torch.from_numpy(vectors)).numpy() @ poses)


@dataclass(frozen=True)
class Pair:
    """Poses in frames A and B, what is between the frames, and which poses are wrong in each."""

    a: Poses
    b: Poses
    turn: Floats
    shift: Floats
    wrong_a: np.ndarray
    wrong_b: np.ndarray


def two_refinements(
    n: int,
    seed: int,
    *,
    noise_deg: float = 3.0,
    wrong: float = 0.0,
    is_mirrored: bool = False,
    group: Floats | None = None,
) -> Pair:
    """Draw both; a point p of map A is ``Q p + t`` of map B, or ``S Q p + t``."""
    rng = np.random.default_rng(seed)
    true, turn, shift = rotations(n, seed), rotations(1, seed + 1000)[0], rng.normal(0, 5, 3)
    a, b = turned(true, noise_deg, rng), turned(true, noise_deg, rng) @ turn.T
    clean = true @ turn.T
    if group is not None:
        a = a @ np.swapaxes(group[rng.integers(len(group), size=n)], 1, 2)
    if is_mirrored:
        b, clean = MIRROR @ b @ MIRROR, MIRROR @ clean @ MIRROR
    spoilt = [rng.random(n) < wrong for _ in range(2)]
    for poses, which, more in ((a, spoilt[0], 1), (b, spoilt[1], 2)):
        poses[which] = rotations(int(which.sum()), seed + 10_000 * more)
    shifts = rng.normal(0, 5, (n, 2))
    of_a = shifts + clean[:, :2] @ shift + rng.normal(0, 0.5, (n, 2))
    return Pair(Poses(a, of_a), Poses(b, shifts), turn, shift, spoilt[0], spoilt[1])
