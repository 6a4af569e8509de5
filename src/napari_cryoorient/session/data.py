"""What the user loaded: a map and a particle stack, brought to one field of view for looking at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import (
    CtfParameters,
    DensityMap,
    Images,
    Integers,
    ParticleSet,
    Poses,
)
from napari_cryoorient.session.stack_star import is_stack, star_of_stack

if TYPE_CHECKING:
    from napari_cryoorient.io.star import StarFile
    from napari_cryoorient.projection.fourier_slice import Projector

# Projections for the eye are made at once at this box; training has its own.
MAX_PROJECTED_BOX = 128


@dataclass(frozen=True)
class Data:
    """A stack, a map, or both; ``projector`` is the map's where the two fit together.

    ``warnings`` are sentences the user has to see; ``map_pixel_size_angstrom`` is the pixel size
    the map was taken at instead of its header's.
    """

    star_path: Path | None = None
    map_path: Path | None = None
    particles: ParticleSet | None = None
    star: StarFile | None = None
    density: DensityMap | None = None
    projector: Projector | None = None
    map_pixel_size_angstrom: float | None = None
    is_negated: bool = False
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    @property
    def is_trainable(self) -> bool:
        """Whether there is all that training needs."""
        return self.particles is not None and self.projector is not None

    @property
    def mended_pixel_size_angstrom(self) -> float | None:
        """Pixel size that would make the map fit the stack; None where it fits."""
        if self.particles is None or self.density is None or self.projector is not None:
            return None
        return self.particles.pixel_size_angstrom


@dataclass(frozen=True)
class ProjectedPoses:
    """Projections of the map at poses as an image source, through the CTF when it is given."""

    projector: Projector
    poses: Poses
    ctf: CtfParameters | None = None

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return int(self.projector.box)

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return float(self.projector.pixel_size_angstrom)

    def __len__(self) -> int:
        return len(self.poses)

    def read(self, indices: Integers) -> Images:
        """Project at poses ``indices``: ``(k, box, box)``."""
        from napari_cryoorient.simulate import project_chunk

        rows = np.asarray(indices)
        ctf = None if self.ctf is None else self.ctf[rows]
        return project_chunk(self.projector, self.poses[rows], ctf)


def load_data(
    star_path: Path | None,
    map_path: Path | None,
    *,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
) -> Data:
    """Read what is named; a map that does not fit the stack is a warning, not an error.

    ``star_path`` may be a STAR or .cs file, or a stack, for which a STAR file is found or made.
    Takes a second or more and imports torch: call it in the background.

    Raises:
        InputError: for a file that cannot be used.

    """
    note: tuple[str, ...] = ()
    if star_path is not None and is_stack(star_path) and star_path.is_file():
        star_path, sentence = star_of_stack(star_path)
        note = (sentence,)
    data = Data(
        star_path=star_path, map_path=map_path, map_pixel_size_angstrom=map_pixel_size_angstrom
    )
    for path in (star_path, map_path):
        if path is not None and not path.is_file():
            raise InputError(f"{path} is not there; check the path.")
    if star_path is not None:
        from napari_cryoorient.io.star import read_particles

        particles, star = read_particles(star_path, project_dir=project_dir)
        data = replace(data, particles=particles, star=star, notes=(*note, *particles.notes))
    if map_path is not None:
        data = _with_map(data, map_path)
    return data


def _with_map(data: Data, map_path: Path) -> Data:
    from napari_cryoorient.io.maps import is_model_path, read_map

    particles = data.particles
    pixel_size, box = data.map_pixel_size_angstrom, None
    if is_model_path(map_path) and particles is not None:
        pixel_size, box = particles.pixel_size_angstrom, particles.box
    density = read_map(map_path, pixel_size_angstrom=pixel_size, box=box)
    data = replace(data, density=density, notes=(*data.notes, *density.notes))
    if particles is None:
        return replace(data, projector=_projector(density))
    from napari_cryoorient.run.inputs import matched_map, measure_contrast

    try:
        matched = matched_map(density, particles)
    except InputError as error:
        return replace(data, warnings=(*data.warnings, str(error)))
    new_notes = tuple(note for note in matched.notes if note not in density.notes)
    data = replace(data, projector=_projector(matched), notes=(*data.notes, *new_notes))
    contrast = measure_contrast(matched, particles)
    if not contrast.is_inverted:
        return data
    return replace(
        data,
        is_negated=True,
        warnings=(
            *data.warnings,
            "Contrast is inverted: particles are dark where the map is bright (mean correlation "
            f"{contrast.correlation:+.3f}). They are shown, and trained on, turned over.",
        ),
    )


def _projector(density: DensityMap) -> Projector:
    from napari_cryoorient.simulate import projector_of, working_map

    if density.box > MAX_PROJECTED_BOX:
        density = working_map(density, MAX_PROJECTED_BOX)
    return projector_of(density)


def summary(data: Data) -> Sequence[tuple[str, str]]:
    """Say in label and value what is loaded."""
    rows: list[tuple[str, str]] = []
    particles, density = data.particles, data.density
    if particles is not None:
        groups = len(np.unique(particles.optics_group))
        size = _size(particles.box, particles.pixel_size_angstrom, "px")
        rows.append(("Particles", f"{len(particles):,} images, {size}"))
        rows += [
            ("Optics groups", str(groups)),
            ("Poses", "yes" if particles.poses is not None else "none in the STAR file"),
            ("CTF", _ctf_words(particles)),
        ]
    if density is not None:
        rows.append(("Map", _size(density.box, density.pixel_size_angstrom, "voxels")))
    return rows


def _size(box: int, pixel_size_angstrom: float, unit: str) -> str:
    return f"{box} {unit} of {pixel_size_angstrom:.4g}\N{NO-BREAK SPACE}Å"


def _ctf_words(particles: ParticleSet) -> str:
    if particles.ctf is None:
        return "none in the STAR file"
    words = {
        "none": "yes",
        "phase-flipped": "yes, phases flipped",
        "premultiplied": "yes, premultiplied",
    }
    return words[particles.ctf_state]
