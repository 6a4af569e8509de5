"""Never a half-written file: write beside the final name, then rename."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.alive import is_alive
from napari_cryoorient.io.kept_inputs import note_made, refuse_replacing_read

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_PARTIAL = ".partial"
_unfinished: set[Path] = set()
_BAD_NAME = {errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL}


@contextmanager
def atomic_path(final: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``final``; rename it on success, remove it on any failure.

    Missing folders are made; what killed processes left half-written of this file is removed.
    Raises InputError when the disk is full or the place not writable.
    """
    final = Path(final)
    # By hand, for "." has an empty name.
    temporary = final.parent / f"{_partial_prefix(final)}{os.getpid()}{_PARTIAL}"
    _unfinished.add(temporary)
    try:
        if final.is_dir():
            raise InputError(f"{final} is a folder; give the name of a file to write.")
        if final.exists() and not final.is_file():  # renaming would put a file in its place
            raise InputError(f"{final} is a device, not a file; give the name of a file to write.")
        refuse_replacing_read(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(final)
        yield temporary
        refuse_replacing_read(final)  # it may have been read only now
        os.replace(temporary, final)
        note_made(final)
    except OSError as error:
        sentence = _write_failure(error, final)
        if sentence is None:
            raise
        raise InputError(sentence) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)


def discard_unfinished() -> None:
    """Remove what is half-written, for a process that ends at once."""
    for temporary in list(_unfinished):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _partial_prefix(final: Path) -> str:
    """Return how half-written files for ``final`` begin on this machine: folders may be shared."""
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    return f".{final.name}.{machine}-"


def _remove_left_over(final: Path) -> None:
    """Remove half-written files for ``final`` of processes on this machine that are dead."""
    prefix = _partial_prefix(final)
    with suppress(OSError), os.scandir(final.parent) as entries:
        for entry in entries:
            if not (entry.name.startswith(prefix) and entry.name.endswith(_PARTIAL)):
                continue
            owner = entry.name.removeprefix(prefix).removesuffix(_PARTIAL)
            if owner.isdigit() and not is_alive(int(owner)):
                with suppress(OSError):
                    os.unlink(entry.path)


def refuse_unwritable(final: Path | str) -> None:
    """Raise now the InputError that ``atomic_path`` would raise after the work is done."""

    class Enough(Exception):
        pass

    with suppress(Enough), atomic_path(final) as temporary:
        temporary.write_bytes(b"\0" * 4096)  # a full disk shows at the first block
        raise Enough


def refuse_without_space(final: Path, n_bytes: int) -> None:
    """Raise InputError where the disk has no room for a file of so many bytes."""
    folder = next((each for each in final.absolute().parents if each.is_dir()), None)
    try:
        free = None if folder is None else shutil.disk_usage(folder).free
    except OSError:  # some network file systems do not tell
        return
    if free is not None and n_bytes > free:
        raise InputError(
            f"{final.name} will be {n_bytes / 1e6:.0f} MB large, and the disk has "
            f"{free / 1e6:.0f} MB left: make it smaller, free some space or write elsewhere than "
            f"{final.parent}."
        )


def _write_failure(error: OSError, final: Path) -> str | None:
    if error.errno in _DISK_FULL:
        return f"The disk is full: {final} was not written; free some space or write elsewhere."
    if error.errno in _NOT_ALLOWED:
        return f"{final} cannot be written (no permission); choose another folder."
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return f"{final} cannot be written: {final.parent} is not a folder; choose another place."
    if error.errno in _BAD_NAME:
        return f"{final} cannot be written ({error.strerror}); choose another place or name."
    return None
