"""How true the share of wrong poses is that ``filter-curve`` predicts: stacks with 20% junk.

    python benchmarks/filter_share.py --cache DIR [--n 250] [--seed S] [--refine] [CONDITION ...]

Stacks are those of ``benchmarks/reality.py``, of another seed if one is named.  Each is searched,
and refined if asked; a pose is wrong that lies more than ten degrees off, or is of an image without
the particle.  One line of JSON a stack: at each threshold how many particles are kept, the share of
wrong ones predicted, the true one, and the largest difference of the two; a last line for all
together.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from realistic.conditions import CONDITIONS
from realistic.stacks import PARTICLE, stack_of
from realistic.world import Sources

import napari_cryoorient as nc
from napari_cryoorient.diagnosis.filter_curve import KEPT_PARTS
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg, symmetry_matrices

NAMES = ("junk 0.1", "junk 0.03", "all 0.1", "proteasome all 0.1", "galactosidase all 0.1")
RIGHT_DEG = 10.0


def main() -> None:
    """Search, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="CONDITION", default=NAMES)
    parser.add_argument("--data", type=Path, default=os.environ.get("CRYOORIENT_DATA"))
    parser.add_argument("--assets", type=Path, default=os.environ.get("CRYOORIENT_ASSETS"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--n", type=int, default=250)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--refine", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = Sources(Path(options.data), options.assets and Path(options.assets))
    every = []
    for name in options.names:
        condition = replace(CONDITIONS[name], n=options.n)
        if options.seed is not None:
            condition = replace(condition, seed=options.seed)
        stack = stack_of(condition, sources, options.cache)
        began = time.process_time()
        found = nc.search(stack.star, stack.reference, symmetry=stack.symmetry, device="cpu")
        if options.refine:
            found = nc.refine(found, stack.reference, symmetry=stack.symmetry, device="cpu")
        errors = symmetric_distance_deg(
            torch.from_numpy(found.rotations),
            torch.from_numpy(stack.rotations),
            symmetry_matrices(stack.symmetry),
        ).numpy()
        is_wrong = (stack.kinds != PARTICLE) | (errors > RIGHT_DEG)
        every.append((found.confidence, is_wrong))
        tell(name, *every[-1], time.process_time() - began)
    together = [np.concatenate(each) for each in zip(*every, strict=True)]
    tell("all together", together[0], together[1], 0.0)


def tell(name: str, confidence: np.ndarray, is_wrong: np.ndarray, seconds: float) -> None:
    """Print what each threshold keeps, the share of wrong ones predicted, and the true one."""
    rows = []
    for part in KEPT_PARTS:
        kept = confidence >= float(np.quantile(confidence, 1 - part, method="lower"))
        predicted, true = float(1 - confidence[kept].mean()), float(is_wrong[kept].mean())
        rows.append([int(kept.sum()), round(predicted, 4), round(true, 4)])
    largest = max(abs(predicted - true) for _, predicted, true in rows)
    line = {
        "condition": name,
        "largest_difference": round(largest, 4),
        "kept_predicted_true": rows,
        "cpu_seconds": round(seconds, 1),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
