"""What spreading costs: one process, and 1, 2 and 4 workers, by turns on the same rows.

Workers have a thread each, and so has the one process that they are compared with.

Two sizes of stack tell what starting costs from what each particle does: CPU seconds are those of
the command and all its processes, so that a machine that does other things too tells them alike.

    python benchmarks/cluster.py                            # a search; some minutes
    python benchmarks/cluster.py --command reconstruct      # half-maps
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import napari_cryoorient as nc
from napari_cryoorient.cli import main
from napari_cryoorient.io.star import read_star, write_star
from napari_cryoorient.simulation.demo_density import demo_density

WAYS: dict[str, list[str]] = {
    "one process": [],
    "one process, 2 threads": [],
    "1 worker": ["--workers", "1"],
    "2 workers": ["--workers", "2"],
    "4 workers": ["--workers", "4"],
}


def arguments(command: str, folder: Path, size: int) -> list[object]:
    """Return the words of a command on the first so many particles, or so many at random."""
    if command == "search":
        files = [folder / "particles.star", "--map", folder / "map.mrc"]
        return ["search", *files, "--subset", size, "-o", folder / "out.star"]
    return ["reconstruct", folder / f"{size}.star", "--half-maps", "-o", folder / "out.mrc"]


def spent(words: list[object], way: str) -> tuple[float, float, bytes]:
    """Carry a command out; return the seconds, the CPU seconds and what it wrote."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    program = [sys.executable, "-m", "napari_cryoorient"]
    subprocess.run(
        [*program, *map(str, words), *WAYS[way]],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "2" if way.endswith("2 threads") else "1"},
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, Path(str(words[-1])).read_bytes()


def measure(command: str, sizes: tuple[int, int], box: int, n_turns: int, ways: list[str]) -> None:
    """Print a table; the first of ``ways`` is what the others are compared with."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nc.write_map(folder / "made.mrc", demo_density(box, 256 / box))
        flags = ["--n", str(sizes[1]), "--snr", "0.1", "--shift-sigma", "4"]
        main(["simulate", str(folder / "made.mrc"), "-o", str(folder), *flags])
        star = read_star(folder / "particles.star")
        block = star.block("particles")
        for size in sizes:
            rows = block.table.iloc[:size]
            write_star(star.with_block(replace(block, table=rows)), folder / f"{size}.star")
        found: dict[tuple[str, int], list[tuple[float, float, bytes]]] = {}
        for _ in range(n_turns):
            for size in sizes:
                for way in ways:
                    done = spent(arguments(command, folder, size), way)
                    found.setdefault((way, size), []).append(done)
                    said = f"{way}, {size}: {done[0]:.1f} s, {done[1]:.1f} CPU s"
                    print(said, file=sys.stderr, flush=True)
    print(
        f"{command}, box {box}, {sizes[0]} and {sizes[1]} particles, {os.cpu_count()} cores, "
        f"{n_turns} turns"
    )
    print(
        f"| way | seconds | CPU seconds | CPU ms a particle | of {ways[0]} | to start, "
        "CPU s | same file |"
    )
    print("|---|---|---|---|---|---|---|")
    # The sums of a map are added up in another order without ranges: the last way is the measure.
    last = ways[-1]
    known = {size: found[last, size][0][2] for size in sizes}
    slopes: list[float] = []
    for way in ways:
        small, large = (statistics.median(cpu for _, cpu, _ in found[way, size]) for size in sizes)
        seconds = statistics.median(each[0] for each in found[way, sizes[1]])
        each = (large - small) / (sizes[1] - sizes[0])
        slopes.append(each)
        same = all(made[2] == known[size] for size in sizes for made in found[way, size])
        print(
            f"| {way} | {seconds:.1f} | {large:.1f} | {1e3 * each:.2f} | "
            f"{each / slopes[0]:.2f} | {small - sizes[0] * each:.1f} | "
            f"{'yes' if same else 'no'} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", choices=("search", "reconstruct"), default="search")
    parser.add_argument("--sizes", type=int, nargs=2, default=(256, 2304))
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    given = parser.parse_args()
    measure(given.command, tuple(given.sizes), given.box, given.turns, given.ways)
