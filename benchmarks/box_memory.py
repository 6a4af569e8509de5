"""Peak memory of the commands in native boxes: a few particles, each command a process of its own.

    python benchmarks/box_memory.py 5a1a.pdb.gz --box 400 --pixel-size 0.83 --symmetry D2
                                    [--n 24] [--folder DIR] [--only search refine] [--memory 4]

What is there already in the folder is not made again, but for what ``--only`` names.  ``view``
opens the stack as napari does: its layer, the first image and one further on.  ``--memory``
is handed to the commands that take it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from many_rows import report

OPEN = """
import sys
from pathlib import Path
import resource
from napari.components import ViewerModel
from napari_cryoorient.viewer.show import layers_of, show
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
before = peak()
viewer = ViewerModel()
show(viewer, layers_of(Path(sys.argv[1])))
viewer.dims.set_current_step(0, 10)
print(f'{{"above_napari_mb": {peak() - before:.0f}}}')
"""


def main() -> None:
    """Run the commands and print one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a map or an atomic model")
    parser.add_argument("--box", type=int, default=256)
    parser.add_argument("--pixel-size", type=float, default=1.3)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", nargs="*", help="simulate, search, refine, train ...")
    parser.add_argument("--memory", type=float, help="GiB")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-m", "napari_cryoorient"]
    stack, density = folder / "particles.star", ["--map", folder / "map.mrc"]
    symmetry = ["--symmetry", given.symmetry]
    made = ["--box", given.box, "--pixel-size", given.pixel_size, "--n", given.n, "--snr", 0.1]
    run, half_maps = folder / "run", ["--half-maps", "-o", folder / "half.mrc"]
    commands: dict[str, list[object]] = {
        "simulate": ["simulate", given.model, "-o", folder, *made, "--shift-sigma", 5, *symmetry],
        "search": ["search", stack, *density, *symmetry, "-o", folder / "searched.star"],
        "refine": ["refine", stack, *density, *symmetry, "-o", folder / "refined.star"],
        "train": ["train", stack, *density, *symmetry, "-o", run, "--steps", 2],
        "predict": ["predict", stack, "--run", run, "-o", folder / "predicted.star"],
        "reconstruct": ["reconstruct", stack, "-o", folder / "whole.mrc"],
        "reconstruct --half-maps": ["reconstruct", stack, *half_maps],
        "reconstruct --half-maps --symmetry": ["reconstruct", stack, *half_maps, *symmetry],
    }
    for name, words in commands.items():
        is_needed = name == "simulate" and not stack.exists()
        if given.only and name not in given.only and not is_needed:
            continue
        line = [*program, *map(str, words), "--device", "cpu", "--json"]
        if given.memory and name != "simulate":
            line += ["--memory", str(given.memory)]
        try:
            report(f"{name}, box {given.box}", line)
        except SystemExit as refused:
            print(f"{name}, box {given.box}: {refused}", flush=True)
    if not given.only or "view" in given.only:
        report(f"view, box {given.box}", [sys.executable, "-c", OPEN, str(stack)])


if __name__ == "__main__":
    main()
