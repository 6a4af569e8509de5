"""Particles made of a map or of an atomic model, and written: what ``simulate`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from napari_cryoorient.config import SimulateConfig
from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.image_names import stack_name
from napari_cryoorient.io.kept_inputs import note_made
from napari_cryoorient.io.maps import is_model_path, read_map
from napari_cryoorient.io.mrc import is_written_here
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import read_star
from napari_cryoorient.memory import refuse_simulating_beyond
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.simulation import layout
from napari_cryoorient.simulation.datasets import (
    dataset_map,
    dataset_named,
    fetch_model,
    what_was_checked,
)
from napari_cryoorient.simulation.simulate import (
    Microscope,
    Simulation,
    SimulationSettings,
    draw_simulation,
    symmetry_agreement,
    symmetry_doubt,
    working_map,
    write_simulation,
)

N_PARTICLES = 1000


@dataclass(frozen=True)
class StarSimulation:
    """What was written: the STAR file, how many particles, and the map they are of.

    ``symmetry_agreement`` tells how alike the map's projections at equivalent poses are.
    """

    path: Path
    n: int
    box: int
    pixel_size_angstrom: float
    noise_sigma: float
    symmetry: str
    symmetry_agreement: float


def settings_of(config: SimulateConfig) -> SimulationSettings:
    """Return what to simulate; the paper's microscope makes the CTF."""
    return SimulationSettings(
        n=N_PARTICLES if config.n is None else config.n,
        snr=config.snr,
        microscope=Microscope() if config.ctf else None,
        shift_sigma_angstrom=config.shift_sigma_angstrom,
        seed=config.seed,
    )


def simulation_of(density: DensityMap, config: SimulateConfig, device: torch.device) -> Simulation:
    """Draw particles of a map brought to the box and the low-pass that are asked for."""
    return draw_simulation(
        working_map(density, config.box, config.lowpass_angstrom), settings_of(config), device
    )


def simulate_files(
    map_path: Path | None,
    output: Path,
    config: SimulateConfig = SimulateConfig(),
    *,
    dataset: str | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> StarSimulation:
    """Simulate particles of a map, or of one of the paper's data sets, into the folder ``output``.

    A data set's model is fetched from the PDB where no map is named.  Raises InputError for
    settings that leave nothing to see, or contradict the data set's.
    """
    where = choose_device(config.device)
    refuse_other_particles(output)
    refuse_simulating_beyond(config.n or 0, config.box, where)
    symmetry = config.symmetry
    if dataset is not None:
        of_dataset = {
            "--lowpass": config.lowpass_angstrom,
            "--shift-sigma": config.shift_sigma_angstrom,
            "--pixel-size": map_pixel_size_angstrom,
            "--no-ctf": not config.ctf,
            "--symmetry": symmetry != "C1",
        }
        if too_many := [flag for flag, value in of_dataset.items() if value]:
            raise InputError(
                f"--dataset {dataset} sets {too_many[0]} itself: leave one of them out."
            )
        density, settings, symmetry, notes = _of_dataset(dataset, map_path, config, reporter)
    elif map_path is None:
        raise InputError("MAP is missing: name a map or an atomic model, or a --dataset.")
    else:
        density, notes = working_map_of(map_path, config, map_pixel_size_angstrom)
        settings = settings_of(config)
    if config.box is None:
        refuse_simulating_beyond(settings.n, density.box, where)
    agreement = symmetry_agreement(density, symmetry)
    for note in notes:
        reporter.say(f"Note: {note}")
    reporter.say(
        f"{settings.n} particles of {density.box} pixels at "
        f"{density.pixel_size_angstrom:.3f} A on {describe_device(where)}"
    )
    if (doubt := symmetry_doubt(symmetry, agreement)) is not None:
        reporter.say(f"Note: {doubt}")
    simulation = draw_simulation(density, settings, where)
    star = write_simulation(simulation, output, device=where, reporter=reporter)
    return StarSimulation(
        star,
        settings.n,
        density.box,
        density.pixel_size_angstrom,
        simulation.noise_sigma,
        symmetry,
        agreement,
    )


def working_map_of(
    path: Path, config: SimulateConfig, pixel_size_angstrom: float | None
) -> tuple[DensityMap, tuple[str, ...]]:
    """Read the map, or make one of the model, to simulate from, with the notes on its file."""
    box = config.box
    original = read_map(
        path, pixel_size_angstrom=pixel_size_angstrom, box=box if is_model_path(path) else None
    )
    return working_map(original, box, config.lowpass_angstrom), original.notes


def refuse_other_particles(folder: Path) -> None:
    """Raise InputError where the folder has files of these names that ``simulate`` did not write.

    Its own may be made again with other settings: a ``particles.star`` that names
    ``particles.mrcs`` alone, and a stack and a map that say which program they are from.
    """
    stack, density, star = (folder / name for name in layout.FILES)
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
    name: str, path: Path | None, config: SimulateConfig, reporter: Reporter
) -> tuple[DensityMap, SimulationSettings, str, tuple[str, ...]]:
    """Return map, settings and symmetry of a data set, and notes on what the paper leaves open."""
    wanted = dataset_named(name)
    notes = [f"{name}: the paper does not state, so chosen here: {'; '.join(wanted.chosen)}"]
    if path is None:
        entries = " and ".join(entry.name for entry in wanted.entries)
        reporter.step(f"Fetching {entries} from the PDB")
        path = fetch_model(wanted)
        notes.append(what_was_checked(wanted))
        reporter.step("Simulating")
    density = dataset_map(wanted, path, config.box)
    settings = wanted.settings(n=config.n, snr=config.snr, seed=config.seed)
    return density, settings, wanted.symmetry, (*notes, *density.notes)
