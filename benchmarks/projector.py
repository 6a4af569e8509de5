"""Time the projector against two others, forward and backward, interleaved in one process.

    python benchmarks/projector.py [--rounds 15] [--boxes 64 128] [--device auto]

The others: trilinear rotation of the map in real space and a sum along z (three rounds only, it is
slow); and ``torch_fourier_slice.project_3d_to_2d``, which makes the map's transform in every call
(``pip install torch-fourier-slice torch-ctf``).  Prints medians in milliseconds and ratios to ours.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import torch
from torch import Tensor

from napari_cryoorient.device import choose_device, synchronize
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.projection.fourier_slice import Projector

BATCH = 24


def rotate_and_sum(volume: Tensor, rotations: Tensor) -> Tensor:
    """Project by rotating the map ``(N, N, N)`` in real space: images ``(b, N, N)``."""
    box = volume.shape[-1]
    axis = torch.arange(box, dtype=volume.dtype, device=volume.device) - box // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    points = torch.stack([x, y, z], dim=-1).reshape(1, -1, 3) @ rotations  # rows (A^T u)^T
    grid = (points + box // 2) * (2 / (box - 1)) - 1
    grid = grid.reshape(-1, box, box, box, 3)
    maps = volume.expand(len(rotations), 1, box, box, box)
    return torch.nn.functional.grid_sample(maps, grid, align_corners=True)[:, 0].sum(1)


def competitors(volume: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the functions from rotations to images, ours first."""
    projector = Projector(volume)
    quarter = Projector(volume, max_radius=volume.shape[-1] / 4)
    found: dict[str, Callable[[Tensor], Tensor]] = {
        "ours": projector,
        "ours, half Nyquist": quarter,
        "real space": lambda rotations: rotate_and_sum(volume, rotations),
    }
    try:
        from torch_fourier_slice import project_3d_to_2d
    except ImportError as error:
        print(f"torch_fourier_slice left out: {error}")
    else:
        found["torch_fourier_slice"] = lambda rotations: project_3d_to_2d(
            # It edits the matrices it is given.
            volume,
            rotations.transpose(1, 2).clone(),
        )
    return found


def main() -> None:
    """Run the benchmark and print one line a method and box."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--boxes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    generator = torch.Generator().manual_seed(0)
    print(
        f"torch {torch.__version__}, {device}, {torch.get_num_threads()} thread(s), batch {BATCH}"
    )
    for box in options.boxes:
        volume = torch.randn(box, box, box, generator=generator).to(device)
        weights = torch.randn(BATCH, box, box, generator=generator).to(device)
        rotations = random_rotations(BATCH, generator).to(device)
        methods = competitors(volume)
        milliseconds: dict[str, list[float]] = {name: [] for name in methods}
        for round_number in range(options.rounds + 1):
            for name, project in methods.items():
                if name == "real space" and round_number > 3:
                    continue
                leaf = rotations.clone().requires_grad_()
                synchronize(device)
                start = time.perf_counter()
                (project(leaf) * weights).sum().backward()
                synchronize(device)
                if round_number:  # the first round warms up
                    milliseconds[name].append(1e3 * (time.perf_counter() - start))
        ours = statistics.median(milliseconds["ours"])
        for name, times in milliseconds.items():
            median = statistics.median(times)
            print(
                f"{box:4d} px  {name:20s} {median:9.2f} ms  (best {min(times):8.2f})"
                f"  {median / ours:7.1f} x ours"
            )


if __name__ == "__main__":
    main()
