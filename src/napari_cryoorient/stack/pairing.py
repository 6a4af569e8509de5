"""What a run works on: stack and map brought to one field of view, and the contrast checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.io.fourier_resize import rescaled
from napari_cryoorient.io.maps import is_model_path, read_map
from napari_cryoorient.io.star import StarFile, read_particles
from napari_cryoorient.memory import MATCHED, refuse_map_beyond
from napari_cryoorient.particles import (
    DensityMap,
    NegatedImages,
    ParticleSet,
    median_of_faces,
    refuse_small_box,
    without_solvent,
)
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.projection.resample import fourier_to_images, images_to_fourier
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.odd_images import ready_images
from napari_cryoorient.stack.reference_notes import told_of
from napari_cryoorient.stack.solvent_noise import without_noise_around

# Pixel sizes no further apart than this, in equal boxes, are one: a header is rounded.
TOLERANCE = 0.02
# Below this no word is lost on a difference.
SILENT_TOLERANCE = 1e-3
# Of the density above this part of the highest, so much may be cut off without a word, or at all.
CLEAR_PART, LITTLE_LOST, MUCH_LOST = 0.25, 0.02, 0.2
# A map that spans less than this part of the images has another pixel size than its header says.
LEAST_PART = 0.2
# The contrast shows in the low frequencies of a few hundred images.
CONTRAST_BOX, N_CONTRAST_IMAGES = 32, 256
# A mean correlation so many standard errors from zero has a clear sign.
CLEAR_SIGN = 5.0


@dataclass(frozen=True)
class Contrast:
    """Correlation of images with what the map says they should be, and how sure its sign is."""

    correlation: float
    standard_errors: float

    @property
    def is_clear(self) -> bool:
        """Whether the sign is reliable."""
        return abs(self.standard_errors) >= CLEAR_SIGN

    @property
    def is_inverted(self) -> bool:
        """Whether particles are clearly dark where the map is bright."""
        return self.is_clear and self.correlation < 0.0


@dataclass(frozen=True)
class PairedInputs:
    """Stack and map as the recipe gets them; ``is_negated`` tells what was done to the images."""

    particles: ParticleSet
    density: DensityMap
    contrast: Contrast
    is_negated: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RunInputs(PairedInputs):
    """The same, with the STAR file that poses are written back into."""

    star: StarFile


def load_inputs(
    star_path: Path,
    map_path: Path,
    *,
    invert_contrast: str = "auto",
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    bytes_a_voxel: int = MATCHED,
) -> RunInputs:
    """Read stack and map and make them fit; raises InputError where they do not.

    ``bytes_a_voxel`` is what the work to come needs for each voxel of the map.
    """
    refuse_map_beyond(Path(map_path), bytes_a_voxel, "Comparing images with a map")
    particles, star = read_particles(star_path, project_dir=project_dir)
    density = map_for(map_path, particles, pixel_size_angstrom=map_pixel_size_angstrom)
    paired = pair_inputs(particles, density, invert_contrast=invert_contrast, name=str(star_path))
    return RunInputs(**vars(paired), star=star)


def map_for(
    path: Path, particles: ParticleSet, *, pixel_size_angstrom: float | None = None
) -> DensityMap:
    """Read a map; a model is put on the grid of the particles."""
    if is_model_path(path):
        return read_map(path, pixel_size_angstrom=particles.pixel_size_angstrom, box=particles.box)
    return read_map(path, pixel_size_angstrom=pixel_size_angstrom)


def pair_inputs(
    particles: ParticleSet,
    density: DensityMap,
    *,
    invert_contrast: str = "auto",
    name: str = "the stack",
) -> PairedInputs:
    """Bring a map to a stack's field of view, and turn the images where their contrast is turned.

    ``name`` is what messages call the stack.  Raises InputError where the two do not fit.
    """
    refuse_small_box(particles.box, "Images")
    density = reference_for(particles, told_of(density))
    refuse_small_box(density.box, "A map")
    particles, odd = ready_images(particles, name)
    contrast = measure_contrast(density, particles)
    is_negated, sentence = _decide(contrast, invert_contrast)
    if is_negated:
        particles = replace(particles, images=NegatedImages(particles.images))
    notes = (*particles.notes, *density.notes, *odd.notes, sentence)
    return PairedInputs(particles, density, contrast, is_negated, notes)


def reference_for(particles: ParticleSet, density: DensityMap) -> DensityMap:
    """Bring a map to a stack's field of view, and its grey values to the scale all work is done in.

    Noise around its molecule is taken off.  Raises InputError where the two do not fit.
    """
    return in_free_scale(matched_map(without_noise_around(density), particles))


def matched_map(density: DensityMap, particles: ParticleSet) -> DensityMap:
    """Bring a map to the stack's field of view, in voxels no finer than either has.

    Pixel sizes decide: equal ones (or 2% apart in equal boxes, where one of the headers is rounded)
    pad or crop the map around its centre; equal fields of view leave it; else it is resampled.
    Raises InputError where map and stack cannot show one molecule.
    """
    map_pixel, pixel = density.pixel_size_angstrom, particles.pixel_size_angstrom
    map_field, field = map_pixel * density.box, pixel * particles.box
    notes = list(density.notes)
    apart = abs(map_pixel / pixel - 1.0)
    if density.box == particles.box and apart <= TOLERANCE:
        if apart > SILENT_TOLERANCE:
            notes.append(_assumed_size(map_pixel, pixel))
        return replace(density, pixel_size_angstrom=pixel, notes=tuple(notes))
    if abs(map_field / field - 1.0) <= SILENT_TOLERANCE:
        notes.append(
            f"the map has {density.box} voxels of {map_pixel:.4g} A, the stack {particles.box} "
            f"pixels of {pixel:.4g} A: the same field of view"
        )
        return replace(density, pixel_size_angstrom=field / density.box, notes=tuple(notes))
    solvent = median_of_faces(density.voxels)
    margin = (field - map_field) / 2
    if apart <= SILENT_TOLERANCE:
        box, voxels = particles.box, _in_box(density.voxels, particles.box, solvent)
        verb = "padded" if margin > 0 else "cropped"
        notes.append(f"the map is {verb} from {density.box} to the stack's {box} voxels")
    else:
        box = min(particles.box, _even_at_least(field / map_pixel))
        voxels = rescaled(density.voxels, box, (map_pixel, field / box), 3, solvent)
        verb = "padded" if margin > 0 else "cropped"
        target = "the stack's" if box == particles.box else f"{box} of"
        notes.append(
            f"the map is resampled from {density.box} voxels of {map_pixel:.4g} A to {target} "
            f"{field / box:.4g} A, {verb} by {abs(margin):.0f} A, to the stack's field of view"
        )
    lost = _part_cut_off(density, solvent, field)
    if lost > MUCH_LOST:
        raise InputError(
            f"The map does not fit the particles' images: {lost:.0%} of its density lies beyond "
            f"their {field:.0f} A (the map has {density.box} voxels of {map_pixel:.4g} A, the "
            f"stack {particles.box} pixels of {pixel:.4g} A); check both pixel sizes "
            "(--pixel-size gives the map's)."
        )
    if lost > LITTLE_LOST:
        notes.append(
            f"{lost:.0%} of the map's density lies beyond the stack's field of view of {field:.0f} "
            "A and is cut off"
        )
    if map_field < LEAST_PART * field:
        raise InputError(
            f"Pixel sizes do not belong together: the map's {density.box} voxels of "
            f"{map_pixel:.4g} A span {map_field:.0f} A, the stack's {particles.box} pixels of "
            f"{pixel:.4g} A {field:.0f} A; check both (--pixel-size gives the map's)."
        )
    return replace(density, voxels=voxels, pixel_size_angstrom=field / box, notes=tuple(notes))


def _assumed_size(map_pixel: float, pixel: float) -> str:
    return (
        f"the map's pixel size, {map_pixel:.4g} A, is assumed to be the stack's, {pixel:.4g} A "
        f"({100 * (map_pixel / pixel - 1):+.1f}%), since their boxes are equal"
    )


def _even_at_least(number: float) -> int:
    return 2 * math.ceil(number / 2 - 1e-6)


def _part_cut_off(density: DensityMap, solvent: float, field_angstrom: float) -> float:
    """Return what part of a map's clear density lies outside a cube about its centre."""
    strong = density.voxels - solvent
    strong = np.where(strong > CLEAR_PART * strong.max(), strong, 0.0)
    half = field_angstrom / 2 / density.pixel_size_angstrom
    inside = np.abs(np.arange(density.box) - density.box // 2) <= half
    kept = strong[np.ix_(inside, inside, inside)].sum(dtype=np.float64)
    return float(1.0 - kept / max(strong.sum(dtype=np.float64), 1e-30))


def in_free_scale(density: DensityMap) -> DensityMap:
    """Return a map with its solvent at zero and a standard deviation of about 1.

    Neither tells of orientations. Squares of other scales would vanish or overflow; a power of
    two leaves every digit.
    """
    voxels = without_solvent(density.voxels)
    deviation = float(voxels.std(dtype=np.float64))
    exponent = -round(math.log2(deviation)) if deviation > 0.0 else 0
    return replace(density, voxels=np.ldexp(voxels, exponent))


def _in_box(voxels: np.ndarray, box: int, solvent: float) -> np.ndarray:
    """Pad with the solvent's level, or crop; voxel N // 2 stays the centre."""
    old = voxels.shape[0]
    if box < old:
        cut = slice(old // 2 - box // 2, old // 2 - box // 2 + box)
        return np.ascontiguousarray(voxels[cut, cut, cut])
    before = box // 2 - old // 2
    return np.pad(voxels, (before, box - old - before), constant_values=solvent)


@torch.no_grad()
def measure_contrast(density: DensityMap, particles: ParticleSet) -> Contrast:
    """Correlate a sample of images with projections of the map, CTF included.

    The projections stand at the particles' poses; where there are none, the mean over random poses
    has to do, which shows the sign of centred particles as well.
    """
    box = min(CONTRAST_BOX, particles.box)
    device = torch.device("cpu")
    batches = ParticleBatches(particles, box, device, cache_bytes=0)
    rows = particles.spread_rows(min(N_CONTRAST_IMAGES, len(particles)))
    volume = reference_volume(density, box)
    projector = Projector(volume, pixel_size_angstrom=batches.pixel_size_angstrom)
    if particles.poses is not None:
        batch = batches.batch(rows)
        images = batch.images
        expected = projector(batch.rotations, batch.shifts_angstrom, batch.ctf)
    else:
        images, ctf = batches.images(rows), batches.ctf(rows)
        views = random_rotations(64, torch.Generator().manual_seed(0))
        expected = projector(views).mean(0, keepdim=True).expand(len(rows), -1, -1)
        if ctf is not None:
            expected = fourier_to_images(images_to_fourier(expected) * ctf)
    correlations = _correlation(images, expected)[images.flatten(1).any(1)]
    if not len(correlations):
        return Contrast(0.0, 0.0)
    mean = float(correlations.mean())
    # What noise alone correlates by, and a margin for a spread known from a few images only.
    spread = max(float(correlations.std(correction=0)), 1 / box)
    n_seen = len(correlations)
    error = spread * (1 + 4 / n_seen) / math.sqrt(n_seen)
    return Contrast(mean, mean / error)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = (t.flatten(1) - t.flatten(1).mean(1, keepdim=True) for t in (a, b))
    a, b = (t / t.abs().amax(1, keepdim=True) for t in (a, b))  # squares stay in range
    product: Tensor = torch.nn.functional.cosine_similarity(a, b, dim=1)
    return product.nan_to_num()


def is_to_be_negated(contrast: Contrast, invert_contrast: str) -> bool:
    """Tell whether images are negated: as requested, or with "auto" where they are inverted."""
    return invert_contrast == "yes" or (invert_contrast == "auto" and contrast.is_inverted)


def _decide(contrast: Contrast, invert_contrast: str) -> tuple[bool, str]:
    """Return whether to negate the images, and a sentence that says why."""
    is_negated = is_to_be_negated(contrast, invert_contrast)
    measured = f"mean correlation of images and reprojections {contrast.correlation:+.3f}"
    if invert_contrast == "yes":
        doubt = "" if contrast.is_inverted else " WARNING: they did not look inverted."
        return is_negated, f"Contrast: images are negated, as requested ({measured}).{doubt}"
    if is_negated:
        return is_negated, (
            f"WARNING: contrast is inverted, particles are dark where the map is bright "
            f"({measured}); images are negated as they are read (--invert-contrast no forbids it)."
        )
    if contrast.is_inverted:
        return is_negated, (
            f"WARNING: contrast is inverted ({measured}) and was left as it is, as requested; "
            "--invert-contrast yes would turn it."
        )
    if not contrast.is_clear:
        return (
            is_negated,
            f"Contrast: its sign is not clear ({measured}); images are used as they are.",
        )
    return is_negated, f"Contrast: as it should be ({measured})."
