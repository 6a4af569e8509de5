"""Poses for a STAR file by global search: what the command ``search`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood, measured_statistics
from napari_cryoorient.alignment.nulls.report import doubt_by_nulls, n_to_ask
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.config import SearchConfig
from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.euler import matrix_to_euler_zyz_deg
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.atomic import refuse_unwritable
from napari_cryoorient.io.kept_inputs import refuse_replacing
from napari_cryoorient.io.long_arrays import some_rows
from napari_cryoorient.io.new_star import POSE_PROBABILITY, PRESENCE_PROBABILITY
from napari_cryoorient.io.star import refuse_kind, write_poses
from napari_cryoorient.maps.symmetry import (
    detect_symmetry,
    has_symmetry,
    is_pseudo_symmetry,
)
from napari_cryoorient.memory import SEARCHED, within_memory
from napari_cryoorient.particles import DensityMap, Floats, Integers
from napari_cryoorient.projection.resample import refuse_coarse
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.simulation.simulate import symmetry_agreement, symmetry_doubt
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.stack.odd_images import left_out
from napari_cryoorient.stack.pairing import PairedInputs, load_inputs
from napari_cryoorient.stack.statistics import StackStatistics
from napari_cryoorient.tasks.image_paths import note_on_lost_images
from napari_cryoorient.tasks.kept_poses import found_of_all
from napari_cryoorient.tasks.measured_scale import scale_note
from napari_cryoorient.tasks.missing_structure import missing_note
from napari_cryoorient.tasks.pose_jobs import SearchJob
from napari_cryoorient.tasks.spread import AT_ONCE, Spread

# Fewer images than this part that show the particle are worth a warning, of so many at least.
FEW_PRESENT, FEWEST_TO_JUDGE = 0.1, 10
# Log odds of nine to one.
CLEARLY = 2.2
# What is written as the margin of a pose without a runner-up.
NO_RUNNER_UP = 99.0


@dataclass(frozen=True)
class StarSearch:
    """What was found; None when stopped before the end, and then nothing was written."""

    found: FoundPoses | None
    n_particles: int
    device: str


@within_memory
def search_star(
    star_path: Path,
    map_path: Path,
    out_path: Path,
    config: SearchConfig = SearchConfig(),
    *,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> StarSearch:
    """Search every particle, or a random subset, and write the STAR rows of those searched.

    Raises InputError for files that do not fit each other.
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
        bytes_a_voxel=SEARCHED,
    )
    rows = random_rows(len(inputs.particles), config.subset, config.seed)
    try:
        found = search_inputs(inputs, rows, place, config, reporter, spread)
    except Stopped:
        return StarSearch(None, len(rows), describe_device(place))
    further = evidence_columns(found) if config.evidence else None
    write_poses(
        inputs.star,
        found.poses,
        out_path,
        confidence=found.confidence,
        rows=rows,
        further=further,
    )
    if (lost := note_on_lost_images(inputs.star, Path(out_path), project_dir)) is not None:
        reporter.say(lost)
    return StarSearch(found, len(rows), describe_device(place))


