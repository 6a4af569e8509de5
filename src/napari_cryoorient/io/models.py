"""Atomic models (PDB, mmCIF) turned into density maps.

Every atom becomes its electron scattering factor (the c4322 table of gemmi) blurred by one Gaussian
whose width follows from the resolution: sigma = 0.225 * resolution, the width at which the blur's
transform falls to 1/e at 1 / resolution. The atoms' own B factors are left out, so that the map's
sharpness is what was requested everywhere. The centre of mass lies at voxel N // 2.
"""

from __future__ import annotations

from math import ceil, pi
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.io.mrc import read_bytes
from napari_cryoorient.particles import DensityMap

_DEFAULT_RESOLUTION_ANGSTROM = 8.0
_SIGMA_PER_RESOLUTION = 0.225
_PIXELS_PER_RESOLUTION = 2.5  # of the map, where the user leaves the pixel size open
_FINE_PIXELS_PER_RESOLUTION = 4.0  # of the grid atoms are put on, against aliasing
_BOX_PER_DIAMETER = 1.35  # room for the particle at any angle, with a border
_LARGEST_GRID = 768


def model_to_map(
    path: Path,
    pixel_size_angstrom: float | None,
    resolution_angstrom: float | None,
    box: int | None,
) -> DensityMap:
    """Turn the first model of a PDB or mmCIF file (also gzip) into a map.

    What is left open is chosen from what is given: 8 A, 2.5 pixels a resolution, and a box 1.35
    times the particle's diameter; the notes tell. Raises InputError if the file holds no atoms or
    the particle does not fit the box asked for.
    """
    structure = _read_structure(path)
    notes: list[str] = []
    if len(structure) > 1:
        notes.append(f"the first of {len(structure)} models used")
    model = structure[0]
    positions, elements = _atoms(model)
    if not len(positions):
        raise InputError(f"{path} has no atoms; give a PDB or mmCIF coordinate file.")
    weights = np.array([gemmi.Element(name).weight for name in elements])
    centre = (positions * weights[:, None]).sum(axis=0) / weights.sum()
    diameter = 2 * float(np.linalg.norm(positions - centre, axis=1).max())
    resolution, pixel_size, box = _grid(
        path, diameter, resolution_angstrom, pixel_size_angstrom, box
    )
    n_operators = _n_assembly_operators(structure)
    if n_operators > 1:
        notes.append(
            f"the file describes an assembly of {n_operators} copies; only the atoms in it are used"
        )
    notes.append(
        f"made from {len(positions)} atoms at {resolution:g} A, {box} voxels of "
        f"{pixel_size:.4g} A, centre of mass at the centre"
    )
    voxels = _density(positions - centre, elements, resolution, pixel_size, box)
    return DensityMap(voxels, pixel_size, path, tuple(notes))


def _read_structure(path: Path) -> gemmi.Structure:
    text = read_bytes(path)
    if not text.strip():
        raise InputError(f"{path} is empty; copy or download it again.")
    if text.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise InputError(f"{path} is not an atomic model: it is a web page (a failed download?).")
    bare = path.name.lower().removesuffix(".gz").removesuffix(".bz2")
    kind = gemmi.CoorFormat.Pdb if bare.endswith((".pdb", ".ent")) else gemmi.CoorFormat.Mmcif
    try:
        structure = gemmi.read_structure_string(text, format=kind)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as an atomic model ({reason}).") from error
    if not len(structure):
        raise InputError(f"{path} has no atoms; give a PDB or mmCIF coordinate file.")
    structure.remove_waters()
    return structure


def _atoms(model: gemmi.Model) -> tuple[NDArray[np.float64], list[str]]:
    positions, elements = [], []
    for site in model.all():
        atom = site.atom
        # One of the alternative conformations is enough below atomic resolution.
        if atom.occ > 0 and atom.altloc in ("\0", "A") and atom.element.atomic_number > 0:
            positions.append(atom.pos.tolist())
            elements.append(atom.element.name)
    return np.array(positions, dtype=np.float64).reshape(-1, 3), elements


def _grid(
    path: Path, diameter: float, resolution: float | None, pixel_size: float | None, box: int | None
) -> tuple[float, float, int]:
    room = diameter * _BOX_PER_DIAMETER
    if pixel_size is None:
        if box is not None:
            pixel_size = max(room / box, 0.5)
        else:
            pixel_size = (resolution or _DEFAULT_RESOLUTION_ANGSTROM) / _PIXELS_PER_RESOLUTION
    if resolution is None:
        resolution = max(_DEFAULT_RESOLUTION_ANGSTROM, _PIXELS_PER_RESOLUTION * pixel_size)
    if box is None:
        box = max(16, 8 * ceil(room / pixel_size / 8))
        if box > _LARGEST_GRID:
            raise InputError(
                f"{path} is {diameter:.0f} A across and would need a box of {box} voxels; choose a "
                "larger --pixel-size or resolution."
            )
    if diameter > box * pixel_size:
        raise InputError(
            f"{path} is {diameter:.0f} A across and the box of {box} voxels of {pixel_size:.4g} A "
            f"spans {box * pixel_size:.0f} A; choose a larger box or pixel size."
        )
    return resolution, pixel_size, box


def _density(
    positions: NDArray[np.float64],
    elements: list[str],
    resolution: float,
    pixel_size: float,
    box: int,
) -> NDArray[np.float32]:
    finer = max(1, ceil(_FINE_PIXELS_PER_RESOLUTION * pixel_size / resolution))
    while finer > 1 and finer * box > _LARGEST_GRID:
        finer -= 1
    n = box * finer
    edge = box * pixel_size
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min = 2 * edge / n
    calculator.rate = 1.0
    calculator.grid.set_unit_cell(gemmi.UnitCell(edge, edge, edge, 90, 90, 90))
    calculator.grid.set_size(n, n, n)
    blur = 8 * pi**2 * (_SIGMA_PER_RESOLUTION * resolution) ** 2
    atom = gemmi.Atom()
    atom.occ, atom.b_iso = 1.0, blur
    by_name = {name: gemmi.Element(name) for name in set(elements)}
    for (x, y, z), name in zip((positions + edge / 2).tolist(), elements, strict=True):
        atom.element = by_name[name]
        atom.pos = gemmi.Position(x, y, z)
        calculator.add_atom_density_to_grid(atom)
    # gemmi's grid is indexed [x, y, z]; the sum over images of the cell changes nothing here.
    voxels = np.array(calculator.grid, copy=True).transpose(2, 1, 0)
    return fourier_resize(np.ascontiguousarray(voxels, dtype=np.float32), box, 3)


def _n_assembly_operators(structure: gemmi.Structure) -> int:
    if not len(structure.assemblies):
        return 1
    return sum(len(generator.operators) for generator in structure.assemblies[0].generators)
