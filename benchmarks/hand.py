"""How often ``hand`` tells the hand: simulated tilt pairs, mirrored maps, untilted controls.

    python benchmarks/hand.py [--n 60] [--seeds 5] [--snr 0.1] [--tilt 30]

Each seed simulates particles of 64 pixels without symmetry at random views, once as they lie and
once turned by the tilt, both with CTF, noise and shifts.  Poses of both are searched with the map
and with its mirror image, and asked; so are two untilted images of each particle, and pairs in the
wrong order.  Poses of tilted particles of which so large a part lies one way in the ice are asked
without pairs.  Prints one line of JSON for each.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import torch

import napari_cryoorient as nc
from napari_cryoorient.diagnosis.handedness import tilt_rotation
from napari_cryoorient.geometry.rotations import (
    random_rotations,
    rotation_vector_to_matrix,
    turn_in_plane,
)
from napari_cryoorient.simulation.demo_density import demo_density

BOX, PIXEL, AXIS_DEG = 64, 4.0, 70.0


def main() -> None:
    """Simulate, search, ask."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--tilt", type=float, default=30.0)
    given = parser.parse_args()
    density = demo_density(BOX, PIXEL)
    maps = {"map": density, "mirrored map": mirrored(density)}
    counts: dict[str, Counter[str]] = {}
    asked = {"tilt_deg": given.tilt, "axis_deg": AXIS_DEG}

    def count(case: str, found: nc.HandTest) -> None:
        counts.setdefault(case, Counter())[found.verdict] += 1

    tilt = tilt_rotation(given.tilt, AXIS_DEG).numpy()
    for seed in range(given.seeds):
        generator = torch.Generator().manual_seed(seed)
        views = random_rotations(given.n, generator, dtype=torch.float64).numpy()
        stacks = [
            particles(density, rotations, given.snr, 10 * seed + i)
            for i, rotations in enumerate((views, tilt @ views, views))
        ]
        for name, searched in maps.items():
            before, after, again = (nc.search(s, searched, device="cpu").poses for s in stacks)
            count(f"pairs, {name}", nc.hand(after, before, **asked))
            count(f"untilted twice, {name}", nc.hand(again, before, **asked))
            wrong_order = after[np.roll(np.arange(given.n), 7)]
            count(f"pairs in the wrong order, {name}", nc.hand(wrong_order, before, **asked))
    for part in (0.0, 0.3, 0.6):
        for seed in range(given.seeds):
            lying = in_ice(300, part, seed)
            for name, searched in maps.items():
                for what, rotations in (("tilted", tilt @ lying), ("untilted", lying)):
                    stack = particles(density, rotations, given.snr, seed)
                    poses = nc.search(stack, searched, device="cpu").poses
                    count(f"{what}, {part:.0%} lie one way, {name}", nc.hand(poses, **asked))
    for case, verdicts in counts.items():
        print(json.dumps({"case": case, **verdicts}), flush=True)


def mirrored(density: nc.DensityMap) -> nc.DensityMap:
    """Return the mirror image of a map, z to -z about the centre voxel."""
    return replace(density, voxels=np.roll(density.voxels[::-1], 1, axis=0).copy())


def in_ice(n: int, part: float, seed: int) -> np.ndarray:
    """Return poses, ``part`` of which have one axis of the map near the normal, turned anyhow."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    spread, turns = rng.normal(0, np.radians(10), (n, 3)), rng.uniform(0, 2 * np.pi, n)
    axis = random_rotations(1, generator, dtype=torch.float64)
    lying = turn_in_plane(torch.from_numpy(turns)) @ rotation_vector_to_matrix(
        torch.from_numpy(spread)
    )
    anyhow = random_rotations(n, generator, dtype=torch.float64)
    is_lying = torch.from_numpy(rng.random(n) < part)
    return torch.where(is_lying[:, None, None], lying @ axis, anyhow).numpy()


def particles(
    density: nc.DensityMap, rotations: np.ndarray, snr: float, seed: int
) -> nc.ParticleSet:
    """Simulate particles at these rotations."""
    rng, n = np.random.default_rng(seed), len(rotations)
    poses = nc.Poses(rotations, rng.normal(0, 5, (n, 2)))
    ctf = nc.simulate(density, n, device="cpu", seed=seed).ctf
    clean = nc.project(density, poses, ctf=ctf, device="cpu")
    noise = rng.normal(0, (clean.var((1, 2)).mean() / snr) ** 0.5, clean.shape)
    images = nc.ArrayImages((clean + noise).astype(np.float32), density.pixel_size_angstrom)
    return nc.ParticleSet(images, poses, ctf, np.zeros(n, dtype=np.int64))


if __name__ == "__main__":
    main()
