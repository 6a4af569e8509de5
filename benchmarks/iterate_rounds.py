"""What rounds after the first cost and reach in ``iterate``: the network's hypotheses, or a search.

    python benchmarks/iterate_rounds.py PARTICLES.star --map MAP --compare MAP -o OUT
        [--ways rounds "K 64" "K 64 + search"] [--rounds 3] [-- more of iterate's options]

Round 1 is made once and shared; each way then goes on from it in a process of its own for each
round, whose CPU time (children included) is set against round 1's.  Prints a row of Markdown for
each round.  Rounds that are there already are not made again; their time is kept in OUT/times.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

WAYS: dict[str, tuple[str, ...]] = {
    "rounds": (),
    "K 64": ("--hypotheses", "64"),
    "K 128": ("--hypotheses", "128"),
    "K 64 + search": ("--hypotheses", "64", "--search"),
    "K 128 + search": ("--hypotheses", "128", "--search"),
}


def main() -> None:
    """Make the rounds of each way, and print their rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("star", type=Path)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--compare", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("more", nargs="*", help="options of iterate, after --")
    given = parser.parse_args()
    first = given.output / "first"
    make(given, first, 1, ())
    print("| way | round | CPU s | of round 1 | 0.143 | 0.5 | with the true map, 0.5 |")
    print("|---|---|---|---|---|---|---|")
    told = row("all", given, first, 1)
    for way in given.ways:
        folder = given.output / way.replace(" ", "")
        if not (folder / "round_01").exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copytree(first / "round_01", folder / "round_01")
        for number in range(2, given.rounds + 1):
            make(given, folder, number, WAYS[way])
            if not (folder / f"round_{number:02d}" / "round.json").exists():
                break  # it ended by itself
            told = row(way, given, folder, number)
    assert told


def make(given: argparse.Namespace, folder: Path, number: int, way: tuple[str, ...]) -> None:
    """Go on to a round, and add the CPU time that took to what was written down."""
    if (folder / f"round_{number:02d}" / "round.json").exists():
        return
    command = [sys.executable, "-m", "napari_cryoorient", "iterate", given.star]
    command += ["--map", given.map, "--compare", given.compare, "-o", folder]
    command += ["--rounds", number, *way, *given.more]
    before = spent()
    try:
        subprocess.run(
            [str(word) for word in command],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )
    finally:
        times = read_times(given.output)
        key = f"{folder.name} {number}"
        times[key] = times.get(key, 0.0) + spent() - before
        (given.output / "times.json").write_text(json.dumps(times, indent=1))


def spent() -> float:
    """Return the CPU time of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_times(output: Path) -> dict[str, float]:
    """Return what each round took so far."""
    path = output / "times.json"
    times: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    return times


def row(way: str, given: argparse.Namespace, folder: Path, number: int) -> str:
    """Print and return a round's row."""
    done = json.loads((folder / f"round_{number:02d}" / "round.json").read_text())
    times = read_times(given.output)
    seconds, of_first = times[f"{folder.name} {number}"], times["first 1"]
    figures = [
        "Nyquist" if done[name] is None else f"{done[name]:.2f}"
        for name in ("resolution_angstrom", "half_angstrom", "against_angstrom")
    ]
    parts = ", ".join(f"{k} {v:.0f}" for k, v in done["seconds_by_part"].items() if v >= 0.5)
    line = (
        f"| {way} | {number} | {seconds:.0f} | {seconds / of_first:.2f} | {' | '.join(figures)} |"
    )
    print(f"{line}    wall: {parts}", flush=True)
    return line


if __name__ == "__main__":
    main()
