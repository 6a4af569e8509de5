"""Rows of the table: an installed program is run on a stack in every way, its CPU time taken."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from realistic.ceiling import ceiling_scores
from realistic.conditions import Condition
from realistic.molecules import MOLECULES
from realistic.scores import Scores, scores_of
from realistic.stacks import Stack

WAYS = (
    "ceiling",
    "truth-refine",
    "search",
    "search-refine",
    "network",
    "hypotheses",
    "network-refine",
)
N_HYPOTHESES = 64
KEYS = ("program", "condition", "way", "seed", "n")
COLUMNS = (
    *KEYS,
    "use",
    "reference",
    *(field.name for field in fields(Scores)),
    "images_per_cpu_second",
    "said",
)


@dataclass(frozen=True)
class Program:
    """An installed command line; ``run`` is a folder with a trained network, for network rows."""

    name: str
    command: tuple[str, ...]
    run: Path | None = None


def program_of(words: str, run: Path | None) -> Program:
    """Read ``NAME=COMMAND WITH ARGUMENTS``."""
    name, equals, command = words.partition("=")
    if not equals or not command.strip():
        raise ValueError(f"--program is NAME=COMMAND, not {words}")
    return Program(name, tuple(shlex.split(command)), run)


def done_rows(path: Path) -> set[tuple[str, ...]]:
    """Return the keys of rows that a results file has."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {tuple(line[key] for key in KEYS) for line in csv.DictReader(file)}


def measure(
    program: Program, way: str, condition: Condition, stack: Stack, results: Path
) -> dict[str, object]:
    """Run a way, score what it wrote and append a line; a refusal is a line of its own."""
    scores = dict.fromkeys((field.name for field in fields(Scores)), float("nan"))
    if way == "ceiling":
        began, said = time.process_time(), ""
        scores |= ceiling_scores(stack, condition.molecule)
        seconds = time.process_time() - began
    else:
        with tempfile.TemporaryDirectory() as name:
            out = Path(name) / "poses.star"
            seconds, said = _run(program, way, stack, out)
            if out.exists():
                scores = asdict(scores_of(stack, out, MOLECULES[condition.molecule].group))
    line: dict[str, object] = {
        "program": program.name,
        "condition": condition.name,
        "way": way,
        "seed": condition.seed,
        "n": condition.n,
        "use": condition.use,
        "reference": condition.reference,
        **{key: f"{value:.4f}" for key, value in scores.items()},
        "images_per_cpu_second": f"{condition.n / seconds:.2f}",
        "said": said,
    }
    is_new = not results.exists()
    with results.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(line)
    return line


def _run(program: Program, way: str, stack: Stack, out: Path) -> tuple[float, str]:
    """Return CPU seconds of the last step and what it said; ``out`` is missing if it refused."""
    group = ["--symmetry", stack.symmetry]
    if way == "truth-refine":
        return _call(
            program, "refine", stack.truth_star, "--map", stack.reference, "-o", out, *group
        )
    if way == "search":
        return _call(program, "search", stack.star, "--map", stack.reference, "-o", out, *group)
    if way == "search-refine":
        first = stack.star.with_name("searched.star")  # beside the stack, so that paths hold
        try:
            searched, said = _call(
                program, "search", stack.star, "--map", stack.reference, "-o", first, *group
            )
            if not first.exists():
                return searched, said
            refined, said = _call(
                program, "refine", first, "--map", stack.reference, "-o", out, *group
            )
        finally:
            first.unlink(missing_ok=True)
        return searched + refined, said
    if program.run is None:
        raise ValueError(f"the way {way} needs a trained network: give --run")
    words: list[object] = [stack.star, "--run", program.run, "-o", out]
    if way == "hypotheses":
        words += ["--hypotheses", N_HYPOTHESES, "--no-search"]
    if way == "network-refine":
        words += ["--refine"]
    if way != "network":
        words += ["--map", stack.reference]
    return _call(program, "predict", *words)


def _call(program: Program, *words: object) -> tuple[float, str]:
    """Run the program in one thread; return the CPU seconds it and its children took."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*program.command, *map(str, words)],
            env=os.environ | threads,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        _, _, usage = os.wait4(process.pid, 0)
        log.seek(0)
        said = " ".join(log.read().split())
    return usage.ru_utime + usage.ru_stime, said[-600:]
