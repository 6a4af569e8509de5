"""Learning from projections, from few real images, and from one after the other.

    python benchmarks/warm_up.py MAP [--steps 100] [--labels 300]

3000 particles are simulated from MAP (box 64, SNR 0.1, CTF, shifts of 5 A); poses are known of
none.  `right map`: MAP is the reference too.  `changed map`: the reference is that of
fine_tuning.py, low-passed and with a ball cut out, as a map of another state would be.  Every run
takes the same number of steps; errors are those of 500 other particles, without refinement.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from fast_accuracy import command
from fine_tuning import changed

import napari_cryoorient as nc
from napari_cryoorient.simulation.simulate import working_map


def main() -> None:
    """Print a line for each reference and way of learning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--labels", type=int, default=300)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    density = working_map(nc.read_map(options.map), 64)
    references = {"right map": folder / "right.mrc", "changed map": folder / "changed.mrc"}
    nc.write_map(references["right map"], density)
    nc.write_map(references["changed map"], changed(density))
    for name, n, seed in (("learn", 3000, 1), ("held-out", 500, 2)):
        command(
            *("simulate", references["right map"], "-o", folder / name, "--n", n, "--snr", 0.1),
            *("--shift-sigma", 5, "--seed", seed),
        )
    searched = ("--labels", "search", "--n-labels", options.labels)
    ways: dict[str, tuple[object, ...]] = {
        "simulated only": ("--labels", "simulated"),
        "real only": (*searched, "--warm-up", 0),
        "warm-up 0.5": (*searched, "--warm-up", 0.5),
        "warm-up 0.8": (*searched, "--warm-up", 0.8),
    }
    for reference, path in references.items():
        for name, flags in ways.items():
            run = folder / f"{reference} {name}"
            command(
                *("train", folder / "learn" / "particles.star", "--map", path, "-o", run),
                *("--steps", options.steps, *flags),
            )
            held_out = folder / "held-out" / "particles.star"
            command("predict", held_out, "--run", run, "-o", run / "held-out.star")
            errors = command("evaluate", run / "held-out.star", held_out)
            print(
                f"{reference}, {name}: median {errors['median_deg']:.2f} deg, under 10 "
                f"{errors['fraction_under_10_deg']:.1%} (n {errors['n']})",
                flush=True,
            )


if __name__ == "__main__":
    main()
