"""The 101 real beta-galactosidase particles of EMPIAR-10061 against a map of model 5a1a.

    python benchmarks/real_bgal.py DATA [--steps 300] [--nulls 3]

DATA holds particles/empiar10061_bgal, maps and models/5a1a.pdb.gz.  The particles have no poses, so
only agreements can be told: of the images with the map against maps of the same power, support and
D2 symmetry but random phases; how strongly images hold their projections (1 where the gain is
right); of global search with a network trained on the map's projections and refinement; of a
reconstruction from the poses with the model, beside one from as many patches of background, which
shows what the search alone puts into it.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fast_accuracy import command

import napari_cryoorient as nc
from napari_cryoorient import DensityMap
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.local import LocalRefinement, RefinedPoses
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.star import read_star, write_star
from napari_cryoorient.stack.pairing import load_inputs

PIXEL, BOX, GROUP = 1.274, 192, "D2"
SUPPORT_PART, N_ROUNDS = 0.02, 40


def main() -> None:
    """Run all of it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--nulls", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    stack = options.data / "particles" / "empiar10061_bgal"
    star = stack / "particles_192_1.274A.star"
    model = nc.read_map(options.data / "models" / "5a1a.pdb.gz", pixel_size_angstrom=PIXEL, box=BOX)
    map_path = folder / "model.mrc"
    nc.write_map(map_path, model)

    found = searched(star, map_path)
    print(f"best correlation with the model: mean {found.correlation.mean():.3f}")
    for name, path in (
        ("model 5a1a", map_path),
        ("real map", options.data / "maps" / "bgal_real_D2_100px_3.54A.mrc"),
    ):
        by_search, by_refinement, moved = strengths(star, path)
        print(
            f"mean strength of poses over 0.9, {name}: search {by_search:.3f}, refine "
            f"{by_refinement:.3f}, which moves them by {moved:.2f} degrees (median)",
            flush=True,
        )
    for seed in range(options.nulls):
        path = folder / f"null{seed}.mrc"
        nc.write_map(path, DensityMap(null_map(model.voxels, seed), PIXEL))
        null = searched(star, path)
        share = (found.correlation > null.correlation).mean()
        print(
            f"  random phases {seed}: mean {null.correlation.mean():.3f}, beaten by {share:.1%} of "
            f"the particles; mean confidence {null.confidence.mean():.2f} "
            f"(model {found.confidence.mean():.2f})",
            flush=True,
        )

    like, against = ("--symmetry", GROUP), ("--map", map_path)
    by_search = folder / "search.star"
    command("search", star, *against, *like, "-o", by_search)
    run, by_network = folder / "run", folder / "network.star"
    command(
        *("train", star, *against, *like, "-o", run, "--labels", "simulated"),
        *("--steps", options.steps),
    )
    for name, flags in (("network alone", ()), ("network + refine", ("--refine", *against))):
        command("predict", star, "--run", run, *flags, "-o", by_network)
        report(f"{name} against search", by_network, by_search)
    sure = confident(by_search, 0.9)
    print(f"  particles the search gives a confidence over 0.9: {sure:.0%}")

    background = folder / "background.star"
    as_background(star, background)
    by_chance = folder / "background_search.star"
    contrast = ("--invert-contrast", "yes")
    flags = (*contrast, "--project-dir", stack)
    command("search", background, *against, *like, *flags, "-o", by_chance)
    for name, poses in (
        ("search", by_search),
        ("network + refine", by_network),
        ("background patches, search", by_chance),
    ):
        made = folder / f"{name}.mrc"
        command("reconstruct", poses, *like, *contrast, "--project-dir", stack, "-o", made)
        told = command("fsc", made, map_path, "--radius", 90)
        print(f"D2 reconstruction, {name}: {told}", flush=True)


def searched(star: Path, map_path: Path) -> FoundPoses:
    """Search all particles of a stack and say what was done about the contrast."""
    inputs = load_inputs(star, map_path)
    print(inputs.notes[-1])
    return found_with(ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu")))


def found_with(likelihood: ParticleLikelihood) -> FoundPoses:
    """Search all particles of a likelihood."""
    search = GlobalSearch(likelihood, symmetry_matrices(GROUP))
    return FoundPoses.joined(list(search.search(np.arange(len(likelihood.particles)))))


def strengths(star: Path, map_path: Path) -> tuple[float, float, float]:
    """Return how strongly images hold their projections: search, refinement, how far it moves."""
    inputs = load_inputs(star, map_path)
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
    found = found_with(likelihood)
    sure = found.confidence > 0.9
    refinement = LocalRefinement(likelihood, symmetry_matrices(GROUP))
    refinement.learn_amplitudes(found.rows, found.poses)
    refined = RefinedPoses.joined(list(refinement.refine(found.rows, found.poses)))
    by_search, by_refinement = (
        float(each.strengths.strength[sure].mean()) for each in (found, refined)
    )
    return by_search, by_refinement, refined.median_moved_deg


def null_map(voxels: np.ndarray, seed: int) -> np.ndarray:
    """Make a map of random phases with the radial power, the support and the D2 of another.

    The three are imposed by turns; power comes last.
    """
    box = voxels.shape[0]
    support = soft_support(voxels)
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.fft.fftfreq(box) * box] * 3)), axis=0)
    shells = np.rint(radius).astype(int)
    wanted = np.bincount(shells.ravel(), (np.abs(np.fft.fftn(voxels)) ** 2).ravel())
    made = np.random.default_rng(seed).standard_normal(voxels.shape)
    for _ in range(N_ROUNDS):
        made = symmetrised(made) * support
        transform = np.fft.fftn(made)
        power = np.bincount(shells.ravel(), (np.abs(transform) ** 2).ravel())
        made = np.fft.ifftn(transform * np.sqrt(wanted / np.maximum(power, 1e-30))[shells]).real
    return np.asarray(symmetrised(made), dtype=np.float32)


def symmetrised(voxels: np.ndarray) -> np.ndarray:
    """Average over two-fold axes along z, y and x through voxel N // 2."""
    turned = [np.roll(np.flip(voxels, axes), 1, axes) for axes in ((1, 2), (0, 2), (0, 1))]
    return np.asarray((voxels + sum(turned)) / 4)


def soft_support(voxels: np.ndarray) -> np.ndarray:
    """Return where a map blurred over 3 voxels is above a small part of its maximum."""
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(voxels, 3.0)
    return np.asarray(gaussian_filter((blurred > SUPPORT_PART * blurred.max()) * 1.0, 1.5))


def report(title: str, star: Path, other: Path) -> None:
    """Print how far two sets of poses are apart."""
    told = command("evaluate", star, other, "--symmetry", GROUP)
    print(
        f"{title}: within 10 degrees {told['fraction_under_10_deg']:.1%} (n {told['n']}), median "
        f"{told['median_deg']:.2f} deg, shifts {told['shift_median_angstrom']:.2f} A",
        flush=True,
    )


def confident(star: Path, threshold: float) -> float:
    """Return the share of particles whose confidence is over a threshold."""
    table = read_star(star).block("particles").table
    return float((table["rlnParticleFigureOfMerit"].astype(float) > threshold).mean())


def as_background(star: Path, out: Path) -> None:
    """Write a STAR file that names the patches of background in the place of the particles."""
    file = read_star(star)
    block = file.block("particles")
    names = block.table["rlnImageName"].astype(str).str.replace("particles_", "background_")
    write_star(file.with_block(replace(block, table=block.table.assign(rlnImageName=names))), out)


if __name__ == "__main__":
    main()
