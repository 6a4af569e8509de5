"""Poses of a STAR file refined against a map: what ``refine`` and ``predict --refine`` do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.nulls.given_poses import pose_agreement
from napari_cryoorient.alignment.refine.confidence import confidence_of
from napari_cryoorient.alignment.refine.local import BASIN_DEG, LocalRefinement, RefinedPoses
from napari_cryoorient.alignment.refine.posterior import WITHIN_DEG
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.alignment.search.plans import SURE
from napari_cryoorient.config import RefineConfig
from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg, symmetry_matrices
from napari_cryoorient.io.confidence import stated_confidence
from napari_cryoorient.io.finite import refuse_starts_not_finite
from napari_cryoorient.io.star import write_poses
from napari_cryoorient.memory import within_memory
from napari_cryoorient.particles import Floats, Integers, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.stack.odd_images import left_out
from napari_cryoorient.stack.pairing import PairedInputs, load_inputs
from napari_cryoorient.tasks.image_paths import note_on_lost_images
from napari_cryoorient.tasks.kept_poses import refined_of_all
from napari_cryoorient.tasks.measured_scale import scale_note
from napari_cryoorient.tasks.missing_structure import missing_note
from napari_cryoorient.tasks.pose_jobs import RefineJob, SearchJob
from napari_cryoorient.tasks.search import (
    describe_band,
    likelihood_of,
    radius_of,
    refuse_same_file,
)
from napari_cryoorient.tasks.spread import AT_ONCE, Spread

# Particles of less than this part of the median confidence of the network are searched.
UNSURE_PART = 0.5


@dataclass(frozen=True)
class StarRefinement:
    """What was refined; None when stopped before the end, and then nothing was written."""

    refined: RefinedPoses | None
    n_particles: int
    device: str
    confidence: Floats | None = None


@within_memory
def refine_star(
    star_path: Path,
    map_path: Path,
    out_path: Path,
    config: RefineConfig = RefineConfig(),
    *,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> StarRefinement:
    """Refine the poses of every particle and write them, all columns of the STAR file kept.

    The confidence is written too; the symmetry affects it alone.

    Raises InputError for a STAR file without poses, or files that do not fit each other.
    """
    refuse_same_file(star_path, out_path)
    place = choose_device(config.device)
    symmetry_matrices(config.symmetry)  # refuses a name before the files are read
    inputs = load_inputs(
        Path(star_path),
        Path(map_path),
        invert_contrast=config.invert_contrast,
        project_dir=project_dir,
        map_pixel_size_angstrom=map_pixel_size_angstrom,
    )
    n = len(inputs.particles)
    try:
        refined, confidence = refine_inputs(
            inputs,
            place,
            config,
            name=str(star_path),
            stated=stated_confidence(inputs.star),
            reporter=reporter,
            spread=spread,
        )
    except Stopped:
        return StarRefinement(None, n, describe_device(place))
    write_poses(inputs.star, refined.poses, out_path, confidence=confidence)
    if (lost := note_on_lost_images(inputs.star, Path(out_path), project_dir)) is not None:
        reporter.say(lost)
    return StarRefinement(refined, n, describe_device(place), confidence)


@within_memory
def refine_inputs(
    inputs: PairedInputs,
    device: torch.device,
    config: RefineConfig = RefineConfig(),
    *,
    name: str = "the stack",
    stated: Floats | None = None,
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> tuple[RefinedPoses, Floats]:
    """Refine the poses of a stack against its map; return them with their confidence.

    Particles whose images are unusable keep their poses, with a confidence of 0.  ``name`` is what
    messages call the stack; ``stated`` ``(n,)`` is how probable the poses are said to be.  Raises
    InputError where it has no poses, and Stopped when asked to stop.
    """
    say, particles = reporter.say, inputs.particles
    if particles.poses is None:
        raise InputError(
            f"{name} has no poses to refine ({'; '.join(particles.notes)}): make them with "
            "search, or with train and predict."
        )
    refuse_starts_not_finite(particles.poses, name)
    for note in inputs.notes:
        say(note)
    if reporter.has_listener:
        agreement = pose_agreement(particles, inputs.density)
        if agreement is not None and not agreement.is_clear:
            say(f"WARNING: {agreement.describe()}")
    usable, all_poses = particles.usable_rows(), particles.poses
    if len(usable) < len(particles):
        say(left_out(particles, np.setdiff1d(np.arange(len(particles)), usable)))
        particles = particles.subset(usable)
    radius = radius_of(particles.box * particles.pixel_size_angstrom, config.resolution_angstrom)
    chosen = replace(inputs, particles=particles)
    likelihood = likelihood_of(chosen, device, spread, radius=radius)
    say(describe_band(likelihood))
    rows = np.arange(len(particles), dtype=np.int64)
    group = symmetry_matrices(config.symmetry)
    refinement = LocalRefinement(likelihood, group)
    # Here and not by the job: a command that goes on with its parts needs it too.
    refinement.learn_amplitudes(rows, all_poses[usable], reporter)
    job = RefineJob(refinement, inputs.density, rows, all_poses[usable])
    refined = spread.do("refine", job, reporter)
    say(describe_moves(refined))
    said = None if stated is None else stated[usable]
    confidence = confidence_of(refinement, refined, group, stated=said)
    if reporter.has_listener:
        for note_on in (scale_note, missing_note):
            doubt = note_on(likelihood, refined.rows, refined.poses, confidence)
            if doubt is not None:
                say(doubt)
    return refined_of_all(refined, confidence, usable, all_poses)


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
    """Predicted poses after refinement, with the probability of being right within 10 degrees.

    ``n_searched`` of them were searched globally, which says nothing about the network.
    """

    poses: Poses
    confidence: Floats
    refined: RefinedPoses
    n_searched: int


def polish(
    inputs: PairedInputs,
    poses: Poses,
    group: Tensor,
    device: torch.device,
    *,
    searches: bool = True,
    network_confidence: Floats | None = None,
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> Polished:
    """Refine predicted poses of the whole stack; search globally for those that stay doubtful.

    With ``searches`` False each is climbed from alone, and no other pose is tried.
    Particles whose images are unusable keep their poses, with a confidence of 0.
    ``network_confidence`` ``(n,)`` points out those that the network itself was not sure of.
    """
    say = reporter.say
    usable = inputs.particles.usable_rows()
    if len(usable) < len(poses):
        chosen = polish(
            replace(inputs, particles=inputs.particles.subset(usable)),
            poses[usable],
            group,
            device,
            searches=searches,
            network_confidence=None if network_confidence is None else network_confidence[usable],
            reporter=reporter,
            spread=spread,
        )
        refined, confidence = refined_of_all(chosen.refined, chosen.confidence, usable, poses)
        rotations, shifts = poses.rotations.copy(), poses.shifts_angstrom.copy()
        rotations[usable], shifts[usable] = chosen.poses.rotations, chosen.poses.shifts_angstrom
        return Polished(Poses(rotations, shifts), confidence, refined, chosen.n_searched)
    likelihood = likelihood_of(inputs, device, spread)
    say(describe_band(likelihood))
    rows = np.arange(len(inputs.particles), dtype=np.int64)
    reporter.step("Refining")
    refinement = LocalRefinement(likelihood, group)
    refinement.learn_amplitudes(rows, poses, reporter)
    job = RefineJob(refinement, inputs.density, rows, poses, restarts=searches)
    refined = spread.do("refine", job, reporter)
    say(describe_moves(refined))
    confidence = confidence_of(refinement, refined, group, starts_are_likely=True)
    doubtful = doubtful_rows(refined, confidence, network_confidence)
    if not len(doubtful) or not searches:
        return Polished(refined.poses, confidence, refined, 0)
    reporter.step("Searching")
    search = GlobalSearch(likelihood, group)
    found = spread.do("search", SearchJob(search, inputs.density, doubtful), reporter)
    better = found.strengths.log_likelihood > refined.strengths[doubtful].log_likelihood
    say(
        f"{len(doubtful)} doubtful particles were searched globally; {int(better.sum())} found a "
        "more probable pose."
    )
    taken = doubtful[better]
    rotations = refined.poses.rotations.copy()
    shifts = refined.poses.shifts_angstrom.copy()
    rotations[taken] = found.poses.rotations[better]
    shifts[taken] = found.poses.shifts_angstrom[better]
    # Where both agree, the search knows better how likely all other poses are.
    apart = symmetric_distance_deg(
        torch.tensor(found.poses.rotations), torch.from_numpy(rotations[doubtful]), group
    )
    agreed = apart.numpy() < WITHIN_DEG
    confidence[doubtful[agreed]] = found.confidence[agreed]
    return Polished(Poses(rotations, shifts), confidence, refined, len(doubtful))


def doubtful_rows(
    refined: RefinedPoses, confidence: Floats, network_confidence: Floats | None = None
) -> Integers:
    """Return the particles that are not sure, fit badly, or moved too far to be trusted.

    A network's confidence has no scale of its own: low is what is under half of the stack's median.
    """
    doubtful = refined.is_doubtful | (refined.moved_deg > BASIN_DEG) | (confidence < SURE)
    if network_confidence is not None:
        doubtful |= network_confidence < UNSURE_PART * np.median(network_confidence)
    return refined.rows[doubtful]
