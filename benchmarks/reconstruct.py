"""``reconstruct`` against the map and against relion_reconstruct: agreement, and time by turns.

Whole processes are timed, start-up included: ours with two threads, RELION's as one process and as
two under MPI, one after the other, a few rounds.  Times are wall and CPU time, and only ratios of
one run mean anything on a machine that does other work.

    python benchmarks/reconstruct.py MAP --symmetry D7 --n 10000 --box 64 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import napari_cryoorient as nc
from napari_cryoorient.maps.fsc import fourier_shell_correlation
from napari_cryoorient.maps.solve import within_sphere
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    working_map,
    write_simulation,
)


def main() -> None:
    """Simulate, reconstruct by turns, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map", type=Path)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--n", type=int, default=10000)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--snr", type=float)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-ctf", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    density = working_map(nc.read_map(given.map), given.box)
    print(f"{given.map.name}, {given.symmetry}, {given.n} images of {given.box} px", flush=True)
    for with_ctf in (True,) if given.only_ctf else (True, False):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            settings = SimulationSettings(
                n=given.n,
                snr=given.snr,
                microscope=Microscope() if with_ctf else None,
                shift_sigma_angstrom=5.0,
                seed=3,
            )
            write_simulation(draw_simulation(density, settings), folder)
            compare(
                folder, given.symmetry, with_ctf, given.rounds if with_ctf else 1, given.threads
            )


def compare(folder: Path, symmetry: str, with_ctf: bool, rounds: int, threads: int) -> None:
    """Run every program by turns and print times and agreement."""
    star = ["--i", "particles.star", "--sym", symmetry, *(["--ctf"] if with_ctf else [])]
    ours = [sys.executable, "-m", "napari_cryoorient", "reconstruct", "particles.star"]
    ours += ["--symmetry", symmetry, "--device", "cpu", "-o", "ours.mrc"]
    commands = {"ours": ours}
    if shutil.which("relion_reconstruct"):
        commands["relion"] = ["relion_reconstruct", *star, "--o", "relion.mrc"]
    if shutil.which("mpirun") and shutil.which("relion_reconstruct_mpi"):
        mpi = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(threads)]
        commands["relion, MPI"] = [*mpi, "relion_reconstruct_mpi", *star, "--o", "mpi.mrc"]
    wall: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    peak_gb: float | None = None
    for _ in range(rounds):
        for name, command in commands.items():
            seconds, cpu_seconds = timed(command, folder, threads)
            if peak_gb is None:  # of the children so far: of ours
                peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            wall[name].append(seconds)
            cpu[name].append(cpu_seconds)
    print(f"  {'with' if with_ctf else 'without'} CTF, median of {rounds}:")
    first = statistics.median(wall["ours"]), statistics.median(cpu["ours"])
    for name in commands:
        both = statistics.median(wall[name]), statistics.median(cpu[name])
        ratios = ", ".join(f"{b / f:.2f}" for b, f in zip(both, first, strict=True))
        print(f"    {name:<12} wall {both[0]:6.1f} s, CPU {both[1]:6.1f} s (times ours: {ratios})")
    print(f"    peak memory of ours {peak_gb:.2f} GB")
    density = nc.read_map(folder / "map.mrc")
    maps = {"the map": density.voxels}
    if (folder / "relion.mrc").exists():
        # RELION leaves the corners of the box, which not every image sees.
        relion = torch.tensor(nc.read_map(folder / "relion.mrc").voxels)
        maps["relion"] = within_sphere(relion).numpy()
    found = nc.read_map(folder / "ours.mrc").voxels
    shells = slice(1, int(0.8 * density.box / 2) + 1)
    for name, other in maps.items():
        curve = fourier_shell_correlation(found, other, density.pixel_size_angstrom)
        print(f"    FSC with {name}: at least {curve.values[shells].min():.4f} to 0.8 Nyquist")
    for name, other in list(maps.items())[1:]:
        curve = fourier_shell_correlation(other, density.voxels, density.pixel_size_angstrom)
        print(f"    FSC of {name} with the map: at least {np.min(curve.values[shells]):.4f}")
    sys.stdout.flush()


def timed(command: list[str], folder: Path, threads: int) -> tuple[float, float]:
    """Run a program; return its wall and CPU seconds."""
    limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=os.environ | limits, check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent


if __name__ == "__main__":
    main()
