"""``simulate``: particles with known poses from a map or an atomic model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import SIMULATED_FILES, Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

if TYPE_CHECKING:
    from napari_cryoorient.particles import DensityMap
    from napari_cryoorient.simulation.simulate import SimulationSettings

SUMMARY = "Simulate particles with known poses from a map or an atomic model."


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
        Writes(inside=SIMULATED_FILES),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A simulated data set of Lian et al. (2022): 10061-simu (D2), 10028-simu (C1) or "
            "10025-simu (D7), with its number of images, box, low-pass, CTF and shifts.",
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "--n",
            min=1,
            help="How many particles. [default: 1000, or the data set's]",
            show_default=False,
        ),
    ] = None,
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
    shift_sigma: options.ShiftSigma = 0.0,
    lowpass: options.Lowpass = None,
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
    from napari_cryoorient.memory import refuse_simulating_beyond
    from napari_cryoorient.simulation.simulate import (
        Microscope,
        SimulationSettings,
        draw_simulation,
        symmetry_agreement,
        symmetry_doubt,
        working_map,
        write_simulation,
    )

    where = choose_device(device)
    refuse_other_particles(output)
    refuse_simulating_beyond(n or 0, box, where)
    notes: list[str] = []
    if dataset is not None:
        settled = {"--lowpass": lowpass, "--shift-sigma": shift_sigma, "--pixel-size": pixel_size}
        settled |= {"--no-ctf": not ctf, "--symmetry": symmetry != "C1"}
        if too_many := [flag for flag, value in settled.items() if value]:
            raise InputError(f"--dataset {dataset} settles {too_many[0]}: leave one of them out.")
        density, settings, symmetry = _of_dataset(
            dataset, map_path, n, box, noise_ratio, seed, notes
        )
    elif map_path is None:
        raise InputError("MAP is missing: name a map or an atomic model, or a --dataset.")
    else:
        original = read_map(
            map_path,
            pixel_size_angstrom=pixel_size,
            box=box if is_model_path(map_path) else None,
        )
        notes += original.notes
        density = working_map(original, box, lowpass)
        settings = SimulationSettings(
            n=1000 if n is None else n,
            snr=noise_ratio,
            microscope=Microscope() if ctf else None,
            shift_sigma_angstrom=shift_sigma,
            seed=seed,
        )
    if box is None:
        refuse_simulating_beyond(settings.n, density.box, where)
    agreement = symmetry_agreement(density, symmetry)
    with progress("Simulating") as advance:
        for note in notes:
            advance.say(f"Note: {note}")
        advance.say(
            f"{settings.n} particles of {density.box} pixels at "
            f"{density.pixel_size_angstrom:.3f} A on {describe_device(where)}"
        )
        if (doubt := symmetry_doubt(symmetry, agreement)) is not None:
            advance.say(f"Note: {doubt}")
        simulation = draw_simulation(density, settings, where)
        star = write_simulation(simulation, output, device=where, advance=advance)
    print(f"{settings.n} particles: {star}")
    if json:
        print_json(
            {
                "particles": settings.n,
                "dataset": dataset,
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


def refuse_other_particles(folder: Path) -> None:
    """Raise InputError where the folder has files of these names that ``simulate`` did not write.

    Its own may be made again with other settings: a ``particles.star`` that names
    ``particles.mrcs`` alone, and a stack and a map that say which program they are from.
    """
    from napari_cryoorient.io.image_names import stack_name
    from napari_cryoorient.io.kept_inputs import note_made
    from napari_cryoorient.io.mrc import is_written_here
    from napari_cryoorient.io.particle_table import ParticleTable
    from napari_cryoorient.io.star import read_star

    stack, density, star = (folder / name for name in SIMULATED_FILES)
    there = [path for path in (star, stack, density) if path.is_file()]
    if not there:
        return
    foreign = [path for path in there if path != star and not is_written_here(path)]
    try:
        names = {stack_name(name) for name in ParticleTable(read_star(star)).image_names()}
    except InputError:
        names = set()
    if names != {stack.name}:
        foreign = there
    if foreign:
        raise InputError(
            "A file that is not of a simulation would be overwritten: name another folder with -o "
            f"than that of {foreign[0]}."
        )
    note_made(star)


def _of_dataset(
    name: str,
    path: Path | None,
    n: int | None,
    box: int | None,
    snr: float | None,
    seed: int,
    notes: list[str],
) -> tuple[DensityMap, SimulationSettings, str]:
    """Return map, settings, symmetry of a data set; ``notes`` gets what the paper leaves open."""
    from napari_cryoorient.simulation.datasets import (
        dataset_map,
        dataset_named,
        fetch_model,
        what_was_checked,
    )

    wanted = dataset_named(name)
    notes.append(f"{name}: the paper does not state, so chosen here: {'; '.join(wanted.chosen)}")
    if path is None:
        entries = " and ".join(entry.name for entry in wanted.entries)
        with progress(f"Fetching {entries} from the PDB"):
            path = fetch_model(wanted)
        notes.append(what_was_checked(wanted))
    density = dataset_map(wanted, path, box)
    notes += density.notes
    return density, wanted.settings(n=n, snr=snr, seed=seed), wanted.symmetry


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
