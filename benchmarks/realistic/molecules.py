"""Maps of atomic models, finer than any reference, and the ten kinds of reference made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from realistic.fourier import cropped, from_fourier, radius, to_fourier

SMEAR_VOXELS = 0.7  # an atom's width in voxels of the fine map


@dataclass(frozen=True)
class Molecule:
    """An atomic model under ``models/`` of the data folder, and its point group."""

    file: str
    symmetry: str

    @property
    def group(self) -> Rotation:
        """Rotations that leave the molecule as it is, on RELION's axes."""
        if self.symmetry == "C1":
            return Rotation.identity(1)
        return Rotation.create_group(self.symmetry)


MOLECULES = {
    "ribosome": Molecule("ribosome70S.pdb.gz", "C1"),
    "proteasome": Molecule("t20s_1pma_D7.pdb.gz", "D7"),
    "galactosidase": Molecule("5a1a.pdb.gz", "D2"),
}


def fine_map(path: Path, box: int, voxel_angstrom: float) -> np.ndarray:
    """Return the density of a model, atoms weighed by atomic number, the centre of mass central."""
    structure = gemmi.read_structure(str(path))
    structure.remove_waters()
    atoms = [site.atom for site in structure[0].all()]
    places = np.array([atom.pos.tolist() for atom in atoms])
    weights = np.array([max(atom.element.atomic_number, 1) for atom in atoms], dtype=float)
    places -= (places * weights[:, None]).sum(0) / weights.sum()
    voxels = places[:, ::-1] / voxel_angstrom + box // 2
    first = np.floor(voxels).astype(int)
    if first.min() < 0 or first.max() > box - 2:
        raise ValueError(f"{path.name} does not fit {box} voxels of {voxel_angstrom:g} A")
    part = voxels - first
    density = np.zeros((box, box, box))
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, part, 1 - part), axis=1) * weights
        np.add.at(density, tuple((first + corner).T), share)
    return gaussian_filter(density, SMEAR_VOXELS).astype(np.float32)


def blobs(box: int, like: np.ndarray, seed: int) -> np.ndarray:
    """Return a map of 40 random blobs within the extent of another map, of its total power."""
    rng = np.random.default_rng(seed)
    strong = np.argwhere(like > 0.25 * like.max()) - box // 2
    reach = np.sqrt((strong**2).sum(1).mean())
    places = rng.normal(size=(40, 3)) * reach / np.sqrt(3) * 0.8 + box // 2
    density = np.zeros_like(like)
    inside = np.clip(places.round().astype(int), 1, box - 2)
    density[tuple(inside.T)] = rng.uniform(0.5, 1.5, 40)
    density = gaussian_filter(density, 0.12 * reach)
    return density * np.sqrt((like**2).sum() / (density**2).sum())


REFERENCES = (
    "right",
    "lowpass20",
    "lowpass30",
    "lowpass40",
    "constant",
    "soft-mask",
    "hard-mask",
    "third-cut",
    "magnified2",
    "magnified4",
    "negative",
    "sharpened",
    "noise-around",
    "other",
    "random-phases",
)


def reference(kind: str, right: np.ndarray, voxel_angstrom: float, other: np.ndarray) -> np.ndarray:
    """Return a reference of a kind, made of the right map; ``other`` is another molecule's.

    ``magnified2`` and ``magnified4`` return the right map: the header says 2 or 4% more.
    """
    box = len(right)
    rng = np.random.default_rng(7)
    frequency = radius(box, 3) / (box * voxel_angstrom)
    support = gaussian_filter(right, 8 / voxel_angstrom)
    inside = (support > 0.1 * support.max()).astype(np.float32)
    if kind in ("right", "magnified2", "magnified4"):
        return right
    if kind.startswith("lowpass"):
        return filtered(right, np.exp(-((frequency * float(kind[7:])) ** 2) * np.log(2)))
    if kind == "constant":
        return right + 3 * right.std()
    if kind == "soft-mask":
        return right * np.clip(gaussian_filter(inside, 6 / voxel_angstrom) * 1.5, 0, 1)
    if kind == "hard-mask":
        return right * inside
    if kind == "third-cut":
        x = np.arange(box)
        weight = right.sum((0, 1)).cumsum()
        return right * (x < np.searchsorted(weight, 2 / 3 * weight[-1]))
    if kind == "negative":
        return -right
    if kind == "sharpened":
        return filtered(right, np.exp(100 * frequency**2))
    if kind == "noise-around":
        noise = filtered(rng.normal(size=right.shape), np.exp(-((frequency * 15) ** 2)))
        return right + 0.3 * right[inside > 0].std() * noise / noise.std()
    if kind == "other":
        return other
    if kind == "random-phases":
        noise = to_fourier(rng.normal(size=right.shape), 3)
        made = from_fourier(np.abs(to_fourier(right, 3)) * noise / np.abs(noise), 3)
        return made * np.clip(gaussian_filter(inside, 6 / voxel_angstrom) * 1.5, 0, 1)
    raise ValueError(f"no kind of reference: {kind}")


def filtered(volume: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weigh the frequencies of a map."""
    return from_fourier(to_fourier(volume, 3) * weight, 3)


def write_reference(
    path: Path, kind: str, fine: np.ndarray, other: np.ndarray, box: int, voxel_angstrom: float
) -> None:
    """Write a reference of ``box`` voxels made of fine maps of the same field of view."""
    small = reference(kind, cropped(fine, box, 3), voxel_angstrom, cropped(other, box, 3))
    said = {"magnified2": 1.02, "magnified4": 1.04}.get(kind, 1.0)
    write_volume(path, small, voxel_angstrom * said)


def write_volume(path: Path, volume: np.ndarray, voxel_angstrom: float) -> None:
    """Write a map."""
    with mrcfile.new(path, volume.astype(np.float32), overwrite=True) as file:
        file.voxel_size = voxel_angstrom
