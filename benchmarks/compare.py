"""What ``compare`` takes and finds: a million rows, frames of all kinds, which pose is preferred.

    python benchmarks/compare.py [--n 1000000] [--folder DIR]

Makes two STAR files of so many rows with known differences, and prints the time and the peak memory
of the command; draws 100 frames each of random rotations, D7 copies and mirror images with 30%
wrong poses on either side, and prints how many are recovered; simulates 2000 particles at SNR 0.03,
spoils a third of the poses of either set, and prints how often the pose preferred is the right one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fast_accuracy import command, made_map

from napari_cryoorient import CtfParameters, Poses
from napari_cryoorient.diagnosis.frames import find_frame
from napari_cryoorient.geometry.rotations import random_rotations, rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg, symmetry_matrices
from napari_cryoorient.io.new_star import new_particle_star
from napari_cryoorient.io.star import read_particles, write_poses, write_star

MIRROR = np.diag([1.0, 1.0, -1.0])
WRONG = 0.3


def main() -> None:
    """Run all three parts and print one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(many_rows(folder, given.n)), flush=True)
    for kind in ("rotation", "D7 copies", "mirror image"):
        print(json.dumps(frames(kind)), flush=True)
    print(json.dumps(preferred(folder)), flush=True)


def turned(rotations: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Turn each pose at random, by so much in the root mean square."""
    vectors = rng.normal(0, np.radians(degrees) / np.sqrt(3), (len(rotations), 3))
    return rotation_vector_to_matrix(torch.from_numpy(vectors)).numpy() @ rotations


def drawn(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rotations."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return random_rotations(n, generator, dtype=torch.float64).numpy()


def many_rows(folder: Path, n: int) -> dict[str, object]:
    """Compare two files of ``n`` rows in another order; return time and peak memory."""
    rng = np.random.default_rng(0)
    paths = folder / "a.star", folder / "b.star"
    if not paths[1].exists():
        poses = Poses(drawn(n, rng), rng.normal(0, 5, (n, 2)))
        other = Poses(turned(poses.rotations, 3.0, rng), poses.shifts_angstrom)
        same = np.ones(n)
        ctf = CtfParameters(
            *(1e4 * same, 1e4 * same, 0 * same, 0 * same, 300 * same, 2.7 * same, 0.1 * same),
            *(0 * same, same),
        )
        star = new_particle_star("s.mrcs", poses, box=128, pixel_size_angstrom=1.0, ctf=ctf)
        table = star.blocks[1].table.assign(
            rlnMicrographName=[f"MotionCorr/job002/{i // 300:06d}.mrc" for i in range(n)]
        )
        star = star.with_block(replace(star.blocks[1], table=table))
        write_star(star, paths[0])
        order = rng.permutation(n)
        write_poses(star, other[order], paths[1], rows=order)
    line = [sys.executable, "-m", "napari_cryoorient", "compare", *map(str, paths), "--json"]
    line += ["-o", str(folder / "table.star")] if n <= 10_000 else []
    began = time.monotonic()
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
    result = json.loads(said.splitlines()[-1])
    return {
        "rows": n,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 2),
        "median_angle_deg": result["median_angle_deg"],
    }


def frames(kind: str, n_cases: int = 100, n: int = 2000) -> dict[str, object]:
    """Return how many of 100 frames are found within a degree, and the hand with them."""
    group = symmetry_matrices("D7" if kind == "D7 copies" else "C1")
    found, largest = 0, 0.0
    for case in range(n_cases):
        rng = np.random.default_rng([case, len(kind)])
        true, turn = drawn(n, rng), drawn(1, rng)[0]
        copies = group.numpy()[rng.integers(len(group), size=n)]
        a = turned(true, 5.0, rng) @ np.swapaxes(copies, 1, 2)
        b = turned(true, 5.0, rng) @ turn.T
        b = MIRROR @ b @ MIRROR if kind == "mirror image" else b
        for poses in (a, b):
            wrong = rng.random(n) < WRONG
            poses[wrong] = drawn(int(wrong.sum()), rng)
        shifts = rng.normal(0, 5, (n, 2))
        frame = find_frame(Poses(a, shifts), Poses(b, shifts), group)
        error = float(
            symmetric_distance_deg(torch.from_numpy(frame.rotation), torch.from_numpy(turn), group)
        )
        largest = max(largest, error)
        right_hand = frame.is_mirrored == (kind == "mirror image")
        found += frame.is_clear and right_hand and frame.hand_is_clear and error < 1.0
    return {"frames": kind, "found": found, "of": n_cases, "largest_error_deg": round(largest, 2)}


def preferred(folder: Path, n: int = 2000) -> dict[str, object]:
    """Return how often the pose preferred is the right one, where the two differ clearly."""
    rng = np.random.default_rng(1)
    stack = folder / "noisy"
    if not (stack / "particles.star").exists():
        common = ("--n", n, "--box", 64, "--snr", 0.03, "--shift-sigma", 5, "--seed", 3)
        command("simulate", made_map(folder), "-o", stack, *common)
    particles, star = read_particles(stack / "particles.star")
    assert particles.poses is not None
    turn, spoilt, is_wrong = drawn(1, rng)[0], [], []
    for i in range(2):
        rotations = turned(particles.poses.rotations, 3.0, rng)
        wrong = rng.random(n) < WRONG
        rotations[wrong] = drawn(int(wrong.sum()), rng)
        is_wrong.append(wrong)
        frame = rotations @ turn.T if i else rotations  # the second in a frame of its own
        spoilt.append(Poses(frame, particles.poses.shifts_angstrom))
    for poses, name in zip(spoilt, ("one.star", "other.star"), strict=True):
        write_poses(star, poses, stack / name)
    table = stack / "table.star"
    began = time.monotonic()
    command(
        *("compare", stack / "one.star", stack / "other.star", "--map", stack / "map.mrc"),
        *("-o", table, "--device", "cpu"),
    )
    seconds = time.monotonic() - began
    from napari_cryoorient.io.star_text import read_star_text

    rows = read_star_text(table).blocks[0].table
    probability = rows["cryoorientProbabilityA"].astype(float).to_numpy()
    apart = rows["cryoorientAngleDifference"].astype(float).to_numpy() > 10
    decided = apart & (is_wrong[0] != is_wrong[1])
    right = (probability > 0.5) == is_wrong[1]
    clear = decided & (np.abs(probability - 0.5) > 0.45)
    return {
        "snr": 0.03,
        "compared": int(decided.sum()),
        "preferred_is_right": round(float(right[decided].mean()), 4),
        "of_the_clear_ones": round(float(right[clear].mean()), 4),
        "clear": round(float(clear.sum() / decided.sum()), 3),
        "images_per_second": round(n / seconds),
    }


if __name__ == "__main__":
    main()
