"""Whether a window can be shown here, and pictures of windows where none can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from napari_cryoorient.errors import InputError

_VIRTUAL_SCREEN = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
PATIENCE_S = 300.0


def has_screen() -> bool:
    """Tell whether a window would be seen by anybody."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def can_draw_unseen() -> bool:
    """Tell whether there is a virtual screen (Xvfb) to draw on."""
    return (
        sys.platform.startswith("linux")
        and shutil.which("xvfb-run") is not None
        and shutil.which("xauth") is not None
    )


def picture_of(path: Path, picture: Path) -> None:
    """Save a picture of napari with the run in ``path``, drawn on a virtual screen.

    It is a process of its own: what may go wrong between napari and OpenGL stays there.

    Raises:
        InputError: with the last thing said, where no picture came.

    """
    picture.unlink(missing_ok=True)
    environment = dict(os.environ) | {"QT_QPA_PLATFORM": "xcb", "LIBGL_ALWAYS_SOFTWARE": "1"}
    environment.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, "-m", "napari_cryoorient", "view", str(path)]
    try:
        done = subprocess.run(
            [*_VIRTUAL_SCREEN, *command, "--picture", str(picture)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"napari could not be drawn on a virtual screen: {error}") from error
    if done.returncode or not picture.is_file():
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        raise InputError(f"napari could not be drawn on a virtual screen: {reason}")
