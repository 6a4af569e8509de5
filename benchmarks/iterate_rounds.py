"""What rounds after the first cost and reach in ``iterate``: the network's hypotheses, or a search.

    python benchmarks/iterate_rounds.py PARTICLES.star --map MAP --compare MAP -o OUT
        [--ways rounds "K 64" "K 64 + search"] [--rounds 3] [-- more of iterate's options]

``search alone`` is the control: rounds without a network, a global search of every half-set against
its own half-map, then as in ``iterate``.  Round 1 is made once and shared; each way then goes on
from it in a process of its own for each round, whose CPU time (children included) is set against
round 1's.  Prints a row of Markdown for each round.  Rounds that are there already are not made
again; their time is kept in OUT/times.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

ALONE = "search alone"
WAYS: dict[str, tuple[str, ...]] = {
    ALONE: (),
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
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    parser.add_argument("more", nargs="*", help="options of iterate, after --")
    given = parser.parse_args()
    if given.alone is not None:
        search_alone(given, given.output, given.alone)
        return
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
    if folder.name == ALONE.replace(" ", ""):
        command = [sys.executable, __file__, given.star, "--map", given.map]
        command += ["--compare", given.compare, "-o", folder, "--alone", number]
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


def search_alone(given: argparse.Namespace, folder: Path, number: int) -> None:
    """Make a round by a global search, against the maps of the round before."""
    import numpy as np
    import torch

    from napari_cryoorient.alignment.likelihood import ParticleLikelihood
    from napari_cryoorient.alignment.search.found import FoundPoses
    from napari_cryoorient.alignment.search.global_search import GlobalSearch
    from napari_cryoorient.stack.pairing import load_inputs
    from napari_cryoorient.studies.iterate import rounds, stages

    torch.set_num_threads(1)
    here = rounds.round_folder(folder, number)
    rounds.next_reference(rounds.round_folder(folder, number - 1), here)
    stack = stages.Stack(given.star, given.star.parent, "C1", {"device": "cpu"})
    inputs = load_inputs(given.star, here / "reference.mrc", project_dir=given.star.parent)

    def searched(part, reference, group, device):  # type: ignore[no-untyped-def]  # noqa: ARG001
        search = GlobalSearch(ParticleLikelihood(part.density, part.particles, device), group)
        rows = np.arange(len(part.particles))
        search.learn_shifts(rows)
        found = FoundPoses.joined(list(search.search(rows)))
        return found.poses, found.confidence

    stages.in_parts(stack, here, inputs, searched)
    stages.reconstruct(stack, here)
    done = rounds.measure_round(here, number, {}, given.compare)
    (here / "round.json").write_text(json.dumps(asdict(done), indent=2))


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
