"""``refine``: rotations and shifts of a stack refined against a map."""

from __future__ import annotations

import time
from typing import Any

from napari_cryoorient.cli import options
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_as, spread_settings
from napari_cryoorient.config import RefineConfig, SpreadConfig
from napari_cryoorient.errors import InputError

SUMMARY = "Refine rotations and shifts locally against a map."


@with_settings(SpreadConfig)
@with_settings(RefineConfig)
def run(
    star_path: options.PosedStarPath,
    map_path: options.MapPath,
    output: options.PosesOutput,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Refine poses that are right within about 18 degrees; all rows and columns are kept.

    Particles that fit badly are refined again from poses around theirs. The confidence goes to
    rlnParticleFigureOfMerit; the symmetry affects it alone.
    """
    from napari_cryoorient.tasks.refine import refine_star

    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    config = build_settings(RefineConfig, settings)
    began = time.monotonic()
    with (
        progress("Refining") as advance,
        spread_as(
            spreading,
            "refine",
            config,
            output,
            particles=star_path,
            others={"the map": map_path},
            project_dir=project_dir,
            reporter=advance.reporter,
            map_pixel_size_angstrom=pixel_size,
        ) as spread,
    ):
        done = refine_star(
            star_path,
            map_path,
            output,
            config,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
            spread=spread,
        )
    refined = done.refined
    if refined is None or done.confidence is None:
        raise InputError(f"The refinement was stopped; {output} was not written.")
    seconds = time.monotonic() - began
    speed = done.n_particles / max(seconds, 1e-9)
    print(f"{done.n_particles} particles ({speed:.0f} a second on {done.device}): {output}")
    if json:
        print_json(
            {
                "particles": done.n_particles,
                "star": output,
                "seconds": seconds,
                "images_per_second": speed,
                "median_moved_deg": refined.median_moved_deg,
                "median_moved_angstrom": refined.median_moved_angstrom,
                "beyond_basin": refined.n_beyond_basin,
                "doubtful": int(refined.is_doubtful.sum()),
                "mean_confidence": float(done.confidence.mean()),
                "mean_correlation": float(refined.correlation.mean()),
                "device": done.device,
            }
        )
