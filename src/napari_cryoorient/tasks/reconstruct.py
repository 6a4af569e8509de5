"""A map from a STAR file with poses: what the command ``reconstruct`` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_cryoorient.config import ReconstructConfig
from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.atomic import refuse_unwritable
from napari_cryoorient.io.confidence import needed_confidence
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.pose_table import match_rows, read_pose_table
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.maps.contrast import looks_inverted
from napari_cryoorient.maps.fsc import ShellCorrelation, fourier_shell_correlation
from napari_cryoorient.maps.solve import solve_map
from napari_cryoorient.maps.stored_sums import AddedUp, Sums
from napari_cryoorient.memory import refuse_beyond, within_memory
from napari_cryoorient.particles import DensityMap, Floats, Images, Integers, ParticleSet
from napari_cryoorient.projection.resample import refuse_coarse
from napari_cryoorient.reporting import SILENT, Reporter, Say
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.stack.odd_images import ready_images
from napari_cryoorient.tasks.back_projection_job import SUMS, BackProjectionJob
from napari_cryoorient.tasks.spread import AT_ONCE, Spread

WEIGH = "--weigh-by-confidence"


@dataclass(frozen=True)
class StarReconstruction:
    """What was reconstructed; ``path`` is None when stopped before the end: nothing was written.

    ``half_paths`` and ``fsc``, the correlation of the two unmasked half-maps, are there where
    half-maps were asked for.
    """

    path: Path | None
    half_paths: tuple[Path, ...]
    fsc: ShellCorrelation | None
    n_images: int
    device: str
    is_negated: bool = False


@within_memory
def reconstruct_star(
    star_path: Path,
    out_path: Path,
    config: ReconstructConfig = ReconstructConfig(),
    *,
    poses_path: Path | None = None,
    rows: Integers | None = None,
    project_dir: Path | None = None,
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> StarReconstruction:
    """Back-project the images of ``star_path`` and write the map, and both half-maps if asked.

    ``poses_path`` names another STAR file whose poses are taken, paired by image name; ``rows``
    picks particles of ``star_path``.  Half-sets are those of rlnRandomSubset, or drawn with the
    seed.  Half-maps go to ``OUT_half1.mrc`` and ``OUT_half2.mrc``.  Raises InputError.
    """
    say = reporter.say
    star_path, out_path = Path(star_path), Path(out_path)
    place = choose_device(config.device)
    symmetry_matrices(config.symmetry)  # refuses a name before the files are read
    if config.half_maps and config.subset != "all":
        raise InputError("Ask for half-maps or for one subset, not both.")
    half_paths = half_map_paths(out_path) if config.half_maps else ()
    for path in (out_path, *half_paths):
        refuse_unwritable(path)
    particles, star = read_particles(star_path, project_dir=project_dir, with_ctf=config.with_ctf)
    weights = needed_confidence(star, WEIGH) if config.weigh_by_confidence else None
    if rows is not None:
        particles = particles.subset(rows)
        weights = None if weights is None else weights[rows]
    if not config.with_ctf:
        say("Note: the CTF is left out, as requested.")
    for note in particles.notes:
        if poses_path is None or not note.startswith("no poses"):
            say(f"Note: {note}")
    particles, weights = _with_poses(particles, weights, star_path, poses_path, say)
    made = reconstruct_particles(
        particles,
        place,
        config,
        weights=weights,
        name=str(star_path),
        reporter=reporter,
        spread=spread,
        folder=out_path.absolute().parent,
    )
    empty = StarReconstruction(None, (), None, sum(made.n_of_sets), describe_device(place))
    if made.voxels is None:
        return empty
    pixel_size = particles.pixel_size_angstrom
    for half, path in zip(made.halves, half_paths, strict=True):
        write_map(DensityMap(half, pixel_size), path)
    write_map(DensityMap(made.voxels, pixel_size), out_path)
    return replace(
        empty,
        path=out_path,
        half_paths=half_paths,
        fsc=made.fsc,
        is_negated=made.is_negated,
    )


@dataclass(frozen=True)
class Reconstructed:
    """A map ``voxels`` and its ``halves``, where asked for; None when stopped before the end."""

    voxels: Images | None
    n_of_sets: tuple[int, ...]
    halves: tuple[Images, ...] = ()
    fsc: ShellCorrelation | None = None
    is_negated: bool = False


@within_memory
def reconstruct_particles(
    particles: ParticleSet,
    device: torch.device,
    config: ReconstructConfig = ReconstructConfig(),
    *,
    weights: Floats | None = None,
    name: str = "the stack",
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
    folder: Path | None = None,
) -> Reconstructed:
    """Back-project particles that have poses, each with its weight ``(n,)`` where they are given.

    ``name`` is what messages call the stack.  Sums that memory is too small for are laid by in
    ``folder`` meanwhile.  Raises InputError where memory is too small for that as well.
    """
    say = reporter.say
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
        _check_weights(weights, len(particles))
    particles, weights = _without_odd(particles, weights, name, say)
    known, n = particles.random_subset, len(particles)
    sets: tuple[Integers, ...] = (np.arange(n, dtype=np.int64),)
    if config.half_maps:
        sets = half_sets(known, n, config.seed, say)
    elif config.subset != "all":
        sets = (_one_half_set(known, n, int(config.subset), config.seed, say),)
    job = BackProjectionJob(
        particles,
        sets,
        symmetry_matrices(config.symmetry),
        device,
        max_radius=_radius(particles, config.max_resolution_angstrom),
        with_ctf=config.with_ctf,
        exact_symmetry=config.exact_symmetry,
        weights=weights,
        folder=folder,
    )
    if device.type == "cpu":
        refuse_beyond(job.n_bytes, f"Reconstructing in a box of {particles.box}")
    n_of_sets = tuple(len(each) for each in sets)
    try:
        sums = spread.add_up(SUMS, job, reporter)
    except Stopped:
        return Reconstructed(None, n_of_sets)

    def solved(sums: Sums) -> Images:
        volume = solve_map(sums, job.factors, room=job.room)
        return np.asarray(volume.cpu().numpy(), dtype=np.float32)

    halves = tuple(solved(each) for each in sums) if config.half_maps else ()
    pixel_size, fsc = particles.pixel_size_angstrom, None
    if config.half_maps:
        fsc = fourier_shell_correlation(halves[0], halves[1], pixel_size)
    whole = solved(AddedUp(sums))
    is_negated = _decide(whole, pixel_size, config.invert_contrast, say)
    if is_negated:
        for voxels in (whole, *halves):
            np.negative(voxels, out=voxels)
    return Reconstructed(whole, n_of_sets, halves, fsc, is_negated)


def reconstruct_run(
    star_path: Path,
    poses_path: Path | None,
    out_path: Path,
    config: ReconstructConfig = ReconstructConfig(),
    **sources: Any,
) -> Path:
    """Reconstruct ``star_path``'s images at the poses of another STAR file; return the map's path.

    ``sources`` are further arguments of ``reconstruct_star``.  Raises KeyboardInterrupt when
    stopped.
    """
    done = reconstruct_star(star_path, out_path, config, poses_path=poses_path, **sources)
    if done.path is None:
        raise KeyboardInterrupt
    return done.path


def half_map_paths(out_path: Path) -> tuple[Path, Path]:
    """Return where the two half-maps of a map go: beside it."""
    first, second = (
        out_path.with_name(f"{out_path.stem}_half{half}{out_path.suffix}") for half in (1, 2)
    )
    return first, second


def _with_poses(
    particles: ParticleSet,
    weights: Floats | None,
    star_path: Path,
    poses_path: Path | None,
    say: Say,
) -> tuple[ParticleSet, Floats | None]:
    """Return the particles that have poses, and their weights."""
    if poses_path is None:
        if particles.poses is None:
            raise InputError(
                f"{star_path} has no poses to reconstruct from ({'; '.join(particles.notes)}): "
                "make them with search, or with train and predict, or name a file with --poses."
            )
        return particles, weights
    table = read_pose_table(poses_path, pixel_size_angstrom=particles.pixel_size_angstrom)
    if table.poses is None:
        raise InputError(f"{poses_path} has no poses: {table.why_not('poses')}.")
    rows, pose_rows = match_rows(particles.names, table.names)
    if not len(rows):
        raise InputError(
            f"No particle of {star_path} ({particles.names[0]} ...) is in {poses_path} "
            f"({table.names[0]} ...); give poses of the same stack."
        )
    if len(rows) < len(particles):
        say(f"Note: {len(particles) - len(rows)} particles have no pose in {poses_path}; left out.")
    chosen = replace(particles.subset(rows), poses=table.poses[pose_rows])
    return chosen, None if weights is None else weights[rows]


def _without_odd(
    particles: ParticleSet, weights: Floats | None, name: str, say: Say
) -> tuple[ParticleSet, Floats | None]:
    """Leave out images that tell nothing, or of another scale: one of these would be the map."""
    particles, odd = ready_images(particles, name)
    for note in odd.notes:
        say(f"Note: {note}")
    kept = np.setdiff1d(np.arange(len(particles)), [*odd.unlike, *odd.empty])
    if len(kept) == len(particles):
        return particles, weights
    return particles.subset(kept), None if weights is None else weights[kept]


def half_sets(known: Integers | None, n: int, seed: int, say: Say) -> tuple[Integers, Integers]:
    """Return the rows of both half-sets: those of the two values in ``known`` ``(n,)``, or drawn.

    They are drawn where nothing is known, or where all particles are of one half-set.  Raises
    InputError for three values or more, and for a single particle.
    """
    values = np.zeros(0, dtype=np.int64) if known is None else np.unique(known)
    if known is not None and len(values) > 2:
        listed = ", ".join(str(value) for value in values[:3])
        raise InputError(
            f"rlnRandomSubset has {len(values)} values ({listed} ...) and there are two half-sets: "
            "leave out the particles of other values, or the column."
        )
    if known is not None and len(values) == 2:
        first, second = (np.flatnonzero(known == value) for value in values)
        usual = tuple(values.tolist()) == (1, 2)
        named = "" if usual else f" (its values {values[0]} and {values[1]} in place of 1 and 2)"
        say(f"Half-sets of rlnRandomSubset{named}: {len(first)} and {len(second)}.")
        return first, second
    if n < 2:
        raise InputError("Half-maps need at least two particles.")
    shuffled = np.random.default_rng([seed, *b"half-sets"]).permutation(n)
    middle = n // 2
    why = "The STAR file names no half-sets"
    if len(values) == 1:
        why = f"All {n} particles are of one half-set (rlnRandomSubset is {values[0]})"
    say(f"{why}; drawn at random with seed {seed}.")
    return np.sort(shuffled[:middle]), np.sort(shuffled[middle:])


def _one_half_set(known: Integers | None, n: int, subset: int, seed: int, say: Say) -> Integers:
    """Return the rows of half-set ``subset``, 1 or 2; raises InputError where it has none."""
    values = np.zeros(0, dtype=np.int64) if known is None else np.unique(known)
    if len(values) != 1:
        return half_sets(known, n, seed, say)[subset - 1]
    if values[0] != subset:
        raise InputError(
            f"No particle is of half-set {subset}: rlnRandomSubset is {values[0]} for all {n}."
        )
    say(f"All {n} particles are of half-set {subset} (rlnRandomSubset).")
    return np.arange(n, dtype=np.int64)


def _radius(particles: ParticleSet, max_resolution_angstrom: float | None) -> float | None:
    """Return a resolution as a radius in Fourier pixels; raises InputError where it is too fine."""
    if max_resolution_angstrom is None:
        return None
    nyquist = 2 * particles.pixel_size_angstrom
    if max_resolution_angstrom < nyquist * (1 - 1e-6):
        raise InputError(
            f"A resolution of {max_resolution_angstrom:g} A is finer than the {nyquist:.4g} A that "
            f"pixels of {particles.pixel_size_angstrom:.4g} A hold; choose a larger value."
        )
    field = particles.box * particles.pixel_size_angstrom
    refuse_coarse("resolution", max_resolution_angstrom, field)
    return field / max_resolution_angstrom


def _check_weights(weights: Floats, n: int) -> None:
    """Raise InputError for weights that do not weigh n particles."""
    if np.shape(weights) != (n,):
        raise InputError(f"Weights of shape {np.shape(weights)} are given for {n} particles.")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        raise InputError(
            f"The weight of particle {wrong[0]} (counted from 0) is {weights[wrong[0]]:g}: give "
            "numbers from 0 on."
        )
    if not weights.any():
        raise InputError("All weights are 0, which leaves no particle.")


def _decide(voxels: Images, pixel_size_angstrom: float, invert_contrast: str, say: Say) -> bool:
    """Return whether to negate the map, and say why."""
    if invert_contrast == "yes":
        say("Contrast: the map is negated, as requested.")
        return True
    if not looks_inverted(voxels, pixel_size_angstrom):
        return False
    if invert_contrast == "auto":
        say(
            "WARNING: particles are dark on bright; the map is negated so that the molecule is "
            "bright (--invert-contrast no forbids it)."
        )
        return True
    say("WARNING: the molecule is dark in this map, and was left as it is, as requested.")
    return False
