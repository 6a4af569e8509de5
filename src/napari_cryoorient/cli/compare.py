"""``compare``: two refinements of the same particles."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import CompareConfig

if TYPE_CHECKING:
    from napari_cryoorient.diagnosis.comparison import Comparison

SUMMARY = "Compare two refinements of the same particles, and which one each image prefers."
N_WORST = 10


@with_settings(CompareConfig)
def run(
    a_path: Annotated[
        Path,
        typer.Argument(metavar="A.star", help="Poses of one refinement (STAR or .cs)."),
        Reads("particles"),
    ],
    b_path: Annotated[
        Path,
        typer.Argument(metavar="B.star", help="Poses of another one, in any order."),
        Reads("particles"),
    ],
    map_path: options.OptionalMapPath = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="TABLE.star", help="Write a row for each particle compared."
        ),
        Writes(holds="poses"),
    ] = None,
    agreeing: Annotated[
        Path | None,
        typer.Option(
            metavar="STAR", help="Write the particles of A that agree within --within degrees."
        ),
        Writes(holds="poses"),
    ] = None,
    within: Annotated[
        float, typer.Option(min=0.0, max=180.0, metavar="DEG", help="For --agreeing.")
    ] = 5.0,
    figure: options.Figure = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Compare poses pair by pair, whatever frames the two refinements are in.

    Particles are paired by image name. The rotation between the two maps, the symmetry copy, the
    hand and the shift of origin are found, named and removed. With a map, the images of A show
    which of the two poses they prefer.
    """
    from napari_cryoorient.diagnosis.compare_files import (
        compare_stars,
        write_agreeing,
        write_comparison,
    )
    from napari_cryoorient.diagnosis.comparison_picture import save_comparison
    from napari_cryoorient.io.atomic import refuse_unwritable

    config = build_settings(CompareConfig, settings)
    began = time.monotonic()
    options.refuse_other_pictures(figure)
    for path in (output, agreeing, figure):
        if path is not None:
            refuse_unwritable(path)
    with progress("Comparing") as advance:
        found, a = compare_stars(
            a_path,
            b_path,
            config,
            map_path=map_path,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            keep_star=agreeing is not None,
            reporter=advance.reporter,
        )
    describe(found)
    results: dict[str, Any] = found.summary() | views_and_micrographs(found)
    if output is not None:
        write_comparison(found, a.names, output)
        results["output"] = output
    if agreeing is not None:
        results["n_agreeing"] = write_agreeing(found, a, within, agreeing)
        results["agreeing"] = agreeing
        print(f"{results['n_agreeing']} particles agree within {within:g} degrees: {agreeing}")
    if figure is not None:
        save_comparison(figure, found, title=f"{a_path.name} and {b_path.name}")
        results["figure"] = figure
    results["seconds"] = time.monotonic() - began
    if json:
        print_json(results)


def describe(found: Comparison) -> None:
    """Print what came of it."""
    from napari_cryoorient.diagnosis.comparison import SHARES_DEG

    print(found.frame.describe())
    shares = ", ".join(f"{found.share_under(a):.1%} under {a:g}" for a in SHARES_DEG)
    print(
        f"{len(found)} particles differ by {found.median_angle_deg:.2f} degrees and "
        f"{found.median_shift_angstrom:.2f} A (medians); {shares} degrees."
    )
    copies = float(found.is_other_copy.mean())
    if copies > 0:
        print(f"{copies:.1%} of them are at another symmetry copy than the rest.")
    if found.preference is not None:
        print(found.preference.describe())


def views_and_micrographs(found: Comparison) -> dict[str, Any]:
    """Return the views, and the micrographs that differ most, for --json."""
    directions, figures = found.by_view()
    views = [
        {"direction": direction, "n": n, "median_angle_deg": angle}
        for direction, n, angle in zip(
            directions.tolist(), figures.n.tolist(), figures.median_angle_deg.tolist(), strict=True
        )
    ]
    named = found.by_micrograph()
    if named is None:
        return {"views": views, "worst_micrographs": None}
    names, of_micrographs = named
    worst = (-of_micrographs.median_angle_deg).argsort(kind="stable")[:N_WORST]
    return {
        "views": views,
        "worst_micrographs": [
            {
                "name": names[i],
                "n": int(of_micrographs.n[i]),
                "median_angle_deg": float(of_micrographs.median_angle_deg[i]),
                "share_under_5_deg": float(of_micrographs.share_under_5_deg[i]),
            }
            for i in worst.tolist()
        ],
    }
