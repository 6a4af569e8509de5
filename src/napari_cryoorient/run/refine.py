"""Poses of a STAR file refined against a map: what ``refine`` and ``predict --refine`` do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star import write_poses
from napari_cryoorient.likelihood import ParticleLikelihood
from napari_cryoorient.particles import Floats, Integers, Poses
from napari_cryoorient.refine.local import BASIN_DEG, LocalRefinement, RefinedPoses
from napari_cryoorient.run.inputs import RunInputs, load_inputs
from napari_cryoorient.run.search import describe_band, radius_of, refuse_same_file
from napari_cryoorient.search.global_search import FoundPoses, GlobalSearch

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class StarRefinement:
    """What was refined; None when stopped before the end, and then nothing was written."""

    refined: RefinedPoses | None
    n_particles: int
    device: str


def refine_star(
    star_path: Path,
    map_path: Path,
    out_path: Path,
    *,
    resolution_angstrom: float | None = None,
    invert_contrast: str = "auto",
    device: str = "auto",
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    progress: Advance | None = None,
    say: Callable[[str], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StarRefinement:
    """Refine the poses of every particle and write them, all columns of the STAR file kept.

    Raises InputError for a STAR file without poses, or files that do not fit each other.
    """
    say = say or (lambda sentence: None)
    refuse_same_file(star_path, out_path)
    place = choose_device(device)
    inputs = load_inputs(
        Path(star_path),
        Path(map_path),
        invert_contrast=invert_contrast,
        project_dir=project_dir,
        map_pixel_size_angstrom=map_pixel_size_angstrom,
    )
    particles = inputs.particles
    if particles.poses is None:
        raise InputError(
            f"{star_path} has no poses to refine ({'; '.join(particles.notes)}): make them with "
            "search, or with train and predict."
        )
    for note in inputs.notes:
        say(note)
    likelihood = ParticleLikelihood(
        inputs.density,
        particles,
        place,
        radius=radius_of(particles.box * particles.pixel_size_angstrom, resolution_angstrom),
    )
    say(describe_band(likelihood))
    rows = np.arange(len(particles), dtype=np.int64)
    refinement = LocalRefinement(likelihood)
    parts = list(
        refinement.refine(rows, particles.poses, progress=progress, should_stop=should_stop)
    )
    refined = RefinedPoses.joined(parts) if parts else None
    if refined is None or len(refined.rows) < len(rows):
        return StarRefinement(None, len(rows), describe_device(place))
    say(describe_moves(refined))
    write_poses(inputs.star, refined.poses, out_path)
    return StarRefinement(refined, len(rows), describe_device(place))


def describe_moves(refined: RefinedPoses) -> str:
    """Say how far particles moved, and how many of them too far to be trusted."""
    return (
        f"Moved by {refined.median_moved_deg:.2f} degrees and "
        f"{refined.median_moved_angstrom:.2f} A (medians); {refined.n_beyond_basin} particles "
        f"by more than the {BASIN_DEG:.0f} degrees that refinement is safe for; "
        f"{int(refined.is_doubtful.sum())} fit less well than noise explains."
    )


@dataclass(frozen=True)
class Polished:
    """Predicted poses after refinement, with the probability of being right within 10 degrees."""

    poses: Poses
    confidence: Floats
    refined: RefinedPoses
    n_searched: int


def polish(
    inputs: RunInputs,
    poses: Poses,
    group: Tensor,
    device: torch.device,
    *,
    progress: Advance | None = None,
    begin: Callable[[str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Polished:
    """Refine predicted poses of the whole stack; search globally for those that stay doubtful.

    ``begin`` is told the name of each part of the work before it starts.
    """
    say, begin = say or (lambda sentence: None), begin or (lambda title: None)
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, device)
    say(describe_band(likelihood))
    rows = np.arange(len(inputs.particles), dtype=np.int64)
    begin("Refining")
    refinement = LocalRefinement(likelihood, len(group))
    refined = RefinedPoses.joined(list(refinement.refine(rows, poses, progress=progress)))
    say(describe_moves(refined))
    doubtful = doubtful_rows(refined)
    if not len(doubtful):
        return Polished(refined.poses, refined.confidence, refined, 0)
    begin("Searching")
    search = GlobalSearch(likelihood, group)
    found = FoundPoses.joined(list(search.search(doubtful, progress=progress)))
    better = found.log_likelihood > refined.log_likelihood[doubtful]
    say(
        f"{len(doubtful)} doubtful particles were searched globally; {int(better.sum())} found a "
        "likelier pose."
    )
    taken = doubtful[better]
    rotations = refined.poses.rotations.copy()
    shifts = refined.poses.shifts_angstrom.copy()
    rotations[taken] = found.poses.rotations[better]
    shifts[taken] = found.poses.shifts_angstrom[better]
    confidence = refined.confidence.copy()
    confidence[taken] = found.confidence[better]
    return Polished(Poses(rotations, shifts), confidence, refined, len(doubtful))


def doubtful_rows(refined: RefinedPoses) -> Integers:
    """Return the particles that fit badly, or moved too far to be trusted."""
    far = refined.moved_deg > BASIN_DEG
    return refined.rows[refined.is_doubtful | far]
