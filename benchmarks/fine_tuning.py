"""How much sooner a fine-tuned run is as good as one trained anew, by the command line alone.

    python benchmarks/fine_tuning.py MAP [--run RUN] [--symmetry D7] [--anew 100 200 400 700]

The new map is MAP low-passed to 15 A with one ball of it cut out; 3000 particles are simulated from
it (box 64, SNR 0.1, CTF, shifts of 5 A).  Runs from fresh weights and runs from those of RUN, which
was trained with MAP itself (made here where none is named), are compared on the particles all of
them held out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from fast_accuracy import command

import napari_cryoorient as nc
from napari_cryoorient import DensityMap
from napari_cryoorient.simulation.simulate import working_map

LOW_PASS_ANGSTROM, BALL_PART = 15.0, 0.16


def changed(density: DensityMap) -> DensityMap:
    """Low-pass a map, and cut a ball out of it beside the centre."""
    box = density.box
    frequency = torch.fft.fftfreq(box, density.pixel_size_angstrom)
    radius = torch.stack(torch.meshgrid(*[frequency] * 3, indexing="ij")).norm(dim=0)
    transform = torch.fft.fftn(torch.from_numpy(density.voxels))
    smooth = torch.fft.ifftn(transform * torch.exp(-((radius * LOW_PASS_ANGSTROM) ** 2))).real
    axis = torch.arange(box) - box // 2
    zyx = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).float() / box
    ball = (zyx - torch.tensor([0.0, 0.12, 0.12])).norm(dim=-1) < BALL_PART
    voxels = torch.where(ball, torch.zeros(()), smooth).float()
    return DensityMap(np.asarray(voxels.numpy()), density.pixel_size_angstrom)


def main() -> None:
    """Train anew and from RUN for some numbers of steps each, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--first", type=int, default=700, help="steps of RUN, where it is made")
    parser.add_argument("--anew", type=int, nargs="*", default=[100, 200, 400, 700])
    parser.add_argument("--tuned", type=int, nargs="*", default=[25, 50, 100, 200])
    parser.add_argument("--rates", type=float, nargs="*", default=[5e-4])
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    own = working_map(nc.read_map(options.map), 64)
    maps = {"old": own, "new": changed(own)}
    for name, density in maps.items():
        nc.write_map(folder / f"{name}.mrc", density)
        command(
            *("simulate", folder / f"{name}.mrc", "-o", folder / name, "--n", 3000, "--snr", 0.1),
            *("--shift-sigma", 5, "--symmetry", options.symmetry),
            *("--seed", len(name) + (name == "new")),
        )
    symmetry = ("--symmetry", options.symmetry)
    run = options.run
    if run is None:
        run = folder / "first"
        train(folder / "old", run, "--steps", options.first, *symmetry)
    for steps in options.anew:
        print("anew", train(folder / "new", folder / f"anew{steps}", "--steps", steps, *symmetry))
    for rate in options.rates:
        for steps in options.tuned:
            flags = ("--steps", steps, "--from", run, "--learning-rate", rate)
            told = train(folder / "new", folder / f"tuned{steps}_{rate:g}", *flags)
            print(f"tuned at {rate:g}", told, flush=True)


def train(stack: Path, run: Path, *flags: object) -> str:
    """Train on a simulated stack and return the figures of the particles held out."""
    told = command("train", stack / "particles.star", "--map", stack / "map.mrc", "-o", run, *flags)
    errors = command(
        *("evaluate", run / "poses.star", stack / "particles.star", "--run", run),
        *("--symmetry", json.loads((run / "run.json").read_text())["config"]["symmetry"]),
    )
    return (
        f"{told['step']} steps, {told['seconds']:.0f} s: median {errors['median_deg']:.2f} deg, "
        f"{errors['fraction_under_10_deg']:.1%} under 10 deg (n {errors['n']})"
    )


if __name__ == "__main__":
    main()
