"""What the user loaded: a map and a particle stack, brought to one field of view for looking at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import (
    CtfParameters,
    DensityMap,
    Floats,
    Images,
    Integers,
    ParticleSet,
    Poses,
)
from napari_cryoorient.session.display_filter import display_low_pass_of
from napari_cryoorient.session.stack_star import is_stack, star_of_stack
from napari_cryoorient.session.words import counted

if TYPE_CHECKING:
    from napari_cryoorient.config import InvertContrast
    from napari_cryoorient.io.star import StarFile
    from napari_cryoorient.projection.fourier_slice import Projector
    from napari_cryoorient.stack.pairing import Contrast

Role = Literal["stack", "map"]
# Projections on display are made at once at this box; training has its own.
MAX_PROJECTED_BOX = 128
INVERTED = "Contrast is inverted"


@dataclass(frozen=True)
class Data:
    """A stack, a map, or both; ``projector`` is the map's where the two fit together.

    ``contrast`` is measured where they do; ``is_negated`` tells whether images are turned over.
    ``warnings`` are sentences the user has to see; ``map_pixel_size_angstrom`` is the pixel size
    the map was taken at instead of its header's; ``confidence`` ``(n,)`` is the STAR file's own.
    ``display_low_pass_angstrom`` is the filter its images are first shown through, None for none.
    """

    star_path: Path | None = None
    map_path: Path | None = None
    particles: ParticleSet | None = None
    star: StarFile | None = None
    density: DensityMap | None = None
    projector: Projector | None = None
    map_pixel_size_angstrom: float | None = None
    contrast: Contrast | None = None
    is_negated: bool = False
    confidence: Floats | None = None
    display_low_pass_angstrom: float | None = None
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    def with_contrast(self, choice: InvertContrast) -> Data:
        """Return the data with images turned over or not, as ``--invert-contrast`` does it."""
        if self.contrast is None:
            return self
        from napari_cryoorient.stack.pairing import is_to_be_negated

        is_negated = is_to_be_negated(self.contrast, choice)
        kept = tuple(each for each in self.warnings if not each.startswith(INVERTED))
        measured = f"(mean correlation {self.contrast.correlation:+.3f})"
        if self.contrast.is_inverted:
            how = "negated" if is_negated else "as they are, as requested"
            kept += (
                f"{INVERTED}: particles are dark where the map is bright {measured}. They are "
                f"shown, and trained on, {how}.",
            )
        if (is_negated, kept) == (self.is_negated, self.warnings):
            return self
        return replace(self, is_negated=is_negated, warnings=kept)

    @property
    def is_trainable(self) -> bool:
        """Whether there is all that training needs."""
        return self.particles is not None and self.projector is not None

    @property
    def corrected_pixel_size_angstrom(self) -> float | None:
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
        from napari_cryoorient.simulation.simulate import project_chunk

        rows = np.asarray(indices)
        ctf = None if self.ctf is None else self.ctf[rows]
        return project_chunk(self.projector, self.poses[rows], ctf)


class LoadError(InputError):
    """One of the files that were asked for cannot be used; ``role`` is "stack" or "map"."""

    def __init__(self, role: Role, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.role: Role = role
        self.path = path


@dataclass(frozen=True)
class Problem:
    """Why a file that was requested is not loaded."""

    path: Path
    sentence: str


def load_what_can_be(
    star_path: Path | None,
    map_path: Path | None,
    *,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
) -> tuple[Data, dict[Role, Problem]]:
    """Read what is named as far as it can be used; say of each other file why it cannot."""
    problems: dict[Role, Problem] = {}
    while True:
        try:
            data = load_data(
                None if "stack" in problems else star_path,
                None if "map" in problems else map_path,
                project_dir=project_dir,
                map_pixel_size_angstrom=map_pixel_size_angstrom,
            )
        except LoadError as error:
            problems[error.role] = Problem(error.path, str(error))
        else:
            return data, problems


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
        LoadError: for a file that cannot be used.

    """
    data = Data(map_path=map_path, map_pixel_size_angstrom=map_pixel_size_angstrom)
    if star_path is not None:
        try:
            data = _with_stack(data, star_path, project_dir)
        except (InputError, OSError) as error:
            raise LoadError("stack", star_path, _sentence(error)) from error
    if map_path is not None:
        try:
            _check_is_there(map_path)
            data = _with_map(data, map_path)
        except (InputError, OSError) as error:
            raise LoadError("map", map_path, _sentence(error)) from error
    return data


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"The file cannot be read: {error.strerror}."
    return str(error)


def _check_is_there(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"This is a folder; choose a file in it: {path}")
    if not path.is_file():
        raise InputError(f"There is no such file; check the path: {path}")


def _with_stack(data: Data, star_path: Path, project_dir: Path | None) -> Data:
    from napari_cryoorient.io.star import read_particles

    _check_is_there(star_path)
    note: tuple[str, ...] = ()
    if is_stack(star_path):
        star_path, sentence = star_of_stack(star_path)
        note = (sentence,)
    particles, star = read_particles(star_path, project_dir=project_dir)
    told: tuple[str, ...] = ()
    if len(np.unique(particles.optics_group)) > 1:  # one group opens without torch
        from napari_cryoorient.stack.grey_scales import in_one_scale

        particles, told = in_one_scale(particles)
    return replace(
        data,
        star_path=star_path,
        particles=particles,
        star=star,
        confidence=_confidence_of(star),
        display_low_pass_angstrom=display_low_pass_of(particles.images),
        notes=(*note, *particles.notes, *told),
    )


def _confidence_of(star: StarFile) -> Floats | None:
    """Return rlnParticleFigureOfMerit ``(n,)`` where it says anything."""
    from napari_cryoorient.io.confidence import stated_confidence

    values = stated_confidence(star)
    return None if values is None or not values.any() else values


def _with_map(data: Data, map_path: Path) -> Data:
    from napari_cryoorient.io.maps import read_map

    particles, pixel_size = data.particles, data.map_pixel_size_angstrom
    if particles is None:
        density = read_map(map_path, pixel_size_angstrom=pixel_size)
        data = replace(data, density=density, notes=(*data.notes, *density.notes))
        return replace(data, projector=_projector(density))
    from napari_cryoorient.stack.pairing import map_for, matched_map, measure_contrast
    from napari_cryoorient.stack.reference_notes import told_of
    from napari_cryoorient.stack.solvent_noise import without_noise_around

    density = map_for(map_path, particles, pixel_size_angstrom=pixel_size)
    data = replace(data, density=density, notes=(*data.notes, *density.notes))
    try:
        # As a search takes it: what is shown beside an image is what it is compared with.
        matched = matched_map(without_noise_around(told_of(density)), particles)
    except InputError as error:
        return replace(data, warnings=(*data.warnings, str(error)))
    new_notes = tuple(note for note in matched.notes if note not in density.notes)
    data = replace(data, projector=_projector(matched), notes=(*data.notes, *new_notes))
    return replace(data, contrast=measure_contrast(matched, particles)).with_contrast("auto")


def _projector(density: DensityMap) -> Projector:
    from napari_cryoorient.simulation.simulate import projector_of, working_map

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
        rows.append(("Particles", f"{counted(len(particles), 'image')}, {size}"))
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
