"""The simulated data sets of Lian et al. (2022), section 2.6, by name.

What the paper states is taken from it; what it leaves open is chosen here and listed in
``Dataset.chosen``, so that whoever simulates is told.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.fetch import DownloadFailed, cache_folder, fetched
from napari_cryoorient.io.maps import is_model_path, read_map
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.simulation.simulate import Microscope, SimulationSettings, working_map

PDB_URL = "https://files.rcsb.org/download"
LOWPASS_ANGSTROM = 12.0  # all maps of the paper
BOX = 128  # likewise


@dataclass(frozen=True)
class Entry:
    """An entry of the PDB, and between which numbers its atoms lie, water and hydrogen left out.

    The archive corrects its entries now and then, which changes any checksum; this does not.
    """

    name: str
    n_atoms: tuple[int, int]


@dataclass(frozen=True)
class Dataset:
    """One of the paper's simulated data sets; noiseless unless asked otherwise.

    ``field_of_view_angstrom`` is that of the box, ``model_angstrom`` the resolution of the map made
    from the model, ``shift_range_angstrom`` the half-width of uniform shifts in x and in y.
    """

    name: str
    entries: tuple[Entry, ...]
    symmetry: str
    n: int
    field_of_view_angstrom: float
    model_angstrom: float
    microscope: Microscope
    shift_range_angstrom: float
    chosen: tuple[str, ...]

    def settings(self, *, n: int | None, snr: float | None, seed: int) -> SimulationSettings:
        """Return what to simulate; ``n`` None takes the paper's number of images."""
        return SimulationSettings(
            n=self.n if n is None else n,
            snr=snr,
            microscope=self.microscope,
            shift_range_angstrom=self.shift_range_angstrom,
            seed=seed,
        )


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "10061-simu",
            (Entry("5a1a", (31_000, 35_000)),),
            "D2",
            10_000,
            field_of_view_angstrom=245.0,
            model_angstrom=3.0,
            microscope=Microscope(defocus_um=(0.7, 2.5), amplitude_contrast=0.07),
            shift_range_angstrom=0.0,
            chosen=("field of view 245 A", "defocus 0.7 to 2.5 um", "Cs 2.7 mm, Q0 0.07"),
        ),
        Dataset(
            "10028-simu",
            (Entry("3j79", (100_000, 150_000)), Entry("3j7a", (50_000, 95_000))),
            "C1",
            10_000,
            field_of_view_angstrom=482.0,  # 360 pixels of 1.34 A, as EMPIAR-10028 has them
            model_angstrom=4.0,
            microscope=Microscope(defocus_um=(0.8, 3.8), spherical_aberration_mm=2.0),
            shift_range_angstrom=0.0,
            chosen=(
                "field of view 482 A and defocus 0.8 to 3.8 um, those of the real EMPIAR-10028",
                "Cs 2.0 mm, Q0 0.1",
            ),
        ),
        Dataset(
            "10025-simu",
            (Entry("6bdf", (40_000, 52_000)),),
            "D7",
            8_000,
            field_of_view_angstrom=290.0,
            model_angstrom=4.0,
            microscope=Microscope(),
            shift_range_angstrom=10.0,
            chosen=(
                "a map from an atomic model in place of the paper's ab initio map",
                "field of view 290 A",
                "shifts within 10 A and defocus 1.0 to 2.5 um, where the paper takes those of its "
                "real images",
                "Cs 2.7 mm, Q0 0.1",
            ),
        ),
    )
}


def dataset_named(name: str) -> Dataset:
    """Return a data set; raises InputError for a name that is none."""
    if name not in DATASETS:
        raise InputError(f"--dataset {name!r} is not one of {', '.join(DATASETS)}.")
    return DATASETS[name]


def dataset_map(dataset: Dataset, path: Path, box: int | None = None) -> DensityMap:
    """Turn the model, or map, of a data set into its map: low-passed, at ``box`` (default 128).

    A map keeps its own field of view.  Where pixels are too coarse for 12 A nothing is left to
    low-pass.
    """
    box = BOX if box is None else box
    if is_model_path(path):
        density = read_map(
            path,
            pixel_size_angstrom=dataset.field_of_view_angstrom / box,
            resolution_angstrom=max(dataset.model_angstrom, _finest(dataset, box)),
            box=box,
        )
    else:
        density = read_map(path, box=box)
    can_lowpass = 2 * density.pixel_size_angstrom <= LOWPASS_ANGSTROM
    return working_map(density, None, LOWPASS_ANGSTROM if can_lowpass else None)


def what_was_checked(dataset: Dataset) -> str:
    """Say what a model from the PDB was checked by: no checksum of its entries holds for long."""
    counts = " and ".join(
        f"{entry.name} ({entry.n_atoms[0]} to {entry.n_atoms[1]})" for entry in dataset.entries
    )
    return (
        f"from the PDB {counts}: checked by entry name and number of atoms; the archive corrects "
        "its entries, so no checksum is known"
    )


def _finest(dataset: Dataset, box: int) -> float:
    return 2 * dataset.field_of_view_angstrom / box


def fetch_model(dataset: Dataset, cache: Path | None = None, url: str | None = None) -> Path:
    """Return the data set's atomic model, fetched from the PDB the first time.

    Several entries become one mmCIF file.  ``url`` (default: the environment's
    CRYOORIENT_PDB_URL, else RCSB) is followed by ``/5a1a.cif.gz`` and so on.  Raises InputError
    where an entry cannot be downloaded, or what came is not it.
    """
    folder = (cache or cache_folder()) / "pdb"
    final = folder / f"{'+'.join(entry.name for entry in dataset.entries)}.cif"
    if final.is_file():
        return final
    source = (url or os.environ.get("CRYOORIENT_PDB_URL") or PDB_URL).rstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        structures = [
            _fetched(entry, f"{source}/{entry.name}.cif.gz", Path(temporary))
            for entry in dataset.entries
        ]
        whole = Path(temporary) / final.name
        _joined(structures).make_mmcif_document().write_file(str(whole))
        os.replace(whole, final)
    return final


def _fetched(entry: Entry, url: str, folder: Path) -> gemmi.Structure:
    """Fetch one entry and see that it is what was requested."""
    advice = "check the connection, or give the model file as MAP"
    try:
        path = fetched(url, folder / f"{entry.name}.cif.gz")
    except DownloadFailed as error:
        raise InputError(
            f"PDB entry {entry.name} could not be downloaded ({error}): {advice}."
        ) from None
    try:
        structure = gemmi.read_structure(str(path), format=gemmi.CoorFormat.Mmcif)
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"What came from {url} is no model ({reason}): {advice}.") from None
    name = dict(structure.info).get("_entry.id", structure.name)
    if name.lower() != entry.name:
        raise InputError(f"What came from {url} is entry {name}, not {entry.name}: {advice}.")
    structure.remove_waters()
    structure.remove_hydrogens()
    n = structure[0].count_atom_sites() if len(structure) else 0
    low, high = entry.n_atoms
    if not low <= n <= high:
        raise InputError(
            f"What came from {url} has {n} atoms besides water and hydrogen, where {entry.name} "
            f"has {low} to {high}: {advice}."
        )
    return structure


def _joined(structures: Sequence[gemmi.Structure]) -> gemmi.Structure:
    """Put the atoms of all into one structure; they share their frame, as deposited together."""
    first = structures[0]
    for other in structures[1:]:
        for chain in other[0]:
            first[0].add_chain(chain, unique_name=True)
    first.setup_entities()
    return first
