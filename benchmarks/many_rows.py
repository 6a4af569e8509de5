"""Memory and time of STAR files with millions of rows: read, written again, a worker's part.

    python benchmarks/many_rows.py [--n 1000000 3000000] [--folder DIR] [--picture FILE.png]
                                   [--merge predict search] [--again] [--commands] [--stacks 100000]
                                   [--only imports read write worker]

Simulates a stack of 2000 images (box 64) and makes STAR files whose rows name them over and over,
with 22 columns as RELION writes them. Each part is a process of its own, and its peak memory is
what the system says of it. ``--commands`` runs ``search --subset`` and ``export`` on the first
file too; ``--merge`` runs whole commands over parts that lie finished in their folder but for the
first, whose results stand for all.  ``--picture`` draws memory against rows, from all that was ever
measured in the folder (``figures.jsonl``); with ``--only`` and no word nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from fast_accuracy import command, made_map

from napari_cryoorient.io.stacks import StackWriter

N_IMAGES = 2000
A_RANGE = 10_000  # rows that a worker gets at a time
IMPORTS = "import torch, napari_cryoorient.io.star; print('{}')"
READ = """
import sys, time
import torch
from napari_cryoorient.io.star import read_particles, write_poses
began = time.monotonic()
particles, star = read_particles(sys.argv[1])
read = time.monotonic() - began
if len(sys.argv) > 2:
    write_poses(star, particles.poses, sys.argv[2])
print(f'{{"read_s": {read:.1f}, "write_s": {time.monotonic() - began - read:.1f}}}')
"""
SEND = """
import pickle, sys
import numpy as np
from napari_cryoorient.cluster.select_images import arrays_of
from napari_cryoorient.io.star import read_particles
particles, _ = read_particles(sys.argv[1])
rows = np.arange(len(particles) - int(sys.argv[3]), len(particles))
with open(sys.argv[2], "wb") as file:
    pickle.dump(arrays_of(particles, rows), file)
print("{}")
"""
TAKE = """
import os, pickle, sys
import torch
with open(sys.argv[1], "rb") as file:
    particles = pickle.load(file)
particles.images.read(range(100))
print(f'{{"rows": {len(particles)}, "sent_mb": {os.path.getsize(sys.argv[1]) / 1e6:.2f}}}')
"""

# A command whose ranges are all like the first, so that what is measured is all that is not work
# on images: reading, cutting, sending, keeping, merging and writing.
ALIKE = """
import json, os, pickle, sys, time
import numpy as np
from napari_cryoorient.cluster import commands
class Alike:
    device = None
    def work(self, shards, should_stop):
        yield 0
        first = None
        for shard in shards:
            pickle.dumps(shard)
            if first is None:
                shard.do()
                with np.load(shard.path) as file:
                    first = dict(file)
            elif not shard.path.exists():
                n = len(shard.rows)
                np.savez(shard.path, **{k: v[:n] for k, v in first.items()} | {"rows": shard.rows})
            yield len(shard.rows)
