"""Particles in the files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_cryoorient.api.files import AnyPath
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.config import ExportConfig
from napari_cryoorient.tasks.export import ExportedFiles, export_particles


@with_keywords(ExportConfig)
def export(
    source: AnyPath,
    out: AnyPath,
    *,
    project_dir: AnyPath | None = None,
    config: ExportConfig | None = None,
    **settings: Any,
) -> ExportedFiles:
    """Write all rows and columns of a STAR or ``.cs`` file in another program's form.

    Args:
        source: the path of the particles, whose images stay where they are.
        out: the file to write; for cryoDRGN a folder.
        project_dir: the folder that the stacks' names start from.
        config: the settings; single ones by name go before its own.
        settings: fields of ``ExportConfig``.

    Raises:
        InputError: for a file that does not say what the form needs, and where ``out`` cannot be
            written.

    """
    return export_particles(
        Path(source),
        Path(out),
        config_of(ExportConfig, config, settings),
        project_dir=None if project_dir is None else Path(project_dir),
    )
