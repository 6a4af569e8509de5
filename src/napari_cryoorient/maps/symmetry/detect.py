"""Which point group a map has, and where its axes lie, from the map alone.

The map is compared with itself turned about axes through its middle, which need not be the box's.
Axes that leave it as it is are found on a grid of directions and refined; groups are then fitted to
pairs of axes and accepted when every one of their rotations leaves the map as it is, everywhere: a
group that fails in one place only is named as a pseudo-symmetry.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from napari_cryoorient.geometry.grids import view_directions
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.maps.symmetry.point_group import DetectedSymmetry, axes_of
from napari_cryoorient.maps.symmetry.self_rotation import MOST_NOISE, SelfRotation, middle_of
from napari_cryoorient.particles import DensityMap, refuse_small_box

# The map is cropped to these edges, to scan directions and to judge groups, and so many of the
# strongest voxels are compared.
SCAN_BOX, JUDGE_BOX = 32, 48
SCAN_POINTS, JUDGE_POINTS = 1500, 20000
LARGEST_FOLD = 12
# Every group with folds up to the largest has an axis of one of these.
PRIMES = (2, 3, 5, 7, 11)
SPACING_DEG = 5.0
# A map that agrees with itself turned by less than this has not that symmetry, in the whole or in
# its worst place; noise is allowed for.
LEAST_AGREEMENT, LEAST_IN_PLACES = 0.75, 0.6
# Axes nearer to the box's centre than this many voxels go through it.
CENTRAL_VOXELS = 0.5
# Peaks on the grid are refined from half of that.
_WORTH_REFINING = 0.3
# A direction of the grid that agrees by less at 2 folds is not looked at with 4, 6, 8 ...
_MAY_SHARE = 0.15
_N_REFINED = 12
# So many rotations of a large group lead its refinement.
_N_GUIDES = 8
# A better agreement than this is a reason to move on; turns about a single axis change nothing.
_WORTH_MOVING = 1e-3


def detect_symmetry(density: DensityMap, largest_fold: int = LARGEST_FOLD) -> DetectedSymmetry:
    """Find the largest point group of a map, its axes anywhere in the box.

    Raises InputError for a map of fewer voxels than can be compared.
    """
    refuse_small_box(density.box, "A map")
    middle = middle_of(density)
    none = DetectedSymmetry("C1", 1.0, torch.eye(3, dtype=torch.float64), True)
    axes = find_axes(
        SelfRotation(density, SCAN_BOX, SCAN_POINTS, middle), tuple(range(2, largest_fold + 1))
    )
    if not axes:
        return none
    compared = SelfRotation(density, JUDGE_BOX, JUDGE_POINTS, middle)
    if compared.noise_part > MOST_NOISE:
        return none
    best, pseudo, pseudo_agreement = none, None, 0.0
    for name in candidate_groups(axes):
        group = symmetry_matrices(name)
        if len(group) <= len(symmetry_matrices(best.name)):
            continue
        for turn in placements(name, axes):
            compared.centre = middle
            turn, agreement = refined_placement(compared, group, turn)
            if agreement < LEAST_AGREEMENT:
                continue
            own = turn @ group @ turn.t()
            if compared.least_in_places(own[1:]) < LEAST_IN_PLACES:
                if pseudo is None:
                    pseudo, pseudo_agreement = name, agreement
                break
            distance = torch.cdist(own.flatten(1), group.flatten(1)).amin(1).max()
            is_own = bool(distance < math.radians(3) * math.sqrt(2))
            centre = _centre_of_axes(compared.centre, own, density.pixel_size_angstrom)
            best = DetectedSymmetry(
                name, agreement, turn, is_own and not bool(centre.any()), centre
            )
            break
    if pseudo is None or len(symmetry_matrices(pseudo)) <= len(symmetry_matrices(best.name)):
        return best
    return replace(best, pseudo=pseudo, pseudo_agreement=pseudo_agreement)


def _centre_of_axes(centre: Tensor, group: Tensor, voxel_angstrom: float) -> Tensor:
    """Return the point of a group's axes that is nearest to the box's centre, zero if it is that.

    A single axis can be told across it only.
    """
    fixed = group.mean(0)  # the projector onto what no rotation moves
    across = centre - fixed @ centre
    off = float(across.norm()) >= CENTRAL_VOXELS * voxel_angstrom
    return across if off else torch.zeros_like(across)


def is_pseudo_symmetry(density: DensityMap, name: str) -> bool:
    """Tell whether a map has a group on RELION's axes in the whole, but not in every place."""
    compared = SelfRotation(density, JUDGE_BOX, JUDGE_POINTS)
    group = symmetry_matrices(name)
    if len(group) == 1 or compared.noise_part > MOST_NOISE:
        return False
    if float(compared.of_rotations(group[1:]).amin()) < LEAST_AGREEMENT:
        return False
    return compared.least_in_places(group[1:]) < LEAST_IN_PLACES


def has_symmetry(density: DensityMap) -> bool:
    """Tell quickly whether a map may have a rotational symmetry, ``LARGEST_FOLD`` at most."""
    compared = SelfRotation(density, SCAN_BOX, SCAN_POINTS, middle_of(density))
    return bool(find_axes(compared, PRIMES))


