"""What checks cost beside the work they belong to, in CPU seconds of one thread.

    OMP_NUM_THREADS=1 python benchmarks/check_times.py [--n 6000] [--box 64]

For a search of so many particles whose sentences somebody hears: its own check against nulls, made
three times, and the rest.  For two thirds of them: the curve of ten thresholds on the confidence,
and one reconstruction with half-maps, by turns.  Prints a line of JSON for each.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

import napari_cryoorient as nc
from napari_cryoorient.alignment.nulls import report
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.tasks import search


def main() -> None:
    """Search at two SNRs, then reconstruct twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=6000)
    parser.add_argument("--box", type=int, default=64)
    given = parser.parse_args()
    density = demo_density(given.box, 256 / given.box)
    for snr in (0.1, 0.03):
        made = nc.simulate(
            density, given.n, snr=snr, shift_sigma_angstrom=5.0, device="cpu", seed=1
        )
        print(json.dumps({"snr": snr} | searched(made, density)), flush=True)
    few = made[: given.n * 2 // 3]
    confidence = np.random.default_rng(0).uniform(0, 1, len(few))
    for _ in range(2):
        curve = cpu_seconds(lambda: nc.filter_curve(few, confidence=confidence, device="cpu"))
        one = cpu_seconds(lambda: nc.reconstruct(few, half_maps=True, device="cpu"))
        line = {"n": len(few), "curve_s": round(curve, 2), "reconstruct_s": round(one, 2)}
        print(json.dumps(line | {"ratio": round(curve / one, 2)}), flush=True)


def searched(made: nc.ParticleSet, density: nc.DensityMap) -> dict[str, Any]:
    """Search particles, and return the time of the check against nulls and of the rest."""
    checks: list[Callable[[], str | None]] = []

    def keep(*inputs: Any, **settings: Any) -> None:
        checks.append(lambda: report.doubt_by_nulls(*inputs, **settings))

    heard: list[str] = []
    nc.search(made[:100], density, device="cpu")  # what is done once in a process
    with patch.object(search, "doubt_by_nulls", keep):
        rest = cpu_seconds(lambda: nc.search(made, density, device="cpu", say=heard.append))
    spent = sorted(cpu_seconds(check) for check in checks * 3)
    return {
        "check_s": [round(each, 2) for each in spent],
        "rest_s": round(rest, 1),
        "share": [round(each / rest, 3) for each in spent],
    }


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return what a piece of work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
