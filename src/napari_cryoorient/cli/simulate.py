"""``simulate``: particles with known poses from a map or an atomic model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

NAME = "simulate"
SUMMARY = "Simulate particles with known poses from a map or an atomic model."


def run(
    map_path: Annotated[
        Path, typer.Argument(metavar="MAP", help="Map or atomic model (mrc, map, PDB, mmCIF, gz).")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder for particles.mrcs, particles.star (the true poses) and map.mrc.",
        ),
    ],
    n: Annotated[int, typer.Option("--n", min=1, help="How many particles.")] = 1000,
    box: Annotated[
        int | None,
        typer.Option(
            min=16,
            max=1024,
            metavar="PX",
            help="Box of the particles: smaller than the map's crops in Fourier space (pixels "
            "grow), larger pads with the map's surroundings (pixels stay). [default: the map's]",
            show_default=False,
        ),
    ] = None,
    snr: Annotated[
        str,
        typer.Option(
            metavar="X",
            help="Variance of the signal (with CTF, over the whole image) over that of the white "
            "noise; 'none' or 'inf' for no noise.",
        ),
    ] = "none",
    ctf: Annotated[
        bool,
        typer.Option(
            help="Apply a CTF: defocus 1.0 to 2.5 um, astigmatism to 0.04 um, 300 kV, Cs 2.7 mm, "
            "amplitude contrast 0.1."
        ),
    ] = True,
    shift_sigma: Annotated[
        float, typer.Option(min=0.0, metavar="A", help="Standard deviation of the shifts in x, y.")
    ] = 0.0,
    lowpass: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="A", help="Low-pass the map at this resolution."),
    ] = None,
    symmetry: options.Symmetry = "C1",
    pixel_size: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="A",
            help="Pixel size for a map whose header has none, or for an atomic model.",
        ),
    ] = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Simulate particles from a map: uniform poses, CTF, shifts and noise.

    The symmetry is checked against the map, and the poses stay uniform over all rotations.
    """
    noise_ratio = parse_snr(snr)

    from napari_cryoorient.device import choose_device, describe_device
    from napari_cryoorient.io.maps import is_model_path, read_map
    from napari_cryoorient.simulate import (
        Microscope,
        SimulationSettings,
        draw_simulation,
        symmetry_agreement,
        symmetry_doubt,
        working_map,
        write_simulation,
    )

    where = choose_device(device)
    if map_path.resolve() == (output / "map.mrc").resolve():
        raise InputError(f"{map_path} would be overwritten; write to another folder with -o.")
    original = read_map(
        map_path,
        pixel_size_angstrom=pixel_size,
        box=box if is_model_path(map_path) else None,
    )
    density = working_map(original, box, lowpass)
    settings = SimulationSettings(
        n=n,
        snr=noise_ratio,
        microscope=Microscope() if ctf else None,
        shift_sigma_angstrom=shift_sigma,
        seed=seed,
    )
    agreement = symmetry_agreement(density, symmetry)
    with progress("Simulating") as advance:
        for note in original.notes:
            advance.say(f"Note: {note}")
        advance.say(
            f"{n} particles of {density.box} pixels at {density.pixel_size_angstrom:.3f} A "
            f"on {describe_device(where)}"
        )
        if (doubt := symmetry_doubt(symmetry, agreement)) is not None:
            advance.say(f"Note: {doubt}")
        simulation = draw_simulation(density, settings, where)
        star = write_simulation(simulation, output, device=where, advance=advance)
    print(f"{n} particles: {star}")
    if json:
        print_json(
            {
                "particles": n,
                "star": star,
                "map": output / "map.mrc",
                "box": density.box,
                "pixel_size_angstrom": density.pixel_size_angstrom,
                "noise_sigma": simulation.noise_sigma,
                "snr": noise_ratio,
                "symmetry": symmetry,
                "symmetry_agreement": agreement,
                "seed": seed,
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
