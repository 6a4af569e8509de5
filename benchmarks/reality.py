"""How search and refinement do on stacks that are nearer to real ones than the project's own.

    python benchmarks/reality.py make --cache CACHE [--only NAME ...]
    python benchmarks/reality.py run --cache CACHE --results OUT.csv
        --program new="napari-cryoorient" [--ways search ...]
        [--program old="env PYTHONPATH=OLD/src python -m napari_cryoorient"]
    python benchmarks/reality.py table --results OUT.csv
    python benchmarks/reality.py targets --results OUT.csv
    python benchmarks/reality.py list

Images are made by ``relion_project`` from a map finer than the reference and everything else by
NumPy (``benchmarks/realistic``): nothing is shared with inference.  --data (or CRYOORIENT_DATA)
is the folder of real maps, models, CTFs and background; --assets (or CRYOORIENT_ASSETS) the folder
recovar/assets of the source archive of recovar 1.0.5, for preferred views and the noise spectrum of
EMPIAR-10076; without it the spectrum is that of EMPIAR-10061's background.  Programs are run by
turns on each stack, a line a run is appended, and lines that are there already are not made again.

CPU time is that of the whole program, start included.  Ways: ceiling (a climb from the true pose in
the whole band stays, and is the likeliest found: of this checkout, whatever the program),
truth-refine (``refine`` from the true poses), search, search-refine, network (``predict``),
hypotheses (``predict --hypotheses 64 --no-search``), network-refine (``predict --refine``); the
last three need --run, a folder that ``train`` wrote.  ``targets`` says which rows miss what.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from realistic.conditions import CONDITIONS, Condition
from realistic.rows import WAYS, done_rows, measure, program_of
from realistic.scores import as_table
from realistic.stacks import stack_of
from realistic.targets import as_targets
from realistic.world import Sources


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["list", "make", "run", "table", "targets"])
    parser.add_argument("--data", type=Path, default=os.environ.get("CRYOORIENT_DATA"))
    parser.add_argument("--assets", type=Path, default=os.environ.get("CRYOORIENT_ASSETS"))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--program", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--run", type=Path, help="a trained network, for the ways with one")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS[:4]))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="conditions; all by default")
    parser.add_argument("--n", type=int, help="images a stack, instead of the table's 250")
    parser.add_argument("--use", choices=["fit", "test"])
    parser.add_argument("--again", action="store_true", help="measure what is there already")
    options = parser.parse_args()
    if options.what == "list":
        for condition in CONDITIONS.values():
            print(f"{condition.use:5} {condition.name}")
    elif options.what == "table":
        print(as_table(pd.read_csv(options.results)))
    elif options.what == "targets":
        print(as_targets(pd.read_csv(options.results)))
    elif options.data is None or options.cache is None:
        parser.error("--data (or CRYOORIENT_DATA) and --cache are needed")
    elif options.what == "make":
        sources = Sources(Path(options.data), options.assets and Path(options.assets))
        for condition in chosen(options):
            stack = stack_of(condition, sources, options.cache)
            print(f"{condition.name}: {stack.folder} ({stack.reference.name})", flush=True)
    elif options.results is None or not options.program:
        parser.error("--results and --program are needed")
    else:
        run(options)


def chosen(options: argparse.Namespace) -> Iterator[Condition]:
    """Yield the conditions that were asked for."""
    names = options.only or list(CONDITIONS)
    for name in names:
        if name not in CONDITIONS:
            raise SystemExit(f"no condition {name}; see: reality.py list")
        condition = CONDITIONS[name]
        if options.use in (None, condition.use):
            yield condition if options.n is None else replace(condition, n=options.n)


def run(options: argparse.Namespace) -> None:
    """Measure every condition in every way with every program, the programs by turns."""
    sources = Sources(Path(options.data), options.assets and Path(options.assets))
    programs = [program_of(words, options.run) for words in options.program]
    done = set() if options.again else done_rows(options.results)
    for condition in chosen(options):
        for way in options.ways:
            for program in programs:
                key = (program.name, condition.name, way, str(condition.seed), str(condition.n))
                if key in done:
                    continue
                stack = stack_of(condition, sources, options.cache)
                line = measure(program, way, condition, stack, options.results)
                print(
                    f"{condition.name}, {way}, {program.name}: median {line['median_deg']}, under "
                    f"10 {line['under_10']}, ECE {line['calibration_error']}, sure and right "
                    f"{line['right_when_sure']}, {line['images_per_cpu_second']} images a CPU "
                    "second",
                    flush=True,
                )


if __name__ == "__main__":
    main()
