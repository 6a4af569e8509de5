"""Global search in RELION and here: the same images, map, resolution, point group and cores.

    python benchmarks/against_relion.py MAP --symmetry C1 --folder DIR [--n 500] [--network]

Simulates ``n`` particles (box 64, SNR 0.1, CTF, shifts of 5 A) and runs by turns: search, one
iteration of relion_refine over all orientations, search again; with --network also a network of
the fast preset, trained on 4000 other particles, and predict --refine.

RELION's settings are those it does best with: references known to be CTF-corrected, images and map
in the same grey scale (no first iteration by correlation), no corrections of what simulated images
do not have, the resolution of our search, offsets to three standard deviations. --relion passes
more flags; --launch mpi takes three ranks (one of them leads) instead of two threads.

Each program is measured as a whole, from its start to its last file: wall time, and the CPU time of
all its processes, which other work on the machine distorts less. --start also measures what a
search of two particles takes, which is nearly all start-up: Python, torch, templates. --one-core
measures the CPU time of the search alone, inputs and templates ready, three times over.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import napari_cryoorient as nc
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import load_inputs

CORES = 2
RELION = (
    *("--iter", 1, "--healpix_order", 3, "--oversampling", 1, "--ctf", "--ctf_corrected_ref"),
    *("--zero_mask", "--dont_check_norm", "--no_norm", "--no_scale", "--random_seed", 1),
    *("--offset_step", 2),
)
LAUNCH = {
    "threads": ("relion_refine", "--j", CORES, "--pool", 8),
    "mpi": (
        *("mpirun", "--allow-run-as-root", "--oversubscribe", "-n", CORES + 1),
        *("relion_refine_mpi", "--j", 1, "--pool", 8),
    ),
}


@dataclass(frozen=True)
class Measured:
    """A command that ended well: seconds of wall and CPU time, and what it printed."""

    wall_s: float
    cpu_s: float
    output: str


def measured(words: list[object], threads: int) -> Measured:
    """Run a command to its end; raises SystemExit with the end of its output if it fails."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **counts},
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{output[-2000:]}")
    return Measured(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, output)


def ours(*words: object) -> tuple[Measured, dict[str, Any]]:
    """Run a command of the program; return the JSON on its last line too."""
    line = [sys.executable, "-m", "napari_cryoorient", *words, "--json"]
    done = measured(line, CORES)
    return done, json.loads(done.output.splitlines()[-1])


def main() -> None:
    """Simulate, run by turns, and print one line of JSON for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", type=Path)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--launch", choices=tuple(LAUNCH), default="threads")
    parser.add_argument("--relion", default="", help="more flags for relion_refine")
    parser.add_argument("--no-relion", action="store_true")
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--one-core", action="store_true")
    parser.add_argument("--minutes", type=float, default=4.0)
    given = parser.parse_args()
    stack = simulated(given, "images", given.n, 1)
    star, density = stack / "particles.star", stack / "map.mrc"
    found = given.folder / "found.star"
    search = ["search", star, "--map", density, "-o", found, "--symmetry", given.symmetry]
    done, result = ours(*search)
    report("search", done, given, found, star, result)
    resolution = float(re.search(r"frequencies up to ([\d.]+) A", done.output)[1])  # type: ignore[index]
    if not given.no_relion:
        run_relion(given, star, density, resolution)
        done, result = ours(*search)
        report("search", done, given, found, star, result)
    if given.one_core:
        on_one_core(given, star, density)
    if given.start:
        few = given.folder / "few.star"
        done, result = ours(*search[:-3], few, *search[-2:], "--subset", 2)
        report("search of two particles", done, given, few, star, result)
    if given.network:
        run_network(given, star, density)


def simulated(given: argparse.Namespace, name: str, n: int, seed: int) -> Path:
    """Simulate a stack in a folder of its own, if it is not there."""
    folder: Path = given.folder / name
    if not (folder / "particles.star").exists():
        ours(
            *("simulate", given.map, "-o", folder, "--n", n, "--box", 64, "--snr", 0.1),
            *("--shift-sigma", 5, "--seed", seed, "--symmetry", given.symmetry),
        )
    return folder


def run_relion(
    given: argparse.Namespace, star: Path, density: Path, resolution_angstrom: float
) -> None:
    """One iteration over all orientations, within the resolution that the search used."""
    read = nc.read_map(density)
    field = read.box * read.pixel_size_angstrom
    folder = given.folder / f"relion-{given.launch}"
    folder.mkdir(exist_ok=True)
    # RELION looks for stacks from where it is started.
    local = star.parent / "particles.mrcs"
    text = star.read_text().replace("@particles.mrcs", f"@{local.resolve()}")
    (folder / "particles.star").write_text(text)
    done = measured(
        [
            *(*LAUNCH[given.launch], "--i", folder / "particles.star", "--ref", density),
            *("--o", folder / "run", "--sym", given.symmetry, *RELION),
            *("--offset_range", round(15 / read.pixel_size_angstrom)),
            *("--particle_diameter", round(0.9 * field), "--ini_high", resolution_angstrom),
            *given.relion.split(),
        ],
        1,
    )
    report("RELION", done, given, folder / "run_it001_data.star", star, {})


def on_one_core(given: argparse.Namespace, star: Path, density: Path) -> None:
    """Print how many images a second of CPU searches, in this process, on one thread."""
    torch.set_num_threads(1)
    inputs = load_inputs(star, density)
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
    search = GlobalSearch(likelihood, symmetry_matrices(given.symmetry))
    rows = np.arange(len(inputs.particles), dtype=np.int64)
    speeds = []
    for _ in range(3):
        began = time.process_time()
        for _ in search.search(rows):
            pass
        speeds.append(round(len(rows) / (time.process_time() - began)))
    print(json.dumps({"search_images_per_cpu_s": speeds}), flush=True)


def run_network(given: argparse.Namespace, star: Path, density: Path) -> None:
    """Train on other particles, then predict and refine these."""
    learn, run = simulated(given, "learn", 4000, 2), given.folder / "run"
    if not (run / "checkpoint.pt").exists():
        done, _ = ours(
            *("train", learn / "particles.star", "--map", density, "-o", run),
            *("--symmetry", given.symmetry, "--minutes", given.minutes),
        )
        steps = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"]
        print(json.dumps({"training_wall_s": done.wall_s, "cpu_s": done.cpu_s, "steps": steps}))
    predicted = given.folder / "predicted.star"
    done, result = ours("predict", star, "--run", run, "-o", predicted, "--refine")
    report("network and refinement", done, given, predicted, star, result)


def report(
    name: str,
    done: Measured,
    given: argparse.Namespace,
    poses: Path,
    true: Path,
    result: dict[str, Any],
) -> None:
    """Print speed and errors of one run."""
    _, errors = ours("evaluate", poses, true, "--symmetry", given.symmetry)
    n = errors["n"]
    line = {
        "what": name,
        "map": given.map.name,
        "n": n,
        "whole_wall_s": round(done.wall_s, 2),
        "whole_cpu_s": round(done.cpu_s, 2),
        "images_per_s": round(n / done.wall_s, 2),
        "images_per_cpu_s": round(n / done.cpu_s, 2),
        "images_per_s_of_the_work": round(result["images_per_second"], 1) if result else None,
        "median_deg": round(errors["median_deg"], 3),
        "under_5": errors["fraction_under_5_deg"],
        "over_10": round(1 - errors["fraction_under_10_deg"], 4),
        "shift_rms_angstrom": round(errors["shift_rms_angstrom"], 3),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
