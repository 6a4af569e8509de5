"""A home folder for the libraries that want one, where the user has none, as in containers."""

from __future__ import annotations

import os
from pathlib import Path

from napari_cryoorient.io.scratch import scratch_folder

try:
    import pwd
except ImportError:  # Windows, where everybody has a name
    pwd = None  # type: ignore[assignment]


def ensure_home() -> None:
    """Let a process without a home, a writable one or a user name have a temporary one.

    Only the environment of this process and of those it starts changes.
    """
    try:
        home = Path.home()
    except RuntimeError:
        home = scratch_folder() / "home"
        home.mkdir()
        os.environ["HOME"] = str(home)
    if pwd is not None:
        try:
            pwd.getpwuid(os.getuid())
        except KeyError:  # torch names a folder after the user
            os.environ.setdefault("USER", f"uid{os.getuid()}")
    kept = [
        Path(os.environ.get(variable) or home / default) / "matplotlib"
        for variable, default in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    ]
    if "MPLCONFIGDIR" not in os.environ and not all(map(_can_be_written, kept)):
        os.environ["MPLCONFIGDIR"] = str(scratch_folder())


def _can_be_written(folder: Path) -> bool:
    """Tell whether a folder could be written, or made where it is not there."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return os.access(there, os.W_OK | os.X_OK)