@within_memory
def search_inputs(
    inputs: PairedInputs,
    rows: Integers,
    device: torch.device,
    config: SearchConfig = SearchConfig(),
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> FoundPoses:
    """Search particles ``rows`` of a stack against its map; raises Stopped when asked to stop.

    Those whose images are unusable keep the poses they have; raises InputError if all are such.
    """
    say = reporter.say
    for note in inputs.notes:
        say(note)
    if (
        reporter.has_listener
        and (doubt := symmetry_note(inputs.density, config.symmetry)) is not None
    ):
        say(f"Note: {doubt}")
    if len(rows) < len(inputs.particles):
        say(f"A random {len(rows)} of {len(inputs.particles)} particles are searched and written.")
    chosen = rows[np.isin(rows, inputs.particles.usable_rows())]
    if not len(chosen):
        raise InputError(
            f"None of the {len(rows)} particles drawn has a usable image; search more."
        )
    field = inputs.particles.box * inputs.particles.pixel_size_angstrom
    likelihood = likelihood_of(
        inputs, device, spread, radius=radius_of(field, config.resolution_angstrom)
    )
    say(describe_band(likelihood))
    search = GlobalSearch(
        likelihood,
        symmetry_matrices(config.symmetry),
        shift_reach_angstrom=config.shift_range_angstrom,
    )
    say(
        f"Every particle is compared with {search.coarse.n_poses} orientations at "
        f"{search.coarse.n_shifts} shifts at first, the best are refined."
    )
    found = spread.do("search", SearchJob(search, inputs.density, chosen), reporter)
    if len(chosen) < len(rows):
        say(left_out(inputs.particles, np.setdiff1d(rows, chosen)))
    if reporter.has_listener:
        for note_on in (scale_note, missing_note):
            doubt = note_on(likelihood, found.rows, found.poses, found.confidence)
            if doubt is not None:
                say(doubt)
    doubt = _doubt_by_nulls(inputs, chosen, search, config, reporter) or presence_note(found)
    if doubt is not None:
        say(f"WARNING: {doubt}")
    return found_of_all(found, rows, inputs.particles)


def likelihood_of(
    inputs: PairedInputs, device: torch.device, spread: Spread, *, radius: float | None = None
) -> ParticleLikelihood:
    """Return the likelihood of a stack, whose statistics are measured once."""
    density, particles = inputs.density, inputs.particles
    statistics = spread.kept(
        "statistics", StackStatistics, lambda: measured_statistics(density, particles, radius)
    )
    return ParticleLikelihood(density, particles, device, radius=radius, statistics=statistics)


def _doubt_by_nulls(
    inputs: PairedInputs,
    chosen: Integers,
    search: GlobalSearch,
    config: SearchConfig,
    reporter: Reporter,
) -> str | None:
    """Set a few of many particles against nulls, where anybody hears what comes of it."""
    n = n_to_ask(len(chosen)) if reporter.has_listener else 0
    if not n:
        return None
    asked = chosen[np.linspace(0, len(chosen) - 1, n).astype(np.int64)]
    return doubt_by_nulls(
        inputs.density,
        search.reading(inputs.particles.subset(asked)),
        seed=config.seed,
        reporter=Reporter(should_stop=reporter.should_stop),
    )


def evidence_columns(found: FoundPoses) -> dict[str, Floats]:
    """Return what the confidence is made of, and the runner-up, as columns of a STAR file."""
    rotations = found.runner_up.rotations
    runner_up = np.empty((len(rotations), 3))
    for some in some_rows(rotations):
        runner_up[some] = matrix_to_euler_zyz_deg(rotations[some])
    return {
        POSE_PROBABILITY: found.pose_probability,
        PRESENCE_PROBABILITY: found.presence_probability,
        "cryoorientCorrelation": found.correlation,
        "cryoorientRunnerUpRot": runner_up[:, 0],
        "cryoorientRunnerUpTilt": runner_up[:, 1],
        "cryoorientRunnerUpPsi": runner_up[:, 2],
        # 99 where there is none: STAR files have no infinity.
        "cryoorientRunnerUpMargin": np.minimum(found.margin, NO_RUNNER_UP),
    }


def presence_note(found: FoundPoses) -> str | None:
    """Say where the map's particle is seen in few of the images, or in none."""
    part = float(np.mean(found.presence_log_odds > CLEARLY))
    if part >= FEW_PRESENT or len(found.rows) < FEWEST_TO_JUDGE:
        return None
    return (
        f"only {part:.0%} of the images are explained clearly better by this map than by "
        "any other object of its size and power: the map may be of another molecule, the images "
        "may hold no particles, or too little signal to tell."
    )


def symmetry_note(density: DensityMap, symmetry: str) -> str | None:
    """Return a note where the map has a symmetry that was not named, or not the one that was."""
    if len(symmetry_matrices(symmetry)) > 1:
        doubt = symmetry_doubt(symmetry, symmetry_agreement(density, symmetry))
        if doubt is None and is_pseudo_symmetry(density, symmetry):
            doubt = (
                f"the map is nearly {symmetry}, but a part of it is not (pseudo-symmetry): poses "
                f"found with --symmetry {symmetry} may be those of an equivalent view."
            )
        return doubt
    if not has_symmetry(density):
        return None
    found = detect_symmetry(density)
    n = len(symmetry_matrices(found.name))
    if found.pseudo is not None:
        return (
            f"the map is nearly {found.pseudo}, but a part of it is not (pseudo-symmetry): views "
            f"that {found.pseudo} would make equivalent differ by that part alone."
        )
    if n == 1:
        return None
    where = "" if found.is_on_relion_axes else " once it is moved (napari-cryoorient symmetry -o)"
    return (
        f"the map has the symmetry {found.name}: --symmetry {found.name}{where} searches one "
        f"{n}th of the orientations, and its confidence does not take equivalent poses for rivals."
    )


def random_rows(n: int, subset: int | None, seed: int) -> Integers:
    """Return a random subset of n rows in order, all of them where ``subset`` is None or larger."""
    if subset is None or subset >= n:
        return np.arange(n, dtype=np.int64)
    chosen = np.random.default_rng(seed).choice(n, subset, replace=False)
    return np.sort(chosen).astype(np.int64)


def radius_of(field_of_view_angstrom: float, resolution_angstrom: float | None) -> float | None:
    """Return a resolution as a radius in Fourier pixels; None stays None.

    Raises InputError for one that leaves nothing to compare.
    """
    if resolution_angstrom is None:
        return None
    refuse_coarse("resolution", resolution_angstrom, field_of_view_angstrom)
    return field_of_view_angstrom / resolution_angstrom


def describe_band(likelihood: ParticleLikelihood) -> str:
    """Say how strong the signal is and up to where it is used."""
    statistics = likelihood.statistics
    finest = likelihood.field_of_view_angstrom / likelihood.radius
    sentence = f"Stack: SNR {statistics.snr:.3g}; frequencies up to {finest:.1f} A are used."
    if statistics.are_corners_empty:
        sentence += (
            " The corners of the images hold next to nothing (masked, or without noise): noise is "
            "told from signal by how the power follows the defocus."
        )
    if not statistics.is_signal_seen:
        sentence += (
            " WARNING: the images hold no more power than their corners; an SNR of "
            f"{statistics.snr:.2g} is assumed."
        )
    return sentence


def refuse_same_file(star_path: Path, out_path: Path) -> None:
    """Raise InputError, before the work is done, where the output cannot or must not be written."""
    refuse_replacing([Path(out_path)], [Path(star_path)])
    refuse_kind(star_path, out_path)
    refuse_unwritable(out_path)
