"""Maps: made from particles, compared, and their symmetry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cryoorient.api.files import AnyMap, AnyParticles, AnyPath, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, Stopped, reporter_of
from napari_cryoorient.config import FscConfig, ReconstructConfig, SymmetryConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.maps.fsc import ShellCorrelation
from napari_cryoorient.maps.symmetry import DetectedSymmetry, detect_symmetry
from napari_cryoorient.particles import DensityMap, Floats, Images
from napari_cryoorient.tasks.fsc import correlate_maps
from napari_cryoorient.tasks.reconstruct import reconstruct_particles

# Settings that say where files have what particles in memory are given.
_OF_FILES = ("weigh_by_confidence",)


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction:
    """A map from particles; ``half_maps`` and their ``fsc`` where they were asked for.

    ``is_negated`` tells that particles are dark on bright, and the map was turned.
    """

    density: DensityMap
    half_maps: tuple[DensityMap, DensityMap] | None
    fsc: ShellCorrelation | None
    n_images: int
    is_negated: bool

    def __repr__(self) -> str:
        d = self.density
        resolution = ""
        if self.fsc is not None:
            found = self.fsc.crossing_angstrom(0.143)
            at = self.fsc.nyquist_angstrom if found is None else found
            resolution = f", FSC 0.143 at {at:.1f} A"
        return (
            f"Reconstruction({self.n_images} images, box {d.box} voxels, "
            f"{d.pixel_size_angstrom:.4g} A a voxel{resolution})"
        )


@with_keywords(ReconstructConfig, _OF_FILES)
def reconstruct(
    particles: AnyParticles,
    *,
    weights: Floats | None = None,
    config: ReconstructConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> Reconstruction:
    """Make a map of particles that have poses.

    Args:
        particles: a set, poses found, or the path of a STAR or ``.cs`` file.
        weights: ``(n,)``, of each particle; ``found.confidence``, say.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``ReconstructConfig``.

    Raises:
        InputError: for particles without poses.
        Stopped: when asked to stop.

    """
    config = config_of(ReconstructConfig, config, settings, _OF_FILES)
    symmetry_matrices(config.symmetry)
    place, stack = choose_device(config.device), particles_of(particles)
    if stack.poses is None:
        raise InputError(
            f"{name_of(particles)} has no poses to reconstruct from: search, or train and predict."
        )
    if should_stop is not None and should_stop():  # a small stack is done before it is asked again
        raise Stopped
    made = reconstruct_particles(
        stack,
        place,
        config,
        weights=weights,
        name=name_of(particles),
        reporter=reporter_of(progress, say, should_stop),
    )
    if made.voxels is None:
        raise Stopped
    pixel = stack.pixel_size_angstrom
    halves = None
    if config.half_maps:
        first, second = (DensityMap(half, pixel) for half in made.halves)
        halves = (first, second)
    return Reconstruction(
        DensityMap(made.voxels, pixel), halves, made.fsc, sum(made.n_of_sets), made.is_negated
    )


@with_keywords(FscConfig)
def fsc(
    a: AnyMap,
    b: AnyMap,
    *,
    mask: DensityMap | Images | AnyPath | None = None,
    config: FscConfig | None = None,
    say: Say | None = None,
    **settings: Any,
) -> ShellCorrelation:
    """Correlate two maps shell by shell, and tell the resolutions where the curve crosses a value.

    Args:
        a: a map, or the path of one.
        b: the other one, or the path of an atomic model too.
        mask: a soft mask from 0 to 1 on the maps' grid, or "auto" for one found from them.
        config: the settings; single ones by name go before its own.
        say: told each sentence for the user.
        settings: fields of ``FscConfig``.

    Raises:
        InputError: for maps of different fields of view.

    """
    config = config_of(FscConfig, config, settings)
    if mask is not None and config.radius_angstrom is not None:
        raise InputError("mask and radius_angstrom are both given: leave one of them out.")
    named = mask if mask is None or isinstance(mask, DensityMap | np.ndarray) else os.fspath(mask)
    return correlate_maps(map_of(a), map_of(b), config, mask=named, reporter=reporter_of(say=say))


@with_keywords(SymmetryConfig)
def symmetry(
    density: AnyMap, *, config: SymmetryConfig | None = None, **settings: Any
) -> DetectedSymmetry:
    """Find a map's point group, and where its axes lie.

    Args:
        density: the map, or the path of one.
        config: the settings; single ones by name go before its own.
        settings: fields of ``SymmetryConfig``.

    Raises:
        InputError: for a map of too few voxels to compare.

    """
    config = config_of(SymmetryConfig, config, settings)
    return detect_symmetry(map_of(density), config.largest_fold)
