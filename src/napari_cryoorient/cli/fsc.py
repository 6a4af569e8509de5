"""``fsc``: how well two maps agree, shell by shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import FscConfig

if TYPE_CHECKING:
    from napari_cryoorient import ShellCorrelation

SUMMARY = "Fourier shell correlation of two maps, and where it crosses 0.5 and 0.143."


@with_settings(FscConfig)
def run(
    a_path: Annotated[Path, typer.Argument(metavar="A.mrc", help="A map."), Reads("map")],
    b_path: Annotated[
        Path,
        typer.Argument(metavar="B.mrc", help="The other map, or an atomic model."),
        Reads("map"),
    ],
    mask: options.MapsMask = None,
    csv: options.Table = None,
    figure: options.Figure = None,
    pixel_size: options.PixelSize = None,
    device: options.UnusedDevice = "auto",
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Correlate two maps over shells of frequency, without aligning them.

    A map of another sampling but the same field of view is resampled; other differences are
    refused. --seed draws the phases that the correction for the mask needs.
    """
    from napari_cryoorient.io.atomic import refuse_unwritable
    from napari_cryoorient.tasks.fsc import compare_maps

    config = build_settings(FscConfig, settings)
    options.refuse_other_pictures(figure)
    for path in (csv, figure):
        if path is not None:
            refuse_unwritable(path)
    with progress("FSC") as advance:
        result = compare_maps(
            a_path,
            b_path,
            config,
            mask=mask,
            pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    print(describe_crossings(result))
    results = write_curves(result, csv, figure, f"{a_path.name} and {b_path.name}")
    if json:
        print_json(results)


def describe_crossings(curve: ShellCorrelation) -> str:
    """Say where a curve crosses both thresholds."""

    def at(threshold: float) -> str:
        resolution = curve.crossing_angstrom(threshold)
        if resolution is None:
            return f"{threshold:g} not crossed down to Nyquist, {curve.nyquist_angstrom:.2f} \u00c5"
        return f"{threshold:g} at {resolution:.2f} \u00c5"

    return f"FSC: {at(0.5)}, {at(0.143)}"


def write_curves(
    curve: ShellCorrelation, csv: Path | None, figure: Path | None, title: str
) -> dict[str, Any]:
    """Write the table and the figure that are asked for; return what --json says of the curve."""
    from napari_cryoorient.figures import save_fsc
    from napari_cryoorient.tasks.fsc import write_curve

    if csv is not None:
        write_curve(curve, csv)
    if figure is not None:
        save_fsc(figure, {title: (curve.frequencies, curve.best)})
    return {
        "resolution_0.5_angstrom": curve.crossing_angstrom(0.5),
        "resolution_0.143_angstrom": curve.crossing_angstrom(0.143),
        "nyquist_angstrom": curve.nyquist_angstrom,
        "frequencies_per_angstrom": curve.frequencies.tolist(),
        "fsc": curve.values.tolist(),
        "fsc_corrected": None if curve.corrected is None else curve.corrected.tolist(),
        "phases_randomised_from_angstrom": curve.randomised_from_angstrom,
        "csv": csv,
        "figure": figure,
    }
