"""Quaternion against axis-angle with the paper's own network (Lian et al. 2022, table 3), on a CPU.

    python benchmarks/representations.py RIBOSOME -o OUT [--box 64] [--steps 1000] [--seeds 0 1]

Runs follow one another in one thread, seed by seed and rate by rate, both representations of a
rate before the next, so that what is done whenever it is stopped can be compared.  A run that was
stopped goes on.  Prints a line of CSV for every run, and with --curves the error against steps.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import torch
from fast_accuracy import command

from napari_cryoorient import TrainConfig
from napari_cryoorient.tasks.train import run_training
from napari_cryoorient.training.loop import Cadence

# Tests cost time that others would train in: 200 images, once in so many seconds.
CADENCE = Cadence(test_s=90.0, preview_s=1e9, n_test=200, spare_part=0.03)
REPRESENTATIONS = ("quaternion", "axis-angle")


def main() -> None:
    """Train what is not there yet, or print how the error fell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ribosome", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--w", type=float, default=0.8)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-5, 1e-4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--curves", action="store_true", help="only print what there is")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = given.output / "data"
    if not (data / "particles.star").exists():
        command("simulate", given.ribosome, "-o", data, "--n", given.n, "--box", given.box)
    for seed in given.seeds:
        for rate in given.rates:
            for representation in REPRESENTATIONS:
                run = given.output / f"{representation}-{rate:g}-seed{seed}"
                if given.curves:
                    print_curve(run)
                    continue
                if not (run / "poses.star").exists():
                    config = TrainConfig(
                        preset="paper",
                        representation=representation,  # type: ignore[arg-type]
                        learning_rate=rate,
                        w=given.w,
                        seed=seed,
                        box=given.box,
                        steps=given.steps,
                        weights="none",
                    )
                    began, cpu = time.monotonic(), time.process_time()
                    resumes = (run / "checkpoint.pt").exists()
                    run_training(
                        config, data / "particles.star", data / "map.mrc", run, resumes,
                        cadence=CADENCE,
                    )  # fmt: skip
                    print(
                        f"{run.name}: {time.monotonic() - began:.0f} s, "
                        f"{time.process_time() - cpu:.0f} s of the CPU",
                        file=sys.stderr,
                        flush=True,
                    )
                print_last(run, representation, rate, seed)


def tested(run: Path) -> list[dict[str, float]]:
    """Return the lines of a run at which its error on held-out images was measured anew."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    told: list[dict[str, float]] = []
    for line in lines:
        if line["test_relative_rmse"] is None:
            continue
        if not told or line["test_relative_rmse"] != told[-1]["test_relative_rmse"]:
            told.append(line)
    return told


def print_last(run: Path, representation: str, rate: float, seed: int) -> None:
    """Print a run's last figures."""
    last = tested(run)[-1]
    names = ("step", "test_relative_rmse", "angular_error_deg", "n_test", "seconds")
    row = [representation, f"{rate:g}", seed, *(round(last[name], 4) for name in names)]
    csv.writer(sys.stdout).writerow(row)
    sys.stdout.flush()


def print_curve(run: Path) -> None:
    """Print error against steps."""
    if (run / "metrics.jsonl").exists():
        print(run.name)
        for line in tested(run):
            print(
                f"{line['step']:>6} {line['test_relative_rmse']:.3f} "
                f"{line['angular_error_deg']:6.1f}"
            )


if __name__ == "__main__":
    main()
