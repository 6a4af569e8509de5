"""A network with refinement against global search and the limit, on the same held-out particles.

    python benchmarks/network_and_refine.py --run RUN --map MAP --star HELD_OUT.star --symmetry D7

RUN was trained (or fine-tuned) on other particles of the map.  The limit is refinement started at
the true poses.  Files are written beside HELD_OUT.star.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from fast_accuracy import command


def main() -> None:
    """Print a line of figures for each way to the poses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--star", type=Path, required=True)
    parser.add_argument("--symmetry", default="C1")
    options = parser.parse_args()
    out = Path(tempfile.mkdtemp())
    like = ("--symmetry", options.symmetry)
    against = ("--map", options.map)
    project = ("--project-dir", options.star.parent)
    ways: dict[str, tuple[object, ...]] = {
        "limit": ("refine", options.star, *against, *like),
        "search": ("search", options.star, *against, *like),
        "network": ("predict", options.star, "--run", options.run),
        "network + refine": ("predict", options.star, "--run", options.run, "--refine", *against),
    }
    limit: float | None = None
    for number, (name, words) in enumerate(ways.items()):
        written = out / f"{number}.star"
        told = command(*words, *project, "-o", written)
        errors = command("evaluate", written, options.star, *like)
        limit = limit or errors["median_deg"]
        print(line_of(name, errors, told, limit), flush=True)


def line_of(name: str, errors: dict[str, Any], told: dict[str, Any], limit_deg: float) -> str:
    """Lay out the figures of one way."""
    return (
        f"{name:<17} median {errors['median_deg']:6.3f} deg "
        f"({errors['median_deg'] / limit_deg:.3f} of the limit), "
        f"under 5 {errors['fraction_under_5_deg']:.1%}, "
        f"over 10 {1 - errors['fraction_under_10_deg']:.1%}, "
        f"shift rms {errors['shift_rms_angstrom']:.2f} A, n {errors['n']}, "
        f"{told['images_per_second']:.0f} images/s"
    )


if __name__ == "__main__":
    main()
