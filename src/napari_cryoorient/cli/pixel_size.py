"""``pixel-size``: whether the pixel sizes of stack and map belong together."""

from __future__ import annotations

import time
from typing import Any

from napari_cryoorient.cli import options
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import PixelSizeConfig

SUMMARY = "Measure the particles' size against the map, to a fifth of a percent."


@with_settings(PixelSizeConfig)
def run(
    star_path: options.PosedStarPath,
    map_path: options.MapPath,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Compare images with the map stretched a little, at their poses, 2000 of them at most.

    A difference above 0.5% is a warning, with the pixel size that would fit.
    """
    from napari_cryoorient.diagnosis.magnification import HAND
    from napari_cryoorient.diagnosis.pixel_size import pixel_size_of_star

    config = build_settings(PixelSizeConfig, settings)
    began = time.monotonic()
    with progress("Measuring") as advance:
        found = pixel_size_of_star(
            star_path,
            map_path,
            config,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    print(found.describe())
    print(HAND)
    if json:
        print_json(found.summary() | {"seconds": time.monotonic() - began})
