"""CPU seconds that ``napari-cryoorient search`` imports take, library by library, ours last.

Module by module, torch left out, is the second:

    python benchmarks/start_up.py
    python -X importtime -m napari_cryoorient search -h
"""

from __future__ import annotations

import subprocess
import sys

PARTS = {
    "NumPy": ["numpy"],
    "torch": ["torch"],
    "typer, which loads pydantic": ["typer", "pydantic", "typer._adapters"],
    "pandas, which loads pyarrow": ["pandas"],
    "ours: the command line": ["napari_cryoorient.cli", "napari_cryoorient.cli.search"],
    "ours: the search": ["napari_cryoorient.tasks.search"],
}
REPEATS = 5
PROGRAM = """
import sys, time
for part in sys.argv[1:]:
    began = time.process_time()
    for name in part.split(","):
        __import__(name)
    print(time.process_time() - began)
"""


def main() -> None:
    """Print the least of a few tries, each in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, *map(",".join, PARTS.values())]
    tries = [
        [float(line) for line in subprocess.check_output(command, text=True).split()]
        for _ in range(REPEATS)
    ]
    for part, seconds in zip(PARTS, zip(*tries, strict=True), strict=True):
        print(f"{part:30} {min(seconds):.3f} s")


if __name__ == "__main__":
    main()
