"""Is a confidence of 0.7 right seven times out of ten?  Search, refinement, a network with it.

    python benchmarks/calibration.py MAP[:SYMMETRY[:RUN]] ... --snr 0.1 0.03 0.02 0.01 -o OUT

For each map and SNR particles are simulated (box 64, CTF, shifts of 5 A) and searched; refined from
starts of 5 degrees and 3 A r.m.s. off, a quarter of them anywhere; and, where a RUN is named,
predicted, refined and, where doubtful, searched.  Writes OUT.csv (a line a particle and way) and
OUT.png; with ``--from OUT.csv`` the figure is drawn again, of several files too.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

import napari_cryoorient as nc
from napari_cryoorient import ArrayImages, DensityMap, ParticleSet, Poses
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.confidence import confidence_of
from napari_cryoorient.alignment.refine.local import LocalRefinement, RefinedPoses
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.rotations import random_rotations, rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.networks.prediction import collect, predict
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    simulated_images,
    working_map,
)
from napari_cryoorient.stack.pairing import Contrast, PairedInputs
from napari_cryoorient.tasks.refine import polish
from napari_cryoorient.training.checkpoint import network_of_checkpoint, read_checkpoint

CPU = torch.device("cpu")
BOX, START_DEG, START_ANGSTROM, PART_ANYWHERE = 64, 5.0, 3.0, 0.25
EDGES = np.linspace(0.0, 1.0, 11)
SHOWN = 10
WAYS = {
    "search": "Global search",
    "refine": "Refinement alone",
    "network": "Network and refinement",
}
Line = tuple[str, str, str, float, float]


def main() -> None:
    """Collect, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", nargs="*", metavar="MAP[:SYMMETRY[:RUN]]")
    parser.add_argument("--snr", type=float, nargs="+", default=[0.1, 0.03, 0.02, 0.01])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--from", dest="earlier", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    lines: list[Line] = []
    for path in options.earlier:
        with path.open(newline="") as file:
            lines += [(m, s, w, float(c), float(e)) for m, s, w, c, e in csv.reader(file)]
    for number, words in enumerate(options.maps):
        path, symmetry, run = [*words.split(":"), "", ""][:3]
        density = working_map(nc.read_map(Path(path)), BOX)
        for snr in options.snr:
            seed = options.seed + 100 * number
            lines += of_stack(Path(path).stem, density, symmetry or "C1", run, snr, options.n, seed)
            with options.output.with_suffix(".csv").open("w", newline="") as file:
                csv.writer(file).writerows(lines)
    tell(lines)
    draw(lines, options.output.with_suffix(".png"))


def of_stack(
    name: str, density: DensityMap, symmetry: str, run: str, snr: float, n: int, seed: int
) -> list[Line]:
    """Return (map, SNR, way, confidence, error in degrees) of every particle in every way."""
    group = symmetry_matrices(symmetry)
    rows = np.arange(n, dtype=np.int64)
    settings = SimulationSettings(n=n, snr=snr, shift_sigma_angstrom=5.0, seed=seed)
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    particles = ParticleSet(
        ArrayImages(images, density.pixel_size_angstrom), simulation.poses, simulation.ctf, rows * 0
    )
    likelihood = ParticleLikelihood(density, particles, CPU)
    found = FoundPoses.joined(list(GlobalSearch(likelihood, group).search(rows)))
    told = {"search": (found.poses, found.confidence)}
    refinement = LocalRefinement(likelihood)
    parts = list(refinement.refine(rows, astray(simulation.poses, seed)))
    refined = RefinedPoses.joined(parts)
    told["refine"] = (refined.poses, confidence_of(refinement, refined, group))
    if run:
        state = read_checkpoint(Path(run) / "checkpoint.pt")
        network = network_of_checkpoint(state, CPU)
        predicted = collect(predict(network, particles, box=int(state["box"]), device=CPU))
        assert predicted is not None
        inputs = PairedInputs(particles, density, Contrast(0.0, 0.0), False, ())
        polished = polish(
            inputs, predicted.poses(None), group, CPU, network_confidence=predicted.confidence
        )
        told["network"] = (polished.poses, polished.confidence)
    lines: list[Line] = []
    for way, (poses, confidence) in told.items():
        errors = pose_errors(poses, simulation.poses, group).angles_deg
        print(
            f"{name}, SNR {snr:g}, {way}: right {np.mean(errors < 10):.3f}, confidence "
            f"{confidence.mean():.3f}, expected calibration error "
            f"{expected_error(confidence, errors < 10):.3f}",
            flush=True,
        )
        lines += [
            (name, f"{snr:g}", way, float(c), float(e))
            for c, e in zip(confidence, errors, strict=True)
        ]
    return lines


