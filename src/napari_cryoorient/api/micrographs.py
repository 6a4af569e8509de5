"""Particles by micrograph, outliers first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_cryoorient.api.files import AnyPath
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.config import MicrographsConfig
from napari_cryoorient.diagnosis.micrograph_files import micrographs_of_star
from napari_cryoorient.diagnosis.micrographs import MicrographFigures


@with_keywords(MicrographsConfig)
def micrographs(
    path: AnyPath,
    *,
    kept: AnyPath | None = None,
    config: MicrographsConfig | None = None,
    **settings: Any,
) -> MicrographFigures:
    """Rank the micrographs of a STAR or ``.cs`` file by how unlike the others' their particles are.

    Images are not read.

    Args:
        path: particles with poses.
        kept: the STAR file to write without the micrographs of ``exclude``.
        config: the settings; single ones by name go before its own.
        settings: fields of ``MicrographsConfig``.

    Raises:
        InputError: for a file without poses, or that does not tell which micrograph a particle is
            of; and where one of ``exclude`` and ``kept`` is given without the other.

    """
    return micrographs_of_star(
        Path(path),
        config_of(MicrographsConfig, config, settings),
        kept=None if kept is None else Path(kept),
    ).found
