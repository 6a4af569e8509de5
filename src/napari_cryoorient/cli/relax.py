"""``relax``: which of the equivalent poses of a pseudo-symmetry each particle is at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress

SUMMARY = "Tell the equivalent poses of a pseudo-symmetry apart, particle by particle."


def run(
    star_path: options.PosedStarPath,
    map_path: options.MapPath,
    output: options.PosesOutput,
    symmetry: Annotated[
        str, typer.Option(metavar="NAME", help="The pseudo-symmetry, on RELION's axes: D7, C4 ...")
    ] = "C1",
    mask: Annotated[
        Path | None,
        typer.Option(metavar="MAP", help="Mask, 0 to 1; equivalents are the same outside it."),
        Reads("map"),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="STAR", help="Write the probabilities of all equivalents."),
        Writes(holds="poses"),
    ] = None,
    resolution: options.Resolution = None,
    invert_contrast: options.InvertContrast = "auto",
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Weigh each particle's equivalent poses by their likelihood, and write the likeliest.

    The map has to show what breaks the symmetry: reconstruct without it. The probability of the
    pose taken goes to rlnParticleFigureOfMerit.
    """
    from napari_cryoorient.device import choose_device
    from napari_cryoorient.diagnosis.relax_inputs import (
        group_to_relax,
        relax_particles,
        write_probabilities,
    )
    from napari_cryoorient.io.atomic import refuse_unwritable
    from napari_cryoorient.io.maps import read_map
    from napari_cryoorient.io.star import read_particles, write_poses
    from napari_cryoorient.stack.pairing import map_for
    from napari_cryoorient.tasks.reach import unreached_images
    from napari_cryoorient.tasks.search import refuse_same_file

    began = time.monotonic()
    group_to_relax(symmetry)  # refuses a name before the files are read
    refuse_same_file(star_path, output)
    if table is not None:
        refuse_unwritable(table)
    with progress("Relaxing") as advance:
        particles, star = read_particles(star_path, project_dir=project_dir)
        found = relax_particles(
            particles,
            map_for(map_path, particles, pixel_size_angstrom=pixel_size),
            symmetry,
            choose_device(device),
            mask=None if mask is None else read_map(mask, pixel_size_angstrom=pixel_size),
            resolution_angstrom=resolution,
            invert_contrast=invert_contrast,
            name=str(star_path),
            reporter=advance.reporter,
        )
        write_poses(star, found.poses, output, confidence=found.probability)
        if (lost := unreached_images(star, output, project_dir)) is not None:
            advance.say(lost)
    print(found.describe())
    print(f"{len(found.best)} particles: {output}")
    results: dict[str, Any] = found.summary() | {"sentence": found.describe()}
    results |= {"star": output, "symmetry": symmetry}
    if table is not None:
        write_probabilities(found, particles.names, table)
        results["table"] = table
    if json:
        print_json(results | {"seconds": time.monotonic() - began})
