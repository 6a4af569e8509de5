"""Images a second of both recipes at growing batches, against what the device multiplies at best.

    python benchmarks/throughput.py [--batches 24 256 2048] [--box 128] [--device auto]

The peak is measured, not read off a data sheet: bfloat16 matrix products (float32 on a CPU without
fast bfloat16) of a size that fits.  Operations of a training step are counted by torch's own
counter, which knows matrix products and convolutions, forward and backward.  Batches that do not
fit in memory end the list.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import numpy as np
import torch
from fast_accuracy import command, made_map
from torch.utils.flop_counter import FlopCounterMode

from napari_cryoorient import TrainConfig
from napari_cryoorient.config import PRESETS
from napari_cryoorient.device import choose_device, is_out_of_memory, synchronize
from napari_cryoorient.stack.pairing import load_inputs
from napari_cryoorient.tasks.recipes import RECIPES, Ingredients
from napari_cryoorient.training.precision import autocast, choose_precision, lay_out_weights
from napari_cryoorient.training.ranks import ALONE
from napari_cryoorient.training.recipe import Recipe


def seconds(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Return the median time of ``work`` after one warm-up."""
    times = []
    for _ in range(rounds + 1):
        synchronize(device)
        began = time.perf_counter()
        work()
        synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


@cache
def peak_tflops(device: torch.device, dtype: torch.dtype, rounds: int) -> float:
    """Return the rate of square matrix products in 10^12 operations a second."""
    n = 8192 if device.type == "cuda" else 1024
    a = torch.randn(n, n, device=device, dtype=dtype)
    return 2 * n**3 / seconds(lambda: a @ a, device, rounds) / 1e12


def step(recipe: Recipe, precision: str) -> None:
    """Take one training step on a batch of its own."""
    batch = recipe.batch(0)
    recipe.optimizer.zero_grad(set_to_none=True)
    with autocast(recipe.device, precision):
        prediction = recipe.network(batch.images, batch.ctf)
    recipe.losses(prediction, batch, 0.8).total.backward()  # type: ignore[no-untyped-call]
    recipe.optimizer.step()


def main() -> None:
    """Print one line of JSON for each recipe and batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[24, 256, 2048])
    parser.add_argument("--box", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    folder = Path(tempfile.mkdtemp())
    n = max(options.batches)
    command("simulate", made_map(folder), "-o", folder, "--n", n, "--box", options.box)
    inputs = load_inputs(folder / "particles.star", folder / "map.mrc")
    for preset in PRESETS:
        for size in options.batches:
            values = {"preset": preset, "batch_size": size, "box": options.box, "weights": "none"}
            config = TrainConfig.model_validate(values)
            recipe = RECIPES[preset](
                Ingredients(inputs, inputs.particles, config, device, np.arange(n), None, ALONE)
            )
            recipe.network.train()
            try:
                precision, _ = choose_precision("auto", device)
                lay_out_weights(recipe.network, precision, device)
                with FlopCounterMode(display=False) as counter:
                    step(recipe, precision)
                step_s = seconds(partial(step, recipe, precision), device, options.rounds)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                print(json.dumps({"preset": preset, "batch": size, "result": "out of memory"}))
                break
            dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
            peak = peak_tflops(device, dtype, options.rounds)
            rate = counter.get_total_flops() / step_s / 1e12
            print(
                json.dumps(
                    {
                        "preset": preset,
                        "batch": size,
                        "device": str(device),
                        "precision": precision,
                        "step_s": round(step_s, 4),
                        "images_per_second": round(size / step_s, 1),
                        "tflops": round(rate, 3),
                        "matrix_peak_tflops": round(peak, 3),
                        "part_of_peak": round(rate / peak, 3),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
