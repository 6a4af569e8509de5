"""How long the window takes to rank micrographs, to go to the next worst one and to leave one out.

    scripts/with_screen.sh .venv/bin/python benchmarks/next_micrograph.py [--micrographs 10000]

A real window with made particles, 30 to a micrograph, with random poses and confidences and images
of noise.  Times are by the clock, drawing included; those of the window's own thread are CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from qtpy.QtWidgets import QApplication
from responsiveness import Bench

import napari_cryoorient as nc
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.io.new_star import new_particle_star
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import write_star
from napari_cryoorient.particles import CtfParameters, Poses
from napari_cryoorient.session.inspection import NOTHING
from napari_cryoorient.simulation.demo_density import demo_density

EACH, N_IMAGES, BOX, PIXEL_SIZE, FIELD_PIXELS = 30, 1000, 32, 8.0, 4000.0
STEPS = 8


def main() -> None:
    """Make a stack, open it, and click."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--micrographs", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        make(work, given.micrographs)
        studio = Bench(work)
        dock, controller = studio.dock, studio.dock.controller
        controller.load(work / "p.star", work / "m.mrc")
        studio.wait_for(lambda: dock.session.inspection is not NOTHING and not dock.jobs.busy)
        studio.rest(3.0)
        start = time.perf_counter()
        tab = dock.tabs.show_tab("Micrographs")
        studio.wait_for(lambda: controller.micrographs.overview is not None)
        ranked_s = time.perf_counter() - start
        studio.rest(3.0)
        found = {"ranked_s": round(ranked_s, 2), "load": os.getloadavg()[0]}
        for name, click in (
            ("next", tab.next_button.click),
            ("exclude", tab.exclude_button.click),
        ):
            taken = []
            for _ in range(STEPS):
                if name == "exclude":
                    tab.next_button.click()
                    studio.rest(0.5)
                taken.append(timed(click))
                studio.rest(0.5)
            wall, own = (np.sort(each) for each in zip(*taken, strict=True))
            found |= {f"{name}_ms": [round(1e3 * each) for each in wall]}
            found |= {f"{name}_median_ms": round(1e3 * float(np.median(wall)))}
            found |= {f"{name}_own_cpu_median_ms": round(1e3 * float(np.median(own)))}
        print(json.dumps(found))
        studio.viewer.close()


def make(folder: Path, n_micrographs: int) -> None:
    """Write ``p.star``, its stack and ``m.mrc``."""
    n, rng = EACH * n_micrographs, np.random.default_rng(0)
    turns = random_rotations(n, torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    one = np.ones(n)
    defocus = rng.uniform(1e4, 2e4, n_micrographs).repeat(EACH)
    ctf = CtfParameters(
        defocus, defocus, 0 * one, 0 * one, 300 * one, 2.7 * one, 0.1 * one, 0 * one, one
    )
    with StackWriter(folder / "s.mrcs", N_IMAGES, BOX, PIXEL_SIZE) as writer:
        writer.append(rng.standard_normal((N_IMAGES, BOX, BOX)).astype(np.float32))
    star = new_particle_star(
        "s.mrcs",
        Poses(turns, rng.normal(0, 3, (n, 2))),
        box=BOX,
        pixel_size_angstrom=PIXEL_SIZE,
        ctf=ctf,
    )
    block = star.blocks[1]
    table = block.table.assign(
        rlnImageName=[f"{i % N_IMAGES + 1:06d}@s.mrcs" for i in range(n)],
        rlnMicrographName=[f"M/{i // EACH:06d}.mrc" for i in range(n)],
        rlnCoordinateX=[f"{x:.1f}" for x in rng.uniform(0, FIELD_PIXELS, n)],
        rlnCoordinateY=[f"{x:.1f}" for x in rng.uniform(0, FIELD_PIXELS, n)],
        rlnParticleFigureOfMerit=[f"{x:.4f}" for x in rng.uniform(0.5, 1, n)],
    )
    write_star(star.with_block(replace(block, table=table)), folder / "p.star")
    nc.write_map(folder / "m.mrc", demo_density(BOX, PIXEL_SIZE))


def timed(click: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds by the clock and of this thread's CPU until a click is drawn."""
    wall, own = time.perf_counter(), time.thread_time()
    click()
    QApplication.processEvents()
    QApplication.processEvents()
    return time.perf_counter() - wall, time.thread_time() - own


if __name__ == "__main__":
    main()
