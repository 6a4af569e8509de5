"""``null-test``: what a search finds in particles, beside what it finds in nothing."""

from __future__ import annotations

import time
from typing import Any

from napari_cryoorient.cli import options
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import NullTestConfig

SUMMARY = "Search noise and maps of random detail too, to tell whether the particles show the map."


@with_settings(NullTestConfig)
def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    figure: options.Figure = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Run a search on particles, on images without the molecule and with maps without structure.

    What a search finds in these, it may have found in the particles too (Einstein from noise).
    """
    from napari_cryoorient.diagnosis.null_test_files import null_test_of_star
    from napari_cryoorient.diagnosis.null_test_picture import save_null_test
    from napari_cryoorient.io.atomic import refuse_unwritable

    config = build_settings(NullTestConfig, settings)
    began = time.monotonic()
    options.refuse_other_pictures(figure)
    if figure is not None:
        refuse_unwritable(figure)
    with progress("Testing against nulls") as advance:
        found = null_test_of_star(
            star_path,
            map_path,
            config,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    print(f"{'case':28}  correlation  confidence  over 0.9")
    for row in found.rows():
        print(
            f"{row['case']:28}  {row['mean_correlation']:11.3f}  {row['mean_confidence']:10.2f}  "
            f"{row['sure']:8.0%}"
        )
    print(found.describe())
    results: dict[str, Any] = found.summary()
    if figure is not None:
        save_null_test(figure, found, title=star_path.name)
        results["figure"] = figure
    results["seconds"] = time.monotonic() - began
    if json:
        print_json(results)