def astray(poses: Poses, seed: int) -> Poses:
    """Turn and shift poses at random, and put a part of them anywhere."""
    generator = torch.Generator().manual_seed(seed)
    n = len(poses)
    vectors = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    turns = rotation_vector_to_matrix(vectors * math.radians(START_DEG) / math.sqrt(3))
    rotations = (turns @ torch.from_numpy(poses.rotations)).numpy()
    anywhere = torch.rand(n, generator=generator).numpy() < PART_ANYWHERE
    rotations[anywhere] = random_rotations(n, generator).double().numpy()[anywhere]
    off = torch.randn(n, 2, generator=generator, dtype=torch.float64).numpy()
    return Poses(rotations, poses.shifts_angstrom + START_ANGSTROM / math.sqrt(2) * off)


def bins(confidence: np.ndarray, is_right: np.ndarray) -> list[tuple[float, float, int]]:
    """Return mean confidence, share that is right, and count of each bin that is not empty."""
    of = np.minimum(np.digitize(confidence, EDGES) - 1, len(EDGES) - 2)
    return [
        (float(confidence[of == b].mean()), float(is_right[of == b].mean()), int((of == b).sum()))
        for b in np.unique(of)
    ]


def expected_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """Return the mean over particles of how far their bin is from what it says."""
    return sum(abs(c - r) * n for c, r, n in bins(confidence, is_right)) / len(confidence)


def pooled(lines: list[Line], way: str) -> tuple[np.ndarray, np.ndarray]:
    """Return confidence and whether right of all particles of a way."""
    of_way = [(c, e < 10) for _, _, w, c, e in lines if w == way]
    return np.array([c for c, _ in of_way]), np.array([r for _, r in of_way])


def tell(lines: list[Line]) -> None:
    """Print the bins of each way, all maps and SNRs together."""
    for way, title in WAYS.items():
        confidence, is_right = pooled(lines, way)
        if not len(confidence):
            continue
        error = expected_error(confidence, is_right)
        print(f"{title}: {len(confidence)} particles, expected calibration error {error:.3f}")
        told = [f"{c:.2f}: {r:.2f} ({n})" for c, r, n in bins(confidence, is_right)]
        print("  " + "; ".join(told))


def draw(lines: list[Line], path: Path) -> None:
    """Draw a reliability curve for each way, a line for each map, counts below."""
    ways = [way for way in WAYS if len(pooled(lines, way)[0])]
    figure, axes = plt.subplots(
        2, len(ways), figsize=(4 * len(ways), 5), height_ratios=(3, 1), sharex=True, squeeze=False
    )
    for column, way in enumerate(ways):
        above, below = axes[:, column]
        above.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        above.fill_between([0, 1], [-0.1, 0.9], [0.1, 1.1], color="0.92", linewidth=0)
        for name in dict.fromkeys(line[0] for line in lines):
            mine = [line for line in lines if line[0] == name]
            confidence, is_right = pooled(mine, way)
            if not len(confidence):
                continue
            shown = [b for b in bins(confidence, is_right) if b[2] >= SHOWN]
            above.plot(*zip(*[b[:2] for b in shown], strict=True), marker="o", ms=3, label=name)
        confidence, is_right = pooled(lines, way)
        error = expected_error(confidence, is_right)
        above.set(title=f"{WAYS[way]}\nexpected error {error:.3f}", xlim=(0, 1), ylim=(0, 1))
        below.hist(confidence, EDGES, color="0.5")
        below.set(yscale="log", xlabel="confidence")
        if column == 0:
            above.set_ylabel("share within 10\N{DEGREE SIGN}")
            below.set_ylabel("particles")
            above.legend(fontsize=6, frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
