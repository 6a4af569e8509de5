"""napari's readers for density maps, image stacks and the particles of a STAR file.

Layers lie in angstrom with the centre, pixel ``N // 2``, at the world's origin, so that maps of
different boxes fall on each other; ``metadata["napari-cryoorient"]`` says what a layer holds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.cs_file import is_cs
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.mrc import HEADER_BYTES, MrcLayout, open_plain, parse_layout
from napari_cryoorient.io.stacks import MrcStackCollection
from napari_cryoorient.particles import DensityMap, ImageSource
from napari_cryoorient.runs import layout
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.viewer.lazy_stack import LazyStack, display_limits, quantile_limits

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str], list[LayerData]]
METADATA_KEY = "napari-cryoorient"
PARTICLE_SUFFIXES = (".star", ".cs")
PARTS_MARK = "files.json"  # in a folder of parts (cluster.parts)
PARTICLE_AXIS = "particle, from 0"  # napari numbers the steps of its slider from 0

_SURFACE_SIGMAS = 3.0  # a protein's surface stands out from the box's mean by about this
_STAR_HEAD_BYTES = 65536  # column names stand in a file's first lines


def get_mrc_reader(path: str | Sequence[str]) -> Reader | None:
    """Give the reader of one MRC file, map or stack; None for several paths at once."""
    return in_words(read_mrc) if isinstance(path, str) else None


def get_particles_reader(path: str | Sequence[str]) -> Reader | None:
    """Give the reader of a .cs file, or of a STAR file whose particles name their images."""
    if not isinstance(path, str):
        return None
    if is_cs(path):
        return in_words(_read_particle_star)
    with open(path, "rb") as file:
        head = file.read(_STAR_HEAD_BYTES)
    return in_words(_read_particle_star) if b"_rlnImageName" in head else None


def get_run_reader(path: str | Sequence[str]) -> Reader | None:
    """Give the reader of a run folder, or of the ``run.json`` in it; None for other folders.

    A folder of parts, of a search that is under way say, is read too.
    """
    if not isinstance(path, str):
        return None
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    if (folder / PARTS_MARK).is_file():
        return in_words(_read_run)
    return in_words(_read_run) if (folder / layout.RECORD).is_file() else None


def in_words(reader: Reader) -> Reader:
    """Let a reader say itself why it cannot read: napari puts words of its own and a path first."""

    def read(path: str) -> list[Any]:
        try:
            return list(reader(path))
        except (InputError, OSError) as error:
            from napari.utils.notifications import show_error

            show_error(on_screen(str(error)))
            return [(None,)]  # napari's word for: read, and nothing to show

    return read


def map_layer(density: DensityMap, *, name: str, pixel_unit: str = "angstrom") -> LayerData:
    """Describe the layer of a map, with an iso-surface for the 3D view."""
    voxels = density.voxels
    spacing = density.pixel_size_angstrom
    surface = float(voxels.mean() + _SURFACE_SIGMAS * voxels.std())
    options = {
        "name": name,
        "scale": (spacing,) * 3,
        "translate": (-(density.box // 2) * spacing,) * 3,
        "units": (pixel_unit,) * 3,
        "axis_labels": ("z", "y", "x"),
        "contrast_limits": quantile_limits(voxels),
        "rendering": "iso",
        "iso_threshold": surface,
        "metadata": _metadata("map", density.path, spacing, density.notes),
    }
    return voxels, options, "image"


def particles_layer(
    source: ImageSource,
    *,
    name: str,
    path: Path,
    notes: tuple[str, ...] = (),
    pixel_unit: str = "angstrom",
) -> LayerData:
    """Describe the layer of a stack, one particle a step of the slider, read as it is shown."""
    spacing = source.pixel_size_angstrom
    corner = -(source.box // 2) * spacing
    options = {
        "name": name,
        "scale": (1.0, spacing, spacing),
        "translate": (0.0, corner, corner),
        "units": ("pixel", pixel_unit, pixel_unit),
        "axis_labels": (PARTICLE_AXIS, "y", "x"),
        "contrast_limits": display_limits(source),
        "metadata": _metadata("particles", path, spacing, notes),
    }
    return LazyStack(source), options, "image"


def read_mrc(path_text: str) -> list[LayerData]:
    """Describe the layer of an MRC file, map or stack.

    Raises:
        InputError: for what is neither.

    """
    path = Path(path_text)
    layout = _header(path)
    is_known = layout.voxel_size_angstrom[0] > 0
    unit = "angstrom" if is_known else "pixel"
    if _is_stack_name(path) or layout.is_image_stack:
        source = MrcStackCollection.of_one(path, layout.voxel_size_angstrom[0] or 1.0)
        return [
            particles_layer(source, name=path.name, path=path, notes=source.notes, pixel_unit=unit)
        ]
    density = read_map(path, pixel_size_angstrom=None if is_known else 1.0)
    return [map_layer(density, name=path.name, pixel_unit=unit)]


def _read_particle_star(path_text: str) -> list[LayerData]:
    from napari_cryoorient.io.star import read_particles

    path = Path(path_text)
    particles, _ = read_particles(path)
    return [particles_layer(particles.images, name=path.name, path=path, notes=particles.notes)]


def _read_run(path_text: str) -> list[LayerData]:
    from napari_cryoorient.viewer.show import layers_of

    path = Path(path_text)
    return layers_of(path if path.is_dir() else path.parent)


def _header(path: Path) -> MrcLayout:
    with open_plain(path) as file:
        return parse_layout(file.read(HEADER_BYTES), sys.maxsize, path)


def _is_stack_name(path: Path) -> bool:
    return any(suffix.lower() in {".mrcs", ".st"} for suffix in path.suffixes[-2:])


def _metadata(
    role: str, path: Path | None, pixel_size_angstrom: float, notes: Sequence[str]
) -> dict[str, Any]:
    return {
        METADATA_KEY: {
            "role": role,
            "path": None if path is None else str(path),
            "pixel_size_angstrom": pixel_size_angstrom,
            "notes": tuple(notes),
        }
    }
