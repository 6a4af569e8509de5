"""``simulate``: particles with known poses from a map or an atomic model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import SimulateConfig
from napari_cryoorient.config.simulate import SNR
from napari_cryoorient.errors import InputError
from napari_cryoorient.simulation import layout as simulated

SUMMARY = "Simulate particles with known poses from a map or an atomic model."


@with_settings(SimulateConfig, leave_out={"snr"})
def run(
    map_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="MAP",
            help="Map or atomic model (mrc, map, PDB, mmCIF, gz); with --dataset it may be left "
            "out, and the model is fetched from the PDB.",
        ),
        Reads("map"),
    ] = None,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder for particles.mrcs, particles.star (the true poses) and map.mrc.",
        ),
        Writes(inside=simulated.FILES),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A simulated data set of Lian et al. (2022): 10061-simu (D2), 10028-simu (C1) or "
            "10025-simu (D7), with its number of images, box, low-pass, CTF and shifts.",
        ),
    ] = None,
    snr: Annotated[str | None, options.option_of(SNR)] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="A",
            help="Pixel size for a map whose header has none, or for an atomic model.",
        ),
    ] = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Simulate particles from a map: uniform poses, CTF, shifts and noise.

    The symmetry is checked against the map, and the poses stay uniform over all rotations.
    """
    settings["snr"] = None if snr is None else parse_snr(snr)
    config = build_settings(SimulateConfig, settings)

    from napari_cryoorient.tasks.simulate import simulate_files

    with progress("Simulating") as advance:
        done = simulate_files(
            map_path,
            output,
            config,
            dataset=dataset,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    print(f"{done.n} particles: {done.path}")
    if json:
        print_json(
            {
                "particles": done.n,
                "dataset": dataset,
                "star": done.path,
                "map": output / simulated.MAP,
                "box": done.box,
                "pixel_size_angstrom": done.pixel_size_angstrom,
                "noise_sigma": done.noise_sigma,
                "snr": config.snr,
                "symmetry": done.symmetry,
                "symmetry_agreement": done.symmetry_agreement,
                "seed": config.seed,
            }
        )


def parse_snr(text: str, flag: str = "--snr") -> float | None:
    """Read a signal-to-noise ratio; None stands for no noise.

    Raises:
        InputError: for what is neither a positive number, 'none' nor 'inf'.

    """
    if text.lower() in {"none", "inf"}:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(f"{flag} {text!r} is not a positive number, 'none' or 'inf'.")
    return value
