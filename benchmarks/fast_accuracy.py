"""How well the fast recipe tells poses after a few minutes, by the command line alone.

    python benchmarks/fast_accuracy.py [MAP] [--symmetry D7] [--minutes 4] [--folder DIR]

Without MAP the demo's made map is taken.  Simulates 4000 particles to learn from and 1000 others to
predict (box 64, SNR 0.1, CTF, shifts of 5 A), trains for so many minutes of wall time, predicts the
others without refinement, and compares with their true poses.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def command(*words: object) -> dict[str, Any]:
    """Run a command of the program and return the JSON on its last line."""
    line = [sys.executable, "-m", "napari_cryoorient", *map(str, words), "--json"]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed with status {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def made_map(folder: Path) -> Path:
    """Write the demo's map and return where."""
    import napari_cryoorient as nc
    from napari_cryoorient.simulation.demo_density import demo_density

    folder.mkdir(parents=True, exist_ok=True)
    nc.write_map(folder / "made.mrc", demo_density(96, 4.0))
    return folder / "made.mrc"


def main() -> None:
    """Run the whole chain and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", type=Path, nargs="?")
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--labels", choices=("star", "simulated"), default="star")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    map_path = options.map or made_map(folder)
    for name, n, seed in (("learn", 4000, 1), ("held-out", 1000, 2)):
        command(
            *("simulate", map_path, "-o", folder / name, "--n", n, "--box", 64),
            *("--snr", options.snr, "--shift-sigma", 5, "--seed", seed),
            *("--symmetry", options.symmetry),
        )
    cropped = folder / "learn" / "map.mrc"
    began = time.perf_counter()
    command(
        *("train", folder / "learn" / "particles.star", "--map", cropped, "-o", folder / "run"),
        *("--minutes", options.minutes, "--symmetry", options.symmetry),
        *("--labels", options.labels),
    )
    train_s = time.perf_counter() - began
    held_out = folder / "held-out" / "particles.star"
    predicted = command(
        "predict", held_out, "--run", folder / "run", "-o", folder / "predicted.star"
    )
    errors = command(
        *("evaluate", folder / "predicted.star", held_out, "--map", cropped),
        *("--symmetry", options.symmetry),
    )
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    metrics = json.loads(lines[-1])
    print(
        json.dumps(
            {
                "map": map_path.name,
                "symmetry": options.symmetry,
                "steps": metrics["step"],
                "training_s": round(metrics["seconds"]),
                "whole_command_s": round(train_s),
                "predict": predicted,
                "errors": errors,
            }
        )
    )


if __name__ == "__main__":
    main()
