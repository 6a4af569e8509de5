"""A folder for the temporary files of a process, and the removal of what killed ones left.

Each process has a folder of its own, ``cryoorient-*`` in the system's folder for temporary files,
and holds a lock in it as long as it lives. A folder whose lock is free has no owner any more.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed: that is lock enough
    fcntl = None  # type: ignore[assignment]

PREFIX = "cryoorient-"
LOCK = "lock"
# A folder without a lock is one that is being made, or whose process was killed at that moment.
_MAKING_S = 3600.0
_OLD_STACK = ".mrcs"

_guard = threading.Lock()
_own: tuple[int, Path, IO[bytes]] | None = None  # process, folder, held lock


def new_scratch_file(suffix: str) -> tuple[int, Path]:
    """Return (open file, path) of a new temporary file that ends with this process."""
    handle, name = tempfile.mkstemp(suffix=suffix, dir=scratch_folder())
    return handle, Path(name)


def remove_left_over() -> None:
    """Remove the folders of this user's processes that are dead; those in use are left alone.

    Stacks that version 0.1.0 unpacked go too: they lie there without a folder.
    """
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if not entry.name.startswith(PREFIX):
                continue
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    _remove_if_dead(Path(entry.path))
                elif entry.name.endswith(_OLD_STACK) and entry.is_file(follow_symlinks=False):
                    _remove_old_stack(Path(entry.path))


def remove_own() -> None:
    """Remove this process's folder, where it has one."""
    global _own
    if _own is None or _own[0] != os.getpid():  # a forked child leaves its parent's alone
        return
    _, folder, lock = _own
    _own = None
    lock.close()
    shutil.rmtree(folder, ignore_errors=True)


def scratch_folder() -> Path:
    """Return the folder of this process, made the first time; it ends with the process."""
    global _own
    with _guard:
        if _own is not None and _own[0] == os.getpid():
            return _own[1]
        remove_left_over()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        if fcntl is None:
            lock = (folder / LOCK).open("wb")
        else:
            lock = (folder / "making").open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(folder / "making", folder / LOCK)  # it is never seen without being held
        _own = (os.getpid(), folder, lock)
        atexit.register(remove_own)
        return folder


def _remove_if_dead(folder: Path) -> None:
    found = folder.stat()
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        return
    try:
        lock = (folder / LOCK).open("rb")
    except FileNotFoundError:
        if time.time() - found.st_mtime > _MAKING_S:
            shutil.rmtree(folder)
        return
    with lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where the owner lives
    if fcntl is None:
        (folder / LOCK).unlink()
    shutil.rmtree(folder)


def _remove_old_stack(path: Path) -> None:
    """Remove a stack that no process has open; where that cannot be told, it stays."""
    found = path.stat()
    is_ours = hasattr(os, "getuid") and found.st_uid == os.getuid()
    if not is_ours or time.time() - found.st_mtime < _MAKING_S:
        return
    if not Path("/proc/self/fd").is_dir():
        return
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, path, found):
            return
    path.unlink()


def _holds(process: Path, path: Path, found: os.stat_result) -> bool:
    """Tell whether a process has a file open or mapped; those of other users cannot be asked."""
    with suppress(OSError):
        for handle in (process / "fd").iterdir():
            with suppress(OSError):
                if os.path.samestat(handle.stat(), found):
                    return True
        return str(path) in (process / "maps").read_text(errors="replace")
    return False
