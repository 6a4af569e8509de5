"""Maps of the Electron Microscopy Data Bank, fetched once and checked.

The checksums are those of the compressed maps as the example data of ASPIRE-Python pin them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.fetch import DownloadFailed, WrongFile, fetched

EMDB_URL = "https://ftp.ebi.ac.uk/pub/databases/emdb/structures"


@dataclass(frozen=True)
class EmdbMap:
    """An entry: its number, what it shows, its point group, and the SHA-256 of its ``.map.gz``."""

    number: int
    title: str
    symmetry: str
    sha256: str

    @property
    def name(self) -> str:
        """Return the accession code."""
        return f"EMD-{self.number}"

    @property
    def file_name(self) -> str:
        """Return the archive's name of the compressed map."""
        return f"emd_{self.number}.map.gz"


RIBOSOME_80S = EmdbMap(
    2660,
    "80S ribosome of Plasmodium falciparum",
    "C1",
    "49aecfd4efce09afc937d1786bbed6f18c2a353c73a4e16a643a304342d0660e",
)
BETA_GALACTOSIDASE = EmdbMap(
    2984,
    "beta-galactosidase",
    "D2",
    "0194f44cb28f2a8daa5d477d25852de9cc81ed093487de181ee4b30b0d77ef90",
)
PROTEASOME_20S = EmdbMap(
    6287,
    "20S proteasome of Thermoplasma acidophilum",
    "D7",
    "81463aa6d024c80efcd19aa9b5ac58f3b3464af56e1ef0f104bd25071acc9204",
)


def fetch_emdb_map(entry: EmdbMap, folder: Path, *, url: str | None = None) -> Path:
    """Return the compressed map of an entry in ``folder``, fetched there the first time.

    ``url`` (default: the environment's CRYOORIENT_EMDB_URL, else EMDB's own) is followed by
    ``/EMD-2660/map/emd_2660.map.gz`` and so on.

    Raises:
        InputError: where the map cannot be downloaded, or is not the expected file.

    """
    source = (url or os.environ.get("CRYOORIENT_EMDB_URL") or EMDB_URL).rstrip("/")
    address = f"{source}/{entry.name}/map/{entry.file_name}"
    try:
        return fetched(address, folder / entry.file_name, sha256=entry.sha256)
    except WrongFile:
        raise InputError(
            f"What came from {address} is not the map that is expected (its SHA-256 differs: cut "
            "short, or a new release); download it from EMDB by hand and open the file."
        ) from None
    except DownloadFailed as error:
        raise InputError(
            f"{entry.name} could not be downloaded from {source} ({error}); check the connection, "
            "or take one of the samples that need no download."
        ) from None
