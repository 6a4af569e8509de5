"""The settings of what is written for other programs."""

from __future__ import annotations

from typing import Annotated, Literal

from napari_cryoorient.config.base import Config
from napari_cryoorient.settings import Setting

ExportFormat = Literal["star", "relion30", "cs", "cryodrgn"]


class ExportConfig(Config):
    """In whose form particles are written, and which of them."""

    format: Annotated[
        ExportFormat,
        Setting(
            "Whose form: star for RELION 3.1 and later, relion30 for RELION 3.0 and before, cs for "
            "cryoSPARC, from a .cs file only, cryodrgn for pose.pkl and ctf.pkl"
        ),
    ] = "star"
    min_confidence: Annotated[
        float | None,
        Setting(
            "Leave out particles with less confidence",
            left_open="all are kept",
            metavar="P",
            ge=0.0,
            le=1.0,
        ),
    ] = None