def find_axes(compared: SelfRotation, folds: tuple[int, ...]) -> list[tuple[int, Tensor, float]]:
    """Return (fold, direction, correlation) of the axes of ``folds`` that hold, best first."""
    directions = view_directions(SPACING_DEG)
    directions = directions[directions[:, 2] >= -1e-6]
    found: list[tuple[int, Tensor, float]] = []
    scores_of: dict[int, Tensor] = {}
    for fold in sorted(folds):
        # An axis of 6 folds is one of 2 and of 3 too: it is looked for where these may be.
        shared = [scores_of[n] for n in scores_of if fold % n == 0]
        tried = torch.stack([s > _MAY_SHARE for s in shared]).all(0) if shared else slice(None)
        scores = torch.full((len(directions),), -1.0)
        scores[tried] = compared.about_axes(directions[tried], fold)
        scores_of[fold] = scores
        for _ in range(_N_REFINED):
            score, index = scores.max(0)
            if float(score) < _WORTH_REFINING:
                break
            direction, agreement = refined_axis(compared, directions[index], fold)
            near = (directions @ direction).abs() > math.cos(math.radians(2.5 * SPACING_DEG))
            scores = torch.where(near, -torch.ones_like(scores), scores)
            scores[index] = -1
            is_new = all(n != fold or abs(float(d @ direction)) < 0.99 for n, d, _ in found)
            if agreement >= LEAST_AGREEMENT and is_new:
                found.append((fold, direction, agreement))
    return sorted(found, key=lambda axis: -axis[2])


def refined_axis(compared: SelfRotation, direction: Tensor, fold: int) -> tuple[Tensor, float]:
    """Move a direction to where the map agrees best with itself."""
    best, score = direction, -1.0
    step = math.radians(SPACING_DEG) / 2
    while step > math.radians(0.1):
        basis = torch.linalg.svd(best[None])[2][1:]
        around = torch.tensor([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1.0]], dtype=best.dtype) * step
        tried = torch.nn.functional.normalize(best + around @ basis, dim=1)
        scores = compared.about_axes(tried, fold)
        index = _better(scores)
        best, score = tried[index], float(scores[index])
        if index == 0:
            step /= 2
    return best, score


def candidate_groups(axes: list[tuple[int, Tensor, float]]) -> list[str]:
    """Return the groups that the folds allow, the largest first."""
    folds = {fold for fold, _, _ in axes}
    names = [f"C{fold}" for fold in folds]
    if 2 in folds:
        names += [f"D{fold}" for fold in folds]
    names += ["T"] if {2, 3} <= folds else []
    names += ["O"] if {2, 3, 4} <= folds else []
    names += ["I2"] if {2, 3, 5} <= folds else []
    return sorted(names, key=lambda name: -len(symmetry_matrices(name)))


def placements(name: str, axes: list[tuple[int, Tensor, float]]) -> list[Tensor]:
    """Return rotations ``(3, 3)`` that bring RELION's axes of a group onto axes of the map.

    RELION's own placement and those as near to it as can be come first.
    """
    wanted = axes_of(name)
    first_fold, first = wanted[0]
    here = [direction for fold, direction, _ in axes if fold == first_fold]
    identity = torch.eye(3, dtype=torch.float64)
    turns = [identity]
    if len(wanted) == 1:
        turns += [_frame(d, _any_normal(d)) @ _frame(first, _any_normal(first)).t() for d in here]
        return turns
    second_fold, second = wanted[-1]
    there = [direction for fold, direction, _ in axes if fold == second_fold]
    angle = abs(float(first @ second))
    for main in here:
        for other in there:
            cosine = float(main @ other)
            if abs(abs(cosine) - angle) > math.sin(math.radians(3)) or abs(cosine) > 0.999:
                continue
            sign = 1.0 if cosine * float(first @ second) >= 0 else -1.0
            turns.append(_frame(main, sign * other) @ _frame(first, second).t())
    return turns


def refined_placement(compared: SelfRotation, group: Tensor, turn: Tensor) -> tuple[Tensor, float]:
    """Turn a group as a whole to where the map agrees best; return the lowest correlation too.

    The centre of ``compared`` is moved to where it agrees best as well.
    """
    if len(group) == 1:
        return turn, 1.0

    def agreements(turns: Tensor, operations: Tensor) -> Tensor:
        own = turns[:, None] @ operations @ turns.transpose(1, 2)[:, None]
        return compared.of_rotations(own.flatten(0, 1)).view(len(turns), -1)

    start = agreements(turn[None], group[1:]).amin()
    if float(start) < 0.5 * LEAST_AGREEMENT:
        return turn, float(start)
    some = group[1 :: math.ceil((len(group) - 1) / _N_GUIDES)]
    around = torch.cat([torch.zeros(1, 3), torch.eye(3), -torch.eye(3)]).double()
    for _ in range(2):  # turning and moving by turns
        step = math.radians(1.0)
        while step > math.radians(0.2):
            tried = rotation_vector_to_matrix(around * step) @ turn
            index = _better(agreements(tried, some).mean(1))
            turn = tried[index]
            if index == 0:
                step /= 2
        move = 0.5 * compared.voxel_angstrom
        own = turn @ some @ turn.t()
        while move > 0.05 * compared.voxel_angstrom:
            centres = compared.centre + around * move
            scores = [compared.of_rotations(own, centre).mean() for centre in centres]
            index = _better(torch.stack(scores))
            compared.centre = centres[index]
            if index == 0:
                move /= 2
    return turn, float(agreements(turn[None], group[1:]).amin())


def _better(scores: Tensor) -> int:
    """Return the index of the best score; the first stands unless another is clearly better."""
    index = int(scores.argmax())
    return index if float(scores[index] - scores[0]) > _WORTH_MOVING else 0


def _any_normal(direction: Tensor) -> Tensor:
    normal: Tensor = torch.linalg.svd(direction[None])[2][1]
    return normal


def _frame(first: Tensor, second: Tensor) -> Tensor:
    """Return a rotation whose first column is ``first``, ``second`` in the plane of two."""
    across = torch.nn.functional.normalize(torch.linalg.cross(first, second), dim=0)
    return torch.stack([first, torch.linalg.cross(across, first), across], dim=1)
