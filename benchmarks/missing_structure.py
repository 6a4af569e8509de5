"""What part of the particles a map does not explain, of maps that are whole and of one cut off.

    python benchmarks/missing_structure.py --cache CACHE [--only NAME ...] [--n 250]

Stacks are those of ``benchmarks/reality.py``, which says what --data, --assets and --cache are, and
are made where the cache has none.  Each is searched; a line of JSON says the part, its standard
error, whether ``search`` would say so and how many particles were sure.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from realistic.conditions import CONDITIONS, Condition
from realistic.stacks import stack_of
from realistic.world import Sources

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import load_inputs
from napari_cryoorient.tasks.missing_structure import SURE, missing_part

NAMES = (
    "coloured 0.1",
    "reference lowpass30",
    "reference lowpass40",
    "reference constant",
    "reference negative",
    "reference soft-mask",
    "reference hard-mask",
    "reference noise-around",
    "reference magnified4",
    "coloured 0.03",
    "proteasome white 0.1",
    "galactosidase white 0.1",
    "all 0.1",
    "reference third-cut",
)
CUT = CONDITIONS["reference third-cut"]
ROWS = {name: CONDITIONS[name] for name in NAMES} | {
    "reference third-cut 0.03": replace(CUT, name="reference third-cut 0.03", snr=0.03)
}


def main() -> None:
    """Measure every stack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("CRYOORIENT_DATA"))
    parser.add_argument("--assets", type=Path, default=os.environ.get("CRYOORIENT_ASSETS"))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    parser.add_argument("--n", type=int, default=250)
    given = parser.parse_args()
    if given.data is None or given.cache is None:
        parser.error("--data (or CRYOORIENT_DATA) and --cache are needed")
    torch.set_num_threads(1)
    sources = Sources(Path(given.data), given.assets and Path(given.assets))
    for name in given.only:
        condition = replace(ROWS[name], n=given.n)
        print(json.dumps({"stack": name} | measured(condition, sources, given.cache)), flush=True)


def measured(condition: Condition, sources: Sources, cache: Path) -> dict[str, object]:
    """Search a stack and return how much of its particles the map does not explain."""
    stack = stack_of(condition, sources, cache)
    inputs = load_inputs(stack.star, stack.reference)
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
    search = GlobalSearch(likelihood, symmetry_matrices(stack.symmetry))
    found = FoundPoses.joined(list(search.search(inputs.particles.usable_rows())))
    missing = missing_part(likelihood, found.rows, found.poses, found.confidence)
    line: dict[str, object] = {"n_sure": int(np.sum(found.confidence > SURE))}
    if missing is not None:  # else too few are sure
        line |= {
            "not_explained_percent": round(100 * missing.part, 1),
            "standard_error_percent": round(100 * missing.error, 1),
            "is_said": missing.is_clear,
        }
    return line


if __name__ == "__main__":
    main()
