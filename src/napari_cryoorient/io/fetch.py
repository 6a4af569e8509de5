"""Files from the archives of the field: fetched by pooch, checked, and kept in one folder."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from napari_cryoorient.errors import InputError

TIMEOUT_S = 20.0


class DownloadFailed(Exception):
    """A file could not be downloaded; the message says why, for a sentence of the caller's."""


class WrongFile(Exception):
    """What came is not the file that is expected, by its SHA-256."""


def cache_folder() -> Path:
    """Return the folder of fetched files (``CRYOORIENT_CACHE`` moves it); raises InputError."""
    chosen = os.environ.get("CRYOORIENT_CACHE")
    if chosen:
        return Path(chosen)
    import pooch

    try:
        return Path(pooch.os_cache("napari-cryoorient"))
    except RuntimeError:
        raise InputError(
            "There is no home folder to keep fetched files in: set HOME, or CRYOORIENT_CACHE."
        ) from None


def fetched(url: str, path: Path, *, sha256: str | None = None) -> Path:
    """Return ``path``, fetched from ``url`` where it is not there or not of this SHA-256.

    Raises DownloadFailed where it cannot be had, and WrongFile where another file arrives; nothing
    half fetched is left at ``path``.
    """
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    try:
        found = pooch.retrieve(
            url,
            known_hash=None if sha256 is None else f"sha256:{sha256}",
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S),
        )
    except ValueError as error:
        if "does not match" not in str(error):
            raise
        raise WrongFile(f"its SHA-256 is not {sha256}") from None
    except Exception as error:  # requests raises many kinds, none of them its user's
        reason = getattr(next(iter(error.args), None), "reason", error)
        raise DownloadFailed(str(reason).splitlines()[0]) from None
    return Path(found)
