"""Particles relaxed against a map: what ``relax`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.config import RelaxConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.relaxation import Relaxation, relax_poses, symmetric_outside
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.atomic import refuse_unwritable
from napari_cryoorient.io.finite import refuse_starts_not_finite
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.new_star import printed
from napari_cryoorient.io.star import read_particles, write_poses
from napari_cryoorient.io.star_text import StarBlock, StarFile, quoted, text_table, write_star
from napari_cryoorient.particles import DensityMap, ParticleSet, Poses, counted
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.pairing import map_for, pair_inputs
from napari_cryoorient.tasks.image_paths import note_on_lost_images
from napari_cryoorient.tasks.search import describe_band, radius_of, refuse_same_file


def group_to_relax(symmetry: str) -> torch.Tensor:
    """Return the matrices of a group; raises InputError for C1, which has no equivalents."""
    group = symmetry_matrices(symmetry)
    if len(group) == 1:
        raise InputError(f"{symmetry} has no equivalent poses: name the pseudo-symmetry, as D7.")
    return group


def relax_star(
    star_path: Path,
    map_path: Path,
    output: Path,
    config: RelaxConfig,
    *,
    mask_path: Path | None = None,
    table: Path | None = None,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> Relaxation:
    """Relax the particles of a file, and write it with the most probable poses.

    ``table`` gets the probabilities of all equivalents.  Raises InputError as ``relax_particles``.
    """
    group_to_relax(config.symmetry)  # refuses a name before the files are read
    refuse_same_file(star_path, output)
    if table is not None:
        refuse_unwritable(table)
    pixel = map_pixel_size_angstrom
    particles, star = read_particles(star_path, project_dir=project_dir)
    found = relax_particles(
        particles,
        map_for(map_path, particles, pixel_size_angstrom=pixel),
        config,
        mask=None if mask_path is None else read_map(mask_path, pixel_size_angstrom=pixel),
        name=str(star_path),
        reporter=reporter,
    )
    write_poses(star, found.poses, output, confidence=found.probability)
    if (lost := note_on_lost_images(star, output, project_dir)) is not None:
        reporter.say(lost)
    if table is not None:
        write_probabilities(found, particles.names, table)
    return found


def relax_particles(
    particles: ParticleSet,
    density: DensityMap,
    config: RelaxConfig,
    *,
    mask: DensityMap | None = None,
    name: str = "the stack",
    reporter: Reporter = SILENT,
) -> Relaxation:
    """Weigh the equivalent poses of a stack; images that tell nothing keep theirs, all alike.

    Outside ``mask``, on the map's grid, equivalents are taken to be the same.  ``name`` is what
    messages call the stack.  Raises InputError for C1, for particles without poses, and where map,
    mask and stack do not fit each other; Stopped.
    """
    say, group = reporter.say, group_to_relax(config.symmetry)
    device = choose_device(config.device)
    poses = _poses_of(particles)
    refuse_starts_not_finite(poses, name)
    if mask is not None:
        density = symmetric_outside(density, group, _soft(mask, density))
    inputs = pair_inputs(particles, density, invert_contrast=config.invert_contrast, name=name)
    particles = inputs.particles
    for note in inputs.notes:
        say(note)
    usable = particles.usable_rows()
    stack = particles.subset(usable)
    field = stack.box * stack.pixel_size_angstrom
    likelihood = ParticleLikelihood(
        inputs.density, stack, device, radius=radius_of(field, config.resolution_angstrom)
    )
    say(describe_band(likelihood))
    rows = np.arange(len(stack), dtype=np.int64)
    found = relax_poses(
        likelihood,
        rows,
        poses[usable],
        group,
        reporter=reporter,
    )
    if len(usable) == len(particles):
        return found
    n_left = counted(len(particles) - len(usable), "particle")
    say(f"Note: {n_left} whose images are unusable keep their poses.")
    probabilities = np.full((len(particles), len(group)), 1 / len(group))
    best = np.zeros(len(particles), dtype=np.int64)
    rotations, shifts = poses.rotations.copy(), poses.shifts_angstrom.copy()
    probabilities[usable], best[usable] = found.probabilities, found.best
    rotations[usable], shifts[usable] = found.poses.rotations, found.poses.shifts_angstrom
    return replace(found, probabilities=probabilities, best=best, poses=Poses(rotations, shifts))


def _poses_of(particles: ParticleSet) -> Poses:
    if particles.poses is None:
        raise InputError("The particles have no poses to relax; search or refine them first.")
    return particles.poses


def _soft(mask: DensityMap, density: DensityMap) -> np.ndarray:
    """Return the values of a mask; raises InputError where it is none for this map."""
    values = mask.voxels
    named = "." if mask.path is None else f": {mask.path}"
    if values.shape != density.voxels.shape:
        raise InputError(
            f"The mask has {len(values)} voxels a side, the map {density.box}; make it on the "
            f"map's grid{named}"
        )
    if values.min() < -1e-3 or values.max() > 1 + 1e-3 or not values.any():
        raise InputError(
            f"The mask has values from {values.min():.3g} to {values.max():.3g}; those of a mask "
            f"go from 0 to 1{named}"
        )
    return np.asarray(values, dtype=np.float64)


def write_probabilities(found: Relaxation, names: Sequence[str], path: Path) -> None:
    """Write a STAR table: each image, its best equivalent (from 1), and all probabilities."""
    columns = {
        "rlnImageName": [quoted(name) for name in names],
        "cryoorientEquivalent": [str(best + 1) for best in found.best.tolist()],
    }
    for i, values in enumerate(found.probabilities.T):
        columns[f"cryoorientProbabilityEquivalent{i + 1}"] = printed(values)
    write_star(StarFile((StarBlock("equivalents", text_table(columns)),)), path)
