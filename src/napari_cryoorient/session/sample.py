"""Sample data made by code: a particle of a chosen symmetry, and images of it, offline."""

from __future__ import annotations

import getpass
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

SYMMETRIES = ("C1", "D2", "D7")
BOX, PIXEL_SIZE_ANGSTROM = 48, 5.5
N_IMAGES = 600
SNR, SHIFT_SIGMA_ANGSTROM = 0.2, 4.0


def sample_dir(symmetry: str) -> Path:
    """Return the folder of a sample, in the system's folder for temporary files.

    Anyone may write there: a folder of the name expected that is not the user's alone is left, and
    a new one taken.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "user"
    folder = Path(tempfile.gettempdir()) / f"napari-cryoorient-{user}"
    with suppress(OSError):
        folder.mkdir(mode=0o700)
    if not is_own(folder):
        folder = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
    return folder / f"sample-{symmetry}"


def is_own(folder: Path) -> bool:
    """Tell whether a folder is no link, belongs to the user and lets nobody else write."""
    try:
        state = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(state.st_mode):
        return False
    if not hasattr(os, "getuid"):  # Windows: the folder for temporary files is the user's own
        return True
    return state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def make_sample(
    symmetry: str = "C1", folder: Path | None = None, n: int = N_IMAGES, box: int = BOX
) -> tuple[Path, Path]:
    """Return (STAR, map) of a sample, made where it is not there yet; torch loads here.

    Raises:
        InputError: where the folder cannot be written.

    """
    from napari_cryoorient.simulation.demo_density import demo_density
    from napari_cryoorient.simulation.simulate import (
        SimulationSettings,
        draw_simulation,
        write_simulation,
    )

    folder = sample_dir(symmetry) if folder is None else folder
    star, map_path = folder / "particles.star", folder / "map.mrc"
    if not star.is_file() or not map_path.is_file():
        density = demo_density(box, PIXEL_SIZE_ANGSTROM * BOX / box, symmetry=symmetry)
        settings = SimulationSettings(n=n, snr=SNR, shift_sigma_angstrom=SHIFT_SIGMA_ANGSTROM)
        write_simulation(draw_simulation(density, settings), folder)
    return star, map_path
