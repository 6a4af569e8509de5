"""Density maps: MRC files and atomic models become cubic, even-sized maps, zyx.

The map's centre is voxel N // 2 of the file, whatever start or origin its header names, and it
stays at voxel N // 2 of what is returned: padding is placed so.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.finite import refuse_values_not_finite
from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.io.mrc import (
    HEADER_BYTES,
    MrcLayout,
    compression,
    map_header,
    open_plain,
    parse_layout,
    read_bytes,
)
from napari_cryoorient.io.pixel_sizes import check_pixel_size
from napari_cryoorient.particles import DensityMap, median_of_faces

_MODEL_SUFFIXES = {".pdb", ".ent", ".cif", ".mmcif"}
_VOXEL_TOLERANCE = 5e-3  # relative; voxels must be cubes
_N_HOT, _HOT = 8, 20.0  # so many voxels, so far beyond all others, are no density
_PIXEL_SIZE_NOTE = 1e-2  # relative; a larger difference from the header is worth a note


def read_map(
    path: Path | str,
    *,
    pixel_size_angstrom: float | None = None,
    resolution_angstrom: float | None = None,
    box: int | None = None,
) -> DensityMap:
    """Read an MRC map (also gzip, bzip2) or turn a PDB or mmCIF model (also gzip) into one.

    For a map ``pixel_size_angstrom`` replaces the header's, and ``box`` resamples the whole map to
    that many voxels, the pixel size changing with it. For a model both choose the grid, and
    ``resolution_angstrom``, which maps ignore, the blur. Raises InputError where the file's
    meaning is not clear.
    """
    path = Path(path)
    _check_choices(pixel_size_angstrom, resolution_angstrom, box)
    if is_model_path(path):
        from napari_cryoorient.io.models import model_to_map  # gemmi loads only when needed

        return model_to_map(path, pixel_size_angstrom, resolution_angstrom, box)
    buffer = read_bytes(path)
    layout = parse_layout(buffer[:HEADER_BYTES], len(buffer), path)
    notes = list(layout.notes)
    voxels = _zyx(layout, buffer, path, notes)
    del buffer  # as large as the map
    _check_values(voxels, path)
    notes += _hot_voxels(voxels)
    pixel_size = _pixel_size(layout, pixel_size_angstrom, path, notes)
    voxels = _cubic_and_even(voxels, layout, path, notes)
    if box is not None and box != voxels.shape[0]:
        notes.append(f"resampled from {voxels.shape[0]} to {box} voxels a side")
        pixel_size *= voxels.shape[0] / box
        voxels = fourier_resize(voxels, box, 3)
    return DensityMap(voxels, pixel_size, path, tuple(notes))


def voxels_along(path: Path) -> int | None:
    """Return the longest edge of a map by its header, read alone; None for what is no map."""
    try:
        with open_plain(path) as file:
            packed = compression(path) is not None  # what it unpacks to is not known yet
            size = sys.maxsize if packed else path.stat().st_size
            layout = parse_layout(file.read(HEADER_BYTES), size, path)
    except (InputError, OSError, EOFError, zlib.error):  # reading the map says why
        return None
    return None if _is_too_long(layout.shape) else max(layout.shape)


def write_map(density_map: DensityMap, path: Path | str) -> None:
    """Write a map as an MRC2014 volume (mode 2), whole or not at all.

    Raises InputError for values that are not finite.
    """
    voxels = np.ascontiguousarray(density_map.voxels, dtype="<f4")
    refuse_values_not_finite(voxels, "The map", path)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(map_header(voxels, density_map.pixel_size_angstrom))
        file.write(voxels.data)


def is_model_path(path: Path) -> bool:
    """Tell an atomic model from a map by its name, ``.gz`` or ``.bz2`` left aside."""
    bare = path.with_suffix("") if path.suffix.lower() in {".gz", ".bz2"} else path
    return bare.suffix.lower() in _MODEL_SUFFIXES


def _check_choices(pixel_size: float | None, resolution: float | None, box: int | None) -> None:
    for name, value in (("pixel size", pixel_size), ("resolution", resolution)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"The {name} must be a positive number of angstrom, not {value}.")
    if box is not None and (box < 4 or box % 2):
        raise InputError(f"The box must be an even number of pixels, at least 4, not {box}.")


def _zyx(layout: MrcLayout, buffer: bytes, path: Path, notes: list[str]) -> NDArray[np.float32]:
    if layout.shape[0] == 1:
        raise InputError(f"{path} holds a single image; a map with three dimensions is needed.")
    if layout.is_image_stack:
        if len(set(layout.shape)) > 1:
            raise InputError(
                f"{path} is a stack of {layout.shape[0]} images; a map with three dimensions is "
                "needed."
            )
        notes.append("marked as an image stack; read as a volume since it is cubic")
    angles = layout.cell_angles_deg
    if any(angle != 0 and abs(angle - 90) > 0.1 for angle in angles):
        raise InputError(
            f"{path} has a skewed unit cell (angles {angles[0]:g}, {angles[1]:g}, {angles[2]:g}): "
            "a crystal's map; give a single-particle map with right angles."
        )
    axes = layout.axes
    if sorted(axes) != [1, 2, 3]:
        notes.append(f"axis order {axes} makes no sense; read as x, y, z")
        axes = (1, 2, 3)
    elif axes != (1, 2, 3):
        notes.append(f"axes brought from the order {axes} to x, y, z")
    lies_along = {axes[2]: 0, axes[1]: 1, axes[0]: 2}
    voxels = layout.array(buffer).transpose(lies_along[3], lies_along[2], lies_along[1])
    return np.array(voxels, dtype=np.float32, order="C")  # a copy: the buffer is read-only


def _check_values(voxels: NDArray[np.float32], path: Path) -> None:
    n_bad = int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
    if n_bad:
        raise InputError(f"{path} has {n_bad} voxels that are not finite numbers; repair the map.")
    if voxels.min() == voxels.max():
        raise InputError(f"{path} is the same value ({voxels.flat[0]:g}) everywhere; no density.")


def _hot_voxels(voxels: NDArray[np.float32]) -> list[str]:
    """Return a note on a few voxels that hold far more than all others together."""
    with np.errstate(over="ignore"):  # two voxels of 3e38 of either sign
        apart = voxels.reshape(-1) - np.median(voxels)
    np.abs(apart, out=apart)
    rest = 0.0
    if apart.size > _N_HOT:
        apart.partition(-_N_HOT - 1)  # in place: another copy of a map is much
        rest = float(apart[-_N_HOT - 1])
    limit = np.float32(min(_HOT * rest, float(np.finfo(np.float32).max)))
    n = int((apart > limit).sum()) if rest > 0 else 0
    if not n:
        return []
    return [
        f"{n} voxels are over {_HOT:g} times as far from the rest as any other: are they damaged?"
    ]


def _pixel_size(layout: MrcLayout, chosen: float | None, path: Path, notes: list[str]) -> float:
    sizes = layout.voxel_size_angstrom
    known = all(size > 0 for size in sizes)
    if chosen is not None:
        if known and abs(sizes[0] / chosen - 1) > _PIXEL_SIZE_NOTE:
            notes.append(f"pixel size {chosen:g} A used; the header says {sizes[0]:.4g} A")
        check_pixel_size(chosen, "--pixel-size", notes, of="voxel")
        return chosen
    spelled = f"{sizes[0]:.4g}, {sizes[1]:.4g}, {sizes[2]:.4g}"
    if not known:
        raise InputError(
            f"{path} has a voxel size of {spelled} A in its header; "
            "give the right one with --pixel-size."
        )
    if max(sizes) / min(sizes) - 1 > _VOXEL_TOLERANCE:
        raise InputError(
            f"{path} has voxels that are not cubes ({spelled} A); resample it, or give "
            "--pixel-size if the header is wrong."
        )
    size = float(np.mean(sizes))
    check_pixel_size(size, path, notes, of="voxel")
    return size


def _is_too_long(shape: tuple[int, ...]) -> bool:
    return max(shape) > 2 * min(shape)


def _cubic_and_even(
    voxels: NDArray[np.float32], layout: MrcLayout, path: Path, notes: list[str]
) -> NDArray[np.float32]:
    shape = voxels.shape
    box = max(shape) + max(shape) % 2
    if shape == (box, box, box):
        return voxels
    if len(set(shape)) > 1:
        if _is_too_long(shape):
            raise InputError(
                f"{path} is {shape[0]} x {shape[1]} x {shape[2]} voxels (z, y, x), too far from a "
                "cube to be a particle's map; cut out the particle in a cubic box."
            )
        origin = ", ".join(f"{value:g}" for value in layout.origin_angstrom)
        notes.append(
            f"padded from {shape[0]} x {shape[1]} x {shape[2]} (z, y, x) to {box} voxels a side "
            f"about its middle; the header's origin ({origin} A) is not used"
        )
    else:
        notes.append(f"odd box of {shape[0]} padded to {box}; the centre voxel stays the centre")
    outside = median_of_faces(voxels)
    padding = [(box // 2 - n // 2, box - n - (box // 2 - n // 2)) for n in shape]
    return np.pad(voxels, padding, constant_values=outside)
