"""Predict a large stack, and measure memory and speed of the process that does it.

    python benchmarks/predict_many.py [--n 100000] [--box 64] [--run RUN] [--folder DIR]

Without RUN a network is trained for a few steps first: neither memory nor speed depends on how well
it does.  The stack has ``n`` images of its own (64 px: 16 KiB each) and a STAR row for each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fast_accuracy import command, made_map


def main() -> None:
    """Simulate, predict, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    common = ("--box", options.box, "--snr", 0.1, "--shift-sigma", 5)
    stack = folder / "many" / "particles.star"
    if not stack.exists():
        command("simulate", made_map(folder), "-o", folder / "many", "--n", options.n, *common)
    run = options.run or folder / "run"
    if not run.exists():
        command("simulate", made_map(folder), "-o", folder / "few", "--n", 200, *common)
        command(
            *("train", folder / "few" / "particles.star", "--map", folder / "few" / "map.mrc"),
            *("-o", run, "--steps", 5),
        )
    line = [sys.executable, "-m", "napari_cryoorient", "predict", str(stack), "--run", str(run)]
    line += ["-o", str(folder / "predicted.star"), "--json"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(line)} failed")
    result = json.loads(output.splitlines()[-1])
    result["peak_memory_gb"] = round(usage.ru_maxrss * 1024 / 1e9, 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
