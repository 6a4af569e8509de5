"""A stand-in for ``train`` without torch: writes a run folder, quickly, with figures known before.

    python stand_in_trainer.py train STAR --map MAP -o RUN --w 0.3 ... [--resume]

The relative RMSE is ``|w - 0.7| + 0.1``.  ``TRAINER_FAILS`` names a run that fails,
``TRAINER_SECONDS`` is how long it trains; files of these names beside the run folders say it too.
A signal or its ``control.json`` stops it as it stops a real run.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cryoorient.processes.starter import end_with_input
from napari_cryoorient.studies.job import Job

BOX = 8


def stand_in(job: Job) -> Sequence[str]:
    """Return the command line that trains with this file instead of the program."""
    return [sys.executable, __file__, *job.command()]


def told(folder: Path, name: str) -> str | None:
    """Return what the environment says, or a file, which reaches processes elsewhere too."""
    return os.environ.get(name) or text_of(folder.parent / name) or None


def text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def main() -> int:
    arguments = sys.argv[2:]
    given = dict(zip(arguments[1::2], arguments[2::2], strict=False))
    folder = Path(given["-o"])
    w = float(given.get("--w", 0.8))
    seconds = float(told(folder, "TRAINER_SECONDS") or "0.05")
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
    began = time.time()
    record = {
        "state": "running",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "heartbeat": began,
        "inputs": {"n_particles": 40, "box": BOX, "working_box": BOX, "pixel_size_angstrom": 4.0},
    }

    def write(**changes: object) -> None:
        record.update(changes)
        (folder / "run.json").write_text(json.dumps(record))

    def stop(*_: object) -> None:
        write(state="stopped")
        sys.exit(130)

    end_with_input()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    write()
    (folder / "checkpoint.pt").write_text("")
    with (folder / "arguments.txt").open("a") as file:
        file.write(" ".join(arguments) + "\n")
    if folder.name == told(folder, "TRAINER_FAILS"):
        write(state="failed", reason="The loss became nan at step 3.")
        print("napari-cryoorient: The loss became nan at step 3.")
        return int(os.environ.get("TRAINER_STATUS", "1"))
    for step in (1, 2, 3, 4):
        end = time.monotonic() + seconds / 4
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
            if '"stop": true' in text_of(folder / "control.json"):
                stop()
        line = {
            "step": step,
            "seconds": step * seconds / 4,
            "time_left_s": (4 - step) * seconds / 4,
            "images_per_second": 1000.0,
            "w": w,
            "loss": 1.0 / step,
            "qd": 0.5 / step,
            "reprojection": 0.4 / step,
            "train_relative_rmse": 1.2 / step,
            "test_relative_rmse": (abs(w - 0.7) + 0.1) * 4 / step,
            "test_rmse": 10 * (abs(w - 0.7) + 0.1) * 4 / step,
            "angular_error_deg": 20.0,
            "n_test": 8,
        }
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
    images = np.random.default_rng(0).normal(size=(2, BOX, BOX)).astype(np.float32)
    names = ("input", "true_projection", "predicted_projection")
    np.savez(
        folder / "preview.npz",
        **dict.fromkeys(names, images),
        angular_error_deg=np.array([3.0, 4.0]),
    )
    (folder / "worked.json").write_text(json.dumps({"gpu": gpu, "from": began, "to": time.time()}))
    write(state="finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