commands.LocalExecutor = Alike
from napari_cryoorient.cli import main
sys.argv[0] = "napari-cryoorient"
sys.exit(main())
"""


def main() -> None:
    """Make the files, run the parts, and print one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[1_000_000, 3_000_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--commands", action="store_true")
    parser.add_argument("--stacks", type=int, help="also a STAR that names so many stacks")
    parser.add_argument("--merge", nargs="*", default=[], choices=("predict", "search"))
    parser.add_argument("--again", action="store_true", help="merge alone, too")
    parser.add_argument("--only", nargs="*", default=["imports", "read", "write", "worker"])
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    few = folder / "few" / "particles.star"
    if not few.exists():
        common = ("--n", N_IMAGES, "--box", 64, "--snr", 0.1, "--shift-sigma", 5)
        command("simulate", made_map(folder), "-o", folder / "few", *common)
    python, figures = [sys.executable, "-c"], folder / "figures.jsonl"
    if "imports" in given.only:
        report("imports", [*python, IMPORTS], figures)
    out, sent = str(folder / "again.star"), str(folder / "sent.pickle")
    for n in given.n:
        many = folder / "few" / f"{n}.star"
        if not many.exists():
            write_many(few, many, n)
        if "read" in given.only:
            report(f"read {n}", [*python, READ, str(many)], figures)
        if "write" in given.only:
            report(f"read and write {n}", [*python, READ, str(many), out], figures)
        if "worker" in given.only:
            report(f"send a range of {n}", [*python, SEND, str(many), sent, str(A_RANGE)], figures)
            report(f"worker {n}", [*python, TAKE, sent], figures)
        for task in given.merge:
            merge(task, many, folder, figures, is_again=given.again)
    if given.commands:
        run_commands(folder, folder / "few" / f"{given.n[0]}.star")
    if given.stacks is not None:
        stacks = str(many_stacks(folder, given.stacks))
        report(f"read {given.stacks} stacks", [*python, READ, stacks], figures)
    if given.picture is not None:
        draw(figures, given.picture)


def many_stacks(folder: Path, n: int) -> Path:
    """Write ``n`` stacks of one image of 16 pixels each, and the STAR that names them."""
    stacks = folder / "stacks"
    star = stacks / "particles.star"
    if star.exists():
        return star
    stacks.mkdir(parents=True, exist_ok=True)
    with StackWriter(stacks / "first.mrcs", 1, 16, 2.0) as writer:
        writer.append(np.random.default_rng(0).normal(size=(1, 16, 16)))
    content = (stacks / "first.mrcs").read_bytes()
    head = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnImagePixelSize #2\n"
    names = ["AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst"]
    head += "".join(f"_rln{name} #{i}\n" for i, name in enumerate(names, start=3))
    with star.open("w") as file:
        file.write(head)
        for i in range(n):
            (stacks / f"{i:06d}.mrcs").write_bytes(content)
            file.write(f"000001@{i:06d}.mrcs 2.0 {i % 360}.0 10.0 20.0 0.0 0.0\n")
    return star


def merge(task: str, many: Path, folder: Path, figures: Path, *, is_again: bool) -> None:
    """Let a command make all parts but the first alike and merge them; merge them again."""
    few = folder / "few"
    words = [task, str(many), "-o", str(folder / "merged.star"), "--json", "--device", "cpu"]
    words += ["--parts", str(folder / f"{task}-{many.stem}")]
    if task == "predict":
        run = folder / "run"
        if not run.exists():
            star = few / "particles.star"
            command("train", star, "--map", few / "map.mrc", "-o", run, "--steps", 5)
        words += ["--run", str(run)]
    else:
        words += ["--map", str(few / "map.mrc")]
    report(f"{task} {many.stem}", [sys.executable, "-c", ALIKE, *words], figures)
    if is_again:
        line = [sys.executable, "-m", "napari_cryoorient", *words]
        report(f"{task}, merge alone {many.stem}", line, figures)


def run_commands(folder: Path, many: Path) -> None:
    """Run two whole commands on a file."""
    program = [sys.executable, "-m", "napari_cryoorient"]
    density = ["--map", str(folder / "few" / "map.mrc")]
    out = ["-o", str(folder / "out.star"), "--json"]
    report(
        "search --subset 500", [*program, "search", str(many), *density, "--subset", "500", *out]
    )
    report("export relion30", [*program, "export", str(many), "--format", "relion30", *out])


def draw(figures: Path, path: Path) -> None:
    """Draw peak memory against rows."""
    from matplotlib.figure import Figure

    measured = {each["what"]: each for each in map(json.loads, figures.read_text().splitlines())}
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    lines = {
        "search": ("search: cut, merge, write", "v-"),
        "predict": ("predict: cut, merge, write", "s-"),
        "read and write": ("read and write", "d-"),
        "read": ("read", "o-"),
        "worker": ("a worker", "^-"),
    }
    for name, (label, style) in lines.items():
        points = []
        for what, each in measured.items():
            begin, _, n = what.rpartition(" ")
            if begin == name:
                points.append((int(n) / 1e6, each["peak_gb"]))
        if points:
            axes.plot(*zip(*sorted(points), strict=True), style, label=label)
    base = measured["imports"]["peak_gb"]
    axes.axhline(2.0, color="grey", linestyle="--", linewidth=1, label="target at 3 million")
    axes.axhline(base, color="grey", linestyle=":", linewidth=1, label="Python with torch")
    axes.set(xlabel="rows (millions)", ylabel="peak memory (GB)", ylim=(0, 2.9), xlim=(0, None))
    axes.legend(loc="upper left", frameon=False, ncols=2, fontsize="small")
    figure.savefig(path, dpi=120)


def write_many(few: Path, many: Path, n: int) -> None:
    """Write a STAR of ``n`` rows: those of ``few`` again and again, with more columns."""
    lines = few.read_text().split("\n")
    rows = [line for line in lines if "@" in line]
    head = lines[: lines.index(rows[0])]
    first = sum(line.startswith("_rln") for line in head[head.index("data_particles") :])
    names = ["MicrographName", "CoordinateX", "CoordinateY", "NormCorrection", "RandomSubset"]
    names += ["ClassNumber", "LogLikeliContribution", "MaxValueProbDistribution", "GroupNumber"]
    head += [f"_rln{name} #{first + 1 + i}" for i, name in enumerate(names)]
    values = np.random.default_rng(0).uniform(0, 4000, (len(rows), 2))
    with many.open("w") as file:
        file.write("\n".join(head) + "\n")
        for start in range(0, n, len(rows)):
            file.writelines(
                f"{row} MotionCorr/job002/Movies/{start // 500:06d}_frames.mrc {x:12.6f} {y:12.6f} "
                f"    0.987654 {i % 2 + 1} 1 {1e5 + start + i:12.6e}     0.543210 {start // 5000}\n"
                for i, (row, (x, y)) in enumerate(zip(rows, values, strict=True))
                if start + i < n
            )


def report(name: str, line: list[str], figures: Path | None = None) -> None:
    """Run a command to its end, print what it took, and keep that in a file of figures."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=said, text=True)
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            raise SystemExit(f"{' '.join(line)} failed: {said.read().strip()[-500:]}")
    result: dict[str, Any] = {"what": name, "peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 3)}
    result["whole_s"] = round(time.monotonic() - began, 1)
    result["whole_cpu_s"] = round(usage.ru_utime + usage.ru_stime, 1)
    result |= json.loads(output.splitlines()[-1])
    print(json.dumps(result), flush=True)
    if figures is not None:
        with figures.open("a") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
