"""Two versions of the search by turns on one stack: who finds more, and in what CPU time.

Each turn is a process of its own with one thread; the stack's poses are taken for the truth.  The
other version is a checkout of the repository, its ``src`` folder named by ``--other``.

    git worktree add ../before f68944a
    python benchmarks/search_by_turns.py --other ../before/src --star S.star --map M.mrc --rounds 2
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

N_TO_WARM_UP = 64
HERE = Path(__file__).resolve().parents[1] / "src"


def main() -> None:
    """Take turns, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--star", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--is-child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.is_child:
        print(json.dumps(searched(given)))
        return
    versions = {"here": HERE} | ({"other": given.other} if given.other else {})
    spent: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(given.rounds):
        for name, source in versions.items():
            told = turn(source)
            spent[name].append(told["ms_an_image"])
            print(
                f"{name:<6} median {told['median_deg']:.2f} deg, under 10 {told['under_10']:.1%}, "
                f"calibration error {told['calibration_error']:.3f}, right among those over 0.9 "
                f"{told['right_when_sure']:.3f} ({told['sure']:.0%}), {told['ms_an_image']:.2f} ms "
                f"an image, {told['setup_s']:.1f} s to begin",
                flush=True,
            )
    if given.other:
        ratios = np.array(spent["other"]) / np.array(spent["here"])
        print(f"here is {np.median(ratios):.2f} times as fast as the other")


def turn(source: Path) -> dict[str, Any]:
    """Run one version in a process of its own."""
    environment = os.environ | {
        "PYTHONPATH": str(source.resolve()),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    command = [sys.executable, __file__, *sys.argv[1:], "--is-child"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def searched(given: argparse.Namespace) -> dict[str, Any]:
    """Search with the version that is imported; return figures, and those of each image."""
    import torch

    from napari_cryoorient.evaluation import pose_errors
    from napari_cryoorient.geometry.symmetry import symmetry_matrices

    try:
        from napari_cryoorient.alignment.likelihood import ParticleLikelihood
        from napari_cryoorient.alignment.search.found import FoundPoses
        from napari_cryoorient.alignment.search.global_search import GlobalSearch
        from napari_cryoorient.stack.pairing import load_inputs
    except ModuleNotFoundError:  # where 0.1.0 had them
        from napari_cryoorient.likelihood import ParticleLikelihood
        from napari_cryoorient.run.inputs import load_inputs
        from napari_cryoorient.search.global_search import FoundPoses, GlobalSearch

    torch.set_num_threads(1)
    inputs = load_inputs(given.star, given.map)
    true = inputs.particles.poses
    assert true is not None, "the STAR file needs the true poses"
    rows = np.arange(min(given.n, len(inputs.particles)))
    group = symmetry_matrices(given.symmetry)
    began = time.process_time()
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
    search = GlobalSearch(likelihood, group)
    # What is made ready on the way is no part of the time.
    list(search.search(rows[:N_TO_WARM_UP]))
    ready = time.process_time()
    found = FoundPoses.joined(list(search.search(rows)))
    ended = time.process_time()
    angles = pose_errors(found.poses, true[rows], group).angles_deg
    sure = found.confidence > 0.9
    return {
        "median_deg": float(np.median(angles)),
        "under_10": float((angles < 10).mean()),
        "calibration_error": calibration_error(found.confidence, angles < 10),
        "right_when_sure": float((angles < 10)[sure].mean()) if sure.any() else float("nan"),
        "sure": float(sure.mean()),
        "ms_an_image": 1e3 * (ended - ready) / len(rows),
        "setup_s": ready - began,
        "angles": angles.tolist(),
        "confidence": np.asarray(found.confidence).tolist(),
    }


def calibration_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """Return the expected calibration error over ten bins."""
    bins = np.minimum((10 * confidence).astype(int), 9)
    gaps = [
        abs(confidence[bins == b].mean() - is_right[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


if __name__ == "__main__":
    main()
