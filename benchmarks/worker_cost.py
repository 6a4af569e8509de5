"""What a range costs in a worker beside the same range in this process, by turns: CPU seconds.

How much work a CPU second is worth changes with what else a machine does; turns of a second each
see the same of it, which whole commands one after the other do not.

    python benchmarks/worker_cost.py [--pairs 16] [--rows 256]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # as workers have it
import numpy as np
import psutil

import napari_cryoorient as nc
from napari_cryoorient.cli import main
from napari_cryoorient.cluster.select_images import arrays_of
from napari_cryoorient.cluster.shard import Shard, digest_of_file
from napari_cryoorient.cluster.workers import executor_of
from napari_cryoorient.config import SpreadConfig
from napari_cryoorient.particles import ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.pairing import load_inputs
from napari_cryoorient.tasks.pose_jobs import SearchSetup


def shards(particles: ParticleSet, folder: Path, n: int, size: int) -> Iterator[Shard]:
    """Yield ranges of ``size`` rows, over and over, each to a file of its own."""
    setup = folder / "parts" / "search" / "setup.npz"
    made = folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    for k in range(n):
        rows = np.arange(k * size, (k + 1) * size) % len(particles)
        there = made / f"{k}.npz", rows, arrays_of(particles, rows), None
        yield Shard(*there, setup, SearchSetup, digest_of_file(setup), "cpu")


def compare(folder: Path, n_pairs: int, size: int) -> None:
    """Search ranges here and in a worker by turns; print the medians."""
    nc.write_map(folder / "made.mrc", demo_density(64, 4.0))
    flags = ["--n", "512", "--snr", "0.1", "--shift-sigma", "4"]
    main(["simulate", str(folder / "made.mrc"), "-o", str(folder), *flags])
    files = [folder / "particles.star", "--map", folder / "map.mrc", "-o", folder / "out.star"]
    main(["search", *map(str, files), "--parts", str(folder / "parts")])
    particles = load_inputs(folder / "particles.star", folder / "map.mrc").particles
    here, there, command, seconds = [], [], [], []
    with executor_of(SpreadConfig(workers=1), print) as executor:
        processes = psutil.Process().children(recursive=True)

        def spent() -> float:
            return sum(sum(process.cpu_times()[:2]) for process in processes)

        for _ in range(n_pairs + 1):
            (shard,) = shards(particles, folder, 1, size)
            began = time.process_time()
            shard.do()
            here.append(time.process_time() - began)
            before, began, clock = spent(), time.process_time(), time.monotonic()
            list(executor.work(shards(particles, folder, 1, size), lambda: False))
            command.append(time.process_time() - began)
            there.append(spent() - before)
            seconds.append(time.monotonic() - clock)
    one, worker, beside, clock = (
        statistics.median(each[1:]) for each in (here, there, command, seconds)
    )
    print(f"{n_pairs} ranges of {size} particles of 64 pixels, CPU ms a particle (medians)")
    print(f"one process {1e3 * one / size:.2f}, worker {1e3 * worker / size:.2f}, ", end="")
    print(f"the command beside it {1e3 * beside / size:.3f}: {(worker + beside) / one:.3f} of one")
    print(f"a range took {clock:.2f} s by the clock, in which the command used {beside:.3f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--rows", type=int, default=256)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), given.pairs, given.rows)
