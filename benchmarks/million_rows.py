"""Memory and time of a STAR file with a million rows: read, searched in part, written again.

    python benchmarks/million_rows.py [--n 1000000] [--folder DIR]

Simulates a stack of 2000 images (box 64) and makes a STAR file whose rows name them over and over,
with 22 columns as RELION writes them. Each part is a process of its own, and its peak memory is
what the system says of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from fast_accuracy import command, made_map

N_IMAGES = 2000
READ = """
import sys, time
from napari_cryoorient.io.star import read_particles, write_poses
began = time.process_time()
particles, star = read_particles(sys.argv[1])
read = time.process_time() - began
if len(sys.argv) > 2:
    write_poses(star, particles.poses, sys.argv[2])
print(f'{{"cpu_s": {read:.1f}, "cpu_s_with_writing": {time.process_time() - began:.1f}}}')
"""


def main() -> None:
    """Make the files, run the parts, and print one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    few = folder / "few" / "particles.star"
    if not few.exists():
        common = ("--n", N_IMAGES, "--box", 64, "--snr", 0.1, "--shift-sigma", 5)
        command("simulate", made_map(folder), "-o", folder / "few", *common)
    many = folder / "few" / "many.star"
    if not many.exists():
        write_many(few, many, given.n)
    program = [sys.executable, "-m", "napari_cryoorient"]
    density = ["--map", str(folder / "few" / "map.mrc")]
    out = ["-o", str(folder / "out.star"), "--json"]
    report("read", [sys.executable, "-c", READ, str(many)])
    report("read and write", [sys.executable, "-c", READ, str(many), str(folder / "again.star")])
    report(
        "search --subset 500", [*program, "search", str(many), *density, "--subset", "500", *out]
    )
    report("export relion30", [*program, "export", str(many), "--format", "relion30", *out])


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


def report(name: str, line: list[str]) -> None:
    """Run a command to its end and print what it took."""
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(line)} failed")
    result = {"what": name, "peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 3)}
    result["whole_cpu_s"] = round(usage.ru_utime + usage.ru_stime, 1)
    print(json.dumps(result | json.loads(output.splitlines()[-1])), flush=True)


if __name__ == "__main__":
    main()
