"""Make the tables and figures of docs/reproduction.md: the paper's, in this project's numbers.

    python benchmarks/reproduction.py --ribosome MAP --bgal MAP --t20s MAP -o OUT
    python benchmarks/reproduction.py -o OUT               (particles made from code instead)
    python benchmarks/reproduction.py --full -o OUT        (a GPU or several; hours on one)

Each study is one of the program's own commands, printed before it runs; what is finished is kept,
so the script goes on where it stopped.  Without --full: box 32, 1500 images, 150 steps of the fast
preset with a quaternion (100 in the cross-validation), on a CPU.  With --full: the paper's data
sets, sizes and recipe.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import napari_cryoorient as nc
from napari_cryoorient import TrainConfig
from napari_cryoorient.figures import save_fsc
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.star import read_star, write_poses
from napari_cryoorient.particles import Floats
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.studies.pictures import save_figure_against_w
from napari_cryoorient.studies.results import Row
from napari_cryoorient.training.split import split_of

SNR_VALUES = "none,1.0,0.7,0.4,0.1"


@dataclass(frozen=True)
class Molecule:
    """A data set of the paper and what stands in for it when things are kept small."""

    name: str
    label: str
    dataset: str
    symmetry: str
    noise_w: str
    fold_w: str
    shift: tuple[str, ...] = ()


MOLECULES = (
    Molecule("ribosome", "ribosome (C1)", "10028-simu", "C1", "0.8", "0.2,0.8"),
    Molecule("bgal", "beta-galactosidase (D2)", "10061-simu", "D2", "0.1", "0.0,0.8"),
    Molecule("t20s", "T20S (D7)", "10025-simu", "D7", "0.0", "0.0,0.8", ("--shift-sigma", "5")),
)
STUDIES = ("sweep", "noise", "folds", "representations")
FOLDED = ("ribosome", "t20s")  # cross-validated where things are kept small
RECONSTRUCTED, RECONSTRUCTED_W = "t20s", (0.0, 0.4, 0.8)


def run(*arguments: object) -> None:
    """Run one of the program's commands; its own words are the log."""
    words = [str(a) for a in arguments]
    print(f"\n$ napari-cryoorient {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "napari_cryoorient", *words], check=True)


def simulate(m: Molecule, path: Path | None, folder: Path, full: bool) -> None:
    """Make the stack, unless it is there."""
    if (folder / "particles.star").is_file():
        return
    source = [] if path is None else [path]
    if full:
        run("simulate", *source, "--dataset", m.dataset, "-o", folder)
    else:
        size = ("--n", 1500, "--box", 32, "--seed", 1)
        run("simulate", *source, "-o", folder, *size, *m.shift, "--symmetry", m.symmetry)


def study(m: Molecule, out: Path, full: bool, settings: list[str], kinds: list[str]) -> None:
    """Carry out the studies of one molecule."""
    here = out / m.name
    stack = (here / "data" / "particles.star", "--map", here / "data" / "map.mrc")
    if "sweep" in kinds:
        run("sweep", *stack, "-o", here / "sweep", *settings)
    shifts = ("--shift-sigma", 5) if m.shift else ()
    n = 8000 if full else 1500
    noise = ("--n", n, *shifts, "--snr-values", SNR_VALUES, "--w", m.noise_w)
    if "noise" in kinds:
        run("noise-study", here / "data" / "map.mrc", "-o", here / "noise", *noise, *settings)
    if "folds" in kinds and (full or m.name in FOLDED):
        fewer = ("--w-values", m.fold_w)
        shorter = [s if full else s.replace("150", "100") for s in settings]
        run("cross-validate", *stack, "-o", here / "folds", *fewer, *shorter)
    if "representations" in kinds and m.name == "ribosome":
        # The paper's rates for its own recipe; for the fast one, the same ratios about its own.
        rates = () if full else ("--learning-rates", "4e-3,2e-3,4e-4")
        rest = [s for s in settings if s not in ("--representation", "quaternion")]
        names = ("--representations", "quaternion,axis-angle,6d")
        run("representation-study", *stack, "-o", here / "representations", *names, *rates, *rest)


def reconstruct(m: Molecule, here: Path) -> list[tuple[str, Path]]:
    """Back-project the test images from true and predicted poses; return FSC curves by label.

    The comparison is with the reconstruction from the true poses, as in the paper's figure 11.
    """
    folder = here / "reconstructions"
    star_path = here / "data" / "particles.star"
    star, true = read_star(star_path), read_pose_table(star_path)
    assert true.poses is not None
    _, rows = split_of(len(true.names), TrainConfig())
    curves = []
    for label, path in [("true", star_path)] + [
        (f"w {w:g}", here / "sweep" / "runs" / f"w{w:.2f}" / "poses.star") for w in RECONSTRUCTED_W
    ]:
        stem = label.replace(" ", "")
        poses = read_pose_table(path).poses
        assert poses is not None
        # Beside the stack, which image names in it are relative to.
        subset = here / "data" / f"test-{stem}.star"
        write_poses(star, poses[rows], subset, rows=rows)
        density = folder / f"{stem}.mrc"
        run("reconstruct", subset, "-o", density, "--symmetry", m.symmetry)
        if label != "true":
            table = folder / f"{stem}-fsc.csv"
            run("fsc", density, folder / "true.mrc", "--csv", table)
            curves.append((label, table))
    return curves


def read_rows(path: Path) -> list[Row]:
    """Read a study's table, numbers as numbers."""
    rows = []
    with path.open() as file:
        for line in csv.DictReader(file):
            row: Row = dict(line)
            for name, value in line.items():
                try:
                    row[name] = float(value)
                except ValueError:
                    row[name] = value or None
            rows.append(row)
    return rows


def fsc_curve(table: Path) -> tuple[Floats, Floats]:
    """Read frequencies and correlations."""
    rows = read_rows(table)
    columns = ("frequency_per_angstrom", "fsc")
    frequency, fsc = (np.array([float(r[c] or 0.0) for r in rows]) for c in columns)
    return frequency, fsc


def copy_small(source: Path, target: Path) -> None:
    """Copy a picture with few colours and at most 1000 pixels across, for the repository."""
    from PIL import Image

    picture = Image.open(source).convert("RGB")
    picture.thumbnail((1000, 1000))
    picture.quantize(64).save(target, optimize=True)


def collect(out: Path, images: Path, curves: list[tuple[str, Path]]) -> None:
    """Copy the pictures under the names that the document uses, and print the tables."""
    images.mkdir(parents=True, exist_ok=True)
    series: dict[str | None, list[Row]] = {}
    for m in MOLECULES:
        table = out / m.name / "sweep" / "table.csv"
        if table.is_file():
            series[m.label] = read_rows(table)
    save_figure_against_w(images / "figure-3.png", series, angles=False)
    pictures = {
        "figure-4-{}": "sweep/best.png",
        "figure-5-{}": "folds/rmse.png",
        "figure-8-10-{}": "noise/examples.png",
        "table-3-{}": "representations/rmse.png",
    }
    for m in MOLECULES:
        for name, source in pictures.items():
            if (path := out / m.name / source).is_file():
                copy_small(path, images / f"{name.format(m.name)}.png")
        for path in sorted((out / m.name / "folds").glob("curves-w*.png")):
            w = path.stem.removeprefix("curves-")
            copy_small(path, images / f"figure-6-7-{m.name}-{w}.png")
        for kind in ("sweep", "noise", "representations", "folds"):
            path = out / m.name / kind / ("summary.csv" if kind == "folds" else "table.csv")
            if path.is_file():
                print(f"\n{m.label}, {kind}\n{path.read_text()}")
    if curves:
        target = images / "figure-11.png"
        save_fsc(target, {label: fsc_curve(path) for label, path in curves})
        copy_small(target, target)


def made_map(m: Molecule, folder: Path) -> Path:
    """Write a particle made from code, of the same symmetry, and return its path."""
    path = folder / "made-map.mrc"
    nc.write_map(path, demo_density(64, 4.0, symmetry=m.symmetry))
    return path


def main() -> None:
    """Carry out the studies, reconstruct, and collect tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for m in MOLECULES:
        parser.add_argument(f"--{m.name}", type=Path, help="map or atomic model")
    parser.add_argument("-o", "--output", type=Path, default=Path("reproduction"))
    parser.add_argument("--images", type=Path, default=Path("docs/images/reproduction"))
    parser.add_argument("--full", action="store_true", help="the paper's sizes and recipe")
    parser.add_argument("--jobs", type=int, help="runs side by side, on one GPU too")
    parser.add_argument("--weights", help="start of the paper's network, as train takes it")
    parser.add_argument("--molecules", nargs="+", default=[m.name for m in MOLECULES])
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--collect", action="store_true", help="only tables and figures")
    given = parser.parse_args()
    settings = ["--preset", "paper"]
    if not given.full:
        settings = ["--representation", "quaternion", "--steps", "150", "--precision", "float32"]
    if given.weights is not None:
        settings += ["--weights", given.weights]
    if given.jobs is not None:
        settings += ["--jobs", str(given.jobs)]
    chosen_ones = [m for m in MOLECULES if m.name in given.molecules]
    for m in chosen_ones if not given.collect else ():
        path = getattr(given, m.name)
        if path is None and not given.full:
            path = made_map(m, given.output / m.name)
        simulate(m, path, given.output / m.name / "data", given.full)
        study(m, given.output, given.full, settings, given.studies)
    curves = []
    for m in chosen_ones:
        if m.name == RECONSTRUCTED and (given.output / m.name / "sweep" / "table.csv").is_file():
            curves = reconstruct(m, given.output / m.name)
    collect(given.output, given.images, curves)


if __name__ == "__main__":
    main()
