"""``search``: poses of a stack without labels, by global search against a map."""

from __future__ import annotations

import time
from typing import Any

from napari_cryoorient.cli import options
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_as, spread_settings
from napari_cryoorient.config import SearchConfig, SpreadConfig
from napari_cryoorient.errors import InputError

SUMMARY = "Find poses by global search against a map, without labels."


@with_settings(SpreadConfig)
@with_settings(SearchConfig)
def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    output: options.PosesOutput,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Search rotations and shifts of every particle; poses in the STAR file are ignored.

    The confidence, the probability that a pose is right within 10 degrees, goes to
    rlnParticleFigureOfMerit. All columns of the rows written are kept.
    """
    from napari_cryoorient.tasks.search import search_star

    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    config = build_settings(SearchConfig, settings)
    began = time.monotonic()
    with (
        progress("Searching") as advance,
        spread_as(
            spreading,
            "search",
            config,
            output,
            particles=star_path,
            others={"the map": map_path},
            project_dir=project_dir,
            reporter=advance.reporter,
            map_pixel_size_angstrom=pixel_size,
        ) as spread,
    ):
        done = search_star(
            star_path,
            map_path,
            output,
            config,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
            spread=spread,
        )
    if done.found is None:
        raise InputError(f"The search was stopped; {output} was not written.")
    seconds = time.monotonic() - began
    speed = done.n_particles / max(seconds, 1e-9)
    confidence, correlation = done.found.confidence, done.found.correlation
    print(
        f"{done.n_particles} particles ({speed:.0f} a second on {done.device}), "
        f"{(confidence > 0.5).mean():.0%} with a confidence above 0.5: {output}"
    )
    if json:
        print_json(
            {
                "particles": done.n_particles,
                "star": output,
                "seconds": seconds,
                "images_per_second": speed,
                "mean_confidence": float(confidence.mean()),
                "mean_correlation": float(correlation.mean()),
                "mean_presence": float(done.found.presence_probability.mean()),
                "symmetry": config.symmetry,
                "device": done.device,
                "seed": config.seed,
            }
        )
