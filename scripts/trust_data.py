"""Make the data of "Is my refinement right?": a stack on micrographs, refined twice, not all well.

    .venv/bin/python scripts/trust_data.py FOLDER

writes into FOLDER what RELION would leave behind (``job020/run_data.star``, and
``job035/run_data.star`` with a frame of its own), the map, half-maps and pictures of the
micrographs.  It takes about a minute on two cores.  Wrong on purpose: images without a particle all
over, two micrographs of nothing but ice, and, in job020 alone, starts at random that a local
refinement could not leave.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from napari_cryoorient import Poses
from napari_cryoorient.cli import main as run_command
from napari_cryoorient.geometry.rotations import random_rotations, rotation_vector_to_matrix
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles, read_star, write_poses
from napari_cryoorient.io.star_text import StarBlock, StarFile, write_star
from napari_cryoorient.particles import Images
from napari_cryoorient.session.sample import PIXEL_SIZE_ANGSTROM, make_sample

N_MICROGRAPHS, PER_MICROGRAPH = 40, 36
ICE = (11, 29)  # micrographs, from 0, that show no particle
JUNK, TRAPPED, START_DEG = (
    0.10,
    0.08,
    4.0,
)  # parts of the particles; how far off a refinement begins
FIELD = 720  # pixels of a micrograph's side
SEED = 7


@dataclass(frozen=True)
class Story:
    """The files that were made."""

    folder: Path
    a: Path
    b: Path
    map: Path
    half_maps: tuple[Path, Path]


def make(folder: Path) -> Story:
    """Make all files; what is there already is made anew."""
    n = N_MICROGRAPHS * PER_MICROGRAPH
    rng = np.random.default_rng(SEED)
    raw = folder / "raw"
    star, map_path = make_sample("C1", raw, n=n)
    particles, _ = read_particles(star)
    images = particles.images.read(np.arange(n))
    micrograph = np.repeat(np.arange(N_MICROGRAPHS), PER_MICROGRAPH)
    is_junk = (rng.random(n) < JUNK) | np.isin(micrograph, ICE)
    images[is_junk] = rng.normal(0, images.std(), images[is_junk].shape)
    stack = folder / "Extract" / "particles.mrcs"
    stack.parent.mkdir(parents=True, exist_ok=True)
    with StackWriter(stack, n, images.shape[-1], particles.pixel_size_angstrom) as writer:
        writer.append(images.astype(np.float32))
    shutil.copyfile(map_path, folder / "reference.mrc")
    places = np.stack([_places(rng) for _ in range(N_MICROGRAPHS)]).reshape(-1, 2)
    table = _with_micrographs(star, folder / "particles.star", micrograph, places)
    _draw_micrographs(folder / "Micrographs", images, micrograph, places, rng, table)
    starts = _starts(particles.poses, np.isin(micrograph, ICE), rng)
    write_poses(read_star(folder / "particles.star"), starts, folder / "starts.star")
    a, b = (folder / job / "run_data.star" for job in ("job020", "job035"))
    for path in (a, b):
        path.parent.mkdir(exist_ok=True)
    reference = ["--map", str(folder / "reference.mrc"), "--project-dir", str(folder)]
    _run("refine", folder / "starts.star", "-o", a, *reference)
    found = folder / "found.star"
    _run("search", folder / "particles.star", "-o", found, *reference)
    turn = random_rotations(1, torch.Generator().manual_seed(SEED), dtype=torch.float64)[0].numpy()
    here, source = read_particles(found, project_dir=folder)
    assert here.poses is not None
    write_poses(source, Poses(here.poses.rotations @ turn, here.poses.shifts_angstrom), b)
    _run("reconstruct", a, "-o", folder / "map.mrc", "--half-maps", "--project-dir", folder)
    halves = tuple(sorted(folder.glob("map_half*.mrc")))
    return Story(folder, a, b, folder / "reference.mrc", (halves[0], halves[1]))


def _run(*arguments: object) -> None:
    if run_command([str(each) for each in arguments]) != 0:
        raise SystemExit(f"{arguments[0]} did not work")


def _places(rng: np.random.Generator) -> np.ndarray:
    """Return places (x, y) on a grid, each moved a little."""
    side = int(np.sqrt(PER_MICROGRAPH))
    grid = (np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) + 0.5) / side
    return grid * (FIELD - 40) + 20 + rng.normal(0, 8, grid.shape)


def _starts(poses: Poses | None, is_ice: np.ndarray, rng: np.random.Generator) -> Poses:
    """Return poses a few degrees off, some anywhere; on ice all at nearly one in-plane angle."""
    assert poses is not None
    n = len(poses)
    vectors = rng.normal(0, np.radians(START_DEG) / np.sqrt(3), (n, 3))
    rotations = rotation_vector_to_matrix(torch.from_numpy(vectors)).numpy() @ poses.rotations
    is_trapped = rng.random(n) < TRAPPED
    anywhere = random_rotations(n, torch.Generator().manual_seed(SEED + 1), dtype=torch.float64)
    rotations[is_trapped] = anywhere.numpy()[is_trapped]
    rotations[is_ice] = rotation_vector_to_matrix(torch.from_numpy(4 * vectors[is_ice])).numpy()
    return Poses(rotations, poses.shifts_angstrom)


def _with_micrographs(
    star: Path, path: Path, micrograph: np.ndarray, places: np.ndarray
) -> list[str]:
    """Write the stack's STAR file with micrographs and coordinates; return the micrographs."""
    source = read_star(star)
    block = particle_block(source)
    table = block.table.copy()
    names = [f"Micrographs/{i + 1:04d}.mrc" for i in range(N_MICROGRAPHS)]
    table["rlnMicrographName"] = [names[i] for i in micrograph]
    table["rlnImageName"] = [f"{i + 1:06d}@Extract/particles.mrcs" for i in range(len(table))]
    for i, axis in enumerate("XY"):
        table[f"rlnCoordinate{axis}"] = [f"{value:.1f}" for value in places[:, i]]
    blocks = tuple(
        StarBlock(each.name, table, each.is_loop, each.line) if each.name == block.name else each
        for each in source.blocks
    )
    write_star(StarFile(blocks), path)
    return names


def _draw_micrographs(
    folder: Path,
    images: Images,
    micrograph: np.ndarray,
    places: np.ndarray,
    rng: np.random.Generator,
    names: list[str],
) -> None:
    """Put the particles' images where they were cut out; every fourth file has gone missing."""
    folder.mkdir(exist_ok=True)
    box = images.shape[-1]
    for i, name in enumerate(names):
        if i % 4 == 2:
            continue
        field = rng.normal(0, images.std(), (FIELD, FIELD)).astype(np.float32)
        for image, (x, y) in zip(images[micrograph == i], places[micrograph == i], strict=True):
            left, top = (
                int(np.clip(x - box / 2, 0, FIELD - box)),
                int(np.clip(y - box / 2, 0, FIELD - box)),
            )
            field[top : top + box, left : left + box] = image
        with StackWriter(folder / Path(name).name, 1, FIELD, PIXEL_SIZE_ANGSTROM) as writer:
            writer.append(field[None])


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
