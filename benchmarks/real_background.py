"""The nearest counterpart of the paper's real data set at hand: T20S on real background.

    python benchmarks/real_background.py MODEL BACKGROUND.mrcs [--n 1500] [--steps 150]

EMPIAR-10025-real is not at hand.  MODEL is T20S (D7); BACKGROUND.mrcs are patches of real
micrographs without particles (``--patch-pixel-size`` 1.274 A).  Noiseless images with CTF and
shifts of 10 A lie on patches that are cut, turned by quarters, mirrored and each used many times,
at an SNR of 0.18 (the paper's for its real set); each image has a scale of its own (a spread of
15%), and is brought to a mean of 0 and a deviation of 1 as an extraction does.  ``search``, and
``train`` with the preset ``fast`` on the poses of four fifths, are judged against the true poses;
the control is the same on white noise of that SNR.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from fast_accuracy import command

from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.io.stacks import MrcStackCollection, StackWriter

BOX, PIXEL_ANGSTROM, GROUP = 64, 4.53, "D7"  # 290 A, the field of view of 10025-simu
SNR, SCALE_SPREAD, SHIFT_ANGSTROM = 0.18, 0.15, 10.0


def main() -> None:
    """Make the two stacks, and print what each command reaches on each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("background", type=Path)
    parser.add_argument("--patch-pixel-size", type=float, default=1.274)
    parser.add_argument("--n", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--noise", nargs="+", default=["real", "white"], choices=("real", "white"))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    clean = folder / "clean"
    if not (clean / "particles.star").exists():
        command(
            *("simulate", given.model, "-o", clean, "--n", given.n, "--box", BOX, "--seed", 1),
            *("--pixel-size", PIXEL_ANGSTROM, "--lowpass", 12, "--symmetry", GROUP),
            *("--shift-sigma", SHIFT_ANGSTROM / np.sqrt(3)),
        )
    for noise in given.noise:
        stack = folder / noise
        add_noise(clean, stack, given.background if noise == "real" else None, given)
        judge(noise, clean, stack, given)


def add_noise(clean: Path, out: Path, background: Path | None, given: argparse.Namespace) -> None:
    """Write the clean images on noise to ``out``, with their STAR file."""
    images = MrcStackCollection.of_one(clean / "particles.mrcs", PIXEL_ANGSTROM)
    n = len(images)
    random = np.random.default_rng(2)
    signal_variance = float(np.mean([images.read([i])[0].var() for i in range(min(n, 300))]))
    out.mkdir(parents=True, exist_ok=True)
    pool = None if background is None else patches(background, given.patch_pixel_size)
    with StackWriter(out / "particles.mrcs", n, BOX, PIXEL_ANGSTROM) as writer:
        for i in range(n):
            noise = random.standard_normal((BOX, BOX)) if pool is None else tile(pool, random)
            noise *= np.sqrt(signal_variance / SNR)
            image = images.read([i])[0] * random.lognormal(0.0, SCALE_SPREAD) + noise
            writer.append((image - image.mean()) / image.std())
    shutil.copy(clean / "particles.star", out / "particles.star")


def patches(path: Path, pixel_size: float) -> np.ndarray:
    """Return patches ``(n, m, m)`` of background at the particles' pixel size, mean 0, deviation 1.

    Dark protein: patches are negated, as the particles of these micrographs have to be.
    """
    raw = MrcStackCollection.of_one(path, pixel_size)
    box = 2 * round(raw.box * pixel_size / PIXEL_ANGSTROM / 2)
    small = -fourier_resize(raw.read(np.arange(len(raw))), box, 2)
    small -= small.mean(axis=(1, 2), keepdims=True)
    return np.asarray(small / small.std(axis=(1, 2), keepdims=True))


def tile(pool: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return one patch ``(BOX, BOX)``: turned or mirrored, and mirrored on beyond its edge."""
    patch = pool[random.integers(len(pool))]
    patch = np.rot90(patch[:, :: random.choice((1, -1))], random.integers(4))
    missing = max(0, BOX - patch.shape[0])
    wide = np.pad(patch, ((missing, missing), (missing, missing)), mode="reflect")
    y, x = random.integers(0, wide.shape[0] - BOX + 1, 2)
    cut = wide[y : y + BOX, x : x + BOX]
    return np.asarray(cut / cut.std())


def judge(noise: str, clean: Path, stack: Path, given: argparse.Namespace) -> None:
    """Search and train on a stack, and print errors against the true poses."""
    truth, star, density = clean / "particles.star", stack / "particles.star", clean / "map.mrc"
    like = ("--symmetry", GROUP)
    run, train = stack / "run", ("--steps", given.steps, "--seed", 0)
    command("train", star, "--map", density, *like, "-o", run, *train)
    command("predict", star, "--run", run, "-o", stack / "network.star")
    command("search", star, "--map", density, *like, "-o", stack / "search.star")
    held_out = ("--run", run)
    for name in ("network", "search"):
        told = command("evaluate", stack / f"{name}.star", truth, *like, *held_out)
        kept = {k: v for k, v in told.items() if isinstance(v, int | float)}
        print(json.dumps({"noise": noise, "poses": name, **kept}), flush=True)
    metrics = (run / "metrics.jsonl").read_text().splitlines()
    tested = [line for line in map(json.loads, metrics) if "test_relative_rmse" in line]
    if tested:
        print(json.dumps({"noise": noise, "network": tested[-1]}), flush=True)


if __name__ == "__main__":
    main()
