"""CPU seconds of what ``search`` imports, library by library, and of commands that need no torch.

Module by module, torch left out, is the second:

    python benchmarks/start_up.py
    python -X importtime -m napari_cryoorient search -h
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import napari_cryoorient as nc
from napari_cryoorient.simulation.demo_density import demo_density

PARTS = {
    "NumPy": ["numpy"],
    "torch": ["torch"],
    "typer, which loads pydantic": ["typer", "pydantic", "typer._adapters"],
    "pandas, which loads pyarrow": ["pandas"],
    "ours: the command line": ["napari_cryoorient.cli", "napari_cryoorient.cli.search"],
    "ours: the search": ["napari_cryoorient.tasks.search"],
}
COMMANDS = {
    "export": "export particles.star -o exported.star",
    "evaluate": "evaluate particles.star particles.star",
    "compare": "compare particles.star particles.star",
    "micrographs": "micrographs two.star -o table.star",
    "fsc": "fsc map.mrc map.mrc",
    "evaluate --map, which projects": "evaluate particles.star particles.star --map map.mrc",
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
    with tempfile.TemporaryDirectory() as name:
        time_commands(Path(name))


def time_commands(folder: Path) -> None:
    """Print what whole commands take, on ten particles, the least of a few tries each."""
    nc.simulate(demo_density(24, 8.0), 10, folder=folder)
    text = (folder / "particles.star").read_text()
    (folder / "two.star").write_text(text.replace("@particles", "@others", 5))
    for title, words in COMMANDS.items():
        seconds = []
        for _ in range(REPEATS):
            before = os.times()
            command = [sys.executable, "-m", "napari_cryoorient", *words.split()]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            after = os.times()
            seconds.append(
                after.children_user
                + after.children_system
                - before.children_user
                - before.children_system
            )
            (folder / "exported.star").unlink(missing_ok=True)
        print(f"{title:30} {min(seconds):.2f} s")


if __name__ == "__main__":
    main()
