"""A stack made to a condition: clean images by RELION, all else by NumPy, kept in a folder.

The folder holds ``particles.star`` (no poses), ``truth.star`` (with them), ``particles.mrcs``,
``truth.npz`` and the reference as ``reference-KIND.mrc``.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from scipy.spatial.transform import Rotation

from realistic.conditions import Condition
from realistic.fourier import contrast_transfer, cropped, from_fourier, radius, to_fourier
from realistic.molecules import MOLECULES, blobs, fine_map, write_reference, write_volume
from realistic.world import Optics, Sources, coloured_noise, draw_optics, draw_rotations

FINENESS = 1.5  # the projected map is at least so much finer than the particles
FINEST_VOXEL_ANGSTROM, LARGEST_FINE_BOX = 2.0, 400
PARTICLE, NOISE, PROTEIN, BLOBS = range(4)
BACKGROUND_PART = 0.9  # pixels beyond this part of half a box are background to normalise by
MASK_PART, MASK_EDGE_PART = 0.92, 0.08


@dataclass(frozen=True)
class Stack:
    """Files of a stack; ``kinds`` is 0 for particles, ``rotations`` are RELION's A."""

    folder: Path
    star: Path
    truth_star: Path
    reference: Path
    symmetry: str
    kinds: np.ndarray
    rotations: np.ndarray
    shifts_angstrom: np.ndarray


def stack_of(condition: Condition, sources: Sources, cache: Path) -> Stack:
    """Return a condition's stack, made where the cache has none."""
    folder = cache / condition.folder_name
    if not (folder / "truth.npz").exists():
        unfinished = folder.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make_stack(condition, sources, unfinished)
        unfinished.rename(folder)
    reference = folder / f"reference-{condition.reference}.mrc"
    if not reference.exists():
        fine, other = (np.load(folder / f"{name}.npy") for name in ("fine", "other"))
        write_reference(
            reference, condition.reference, fine, other, condition.box, condition.pixel_angstrom
        )
    truth = np.load(folder / "truth.npz")
    return Stack(
        folder,
        folder / "particles.star",
        folder / "truth.star",
        reference,
        MOLECULES[condition.molecule].symmetry,
        truth["kinds"],
        truth["rotations"],
        truth["shifts_angstrom"],
    )


def fine_grid(condition: Condition) -> tuple[int, float]:
    """Return box and voxel of the projected map: the particles' field of view, finer."""
    field = condition.box * condition.pixel_angstrom
    box = max(condition.box * FINENESS, min(field / FINEST_VOXEL_ANGSTROM, LARGEST_FINE_BOX))
    box = 2 * int(np.ceil(box / 2))
    return box, field / box


def make_stack(condition: Condition, sources: Sources, folder: Path) -> None:
    """Make images, tables and truth of a condition in ``folder``."""
    c, rng = condition, np.random.default_rng(condition.seed)
    fine_box, voxel = fine_grid(c)
    others = [name for name in MOLECULES if name != c.molecule]
    models = sources.data / "models"
    fine = fine_map(models / MOLECULES[c.molecule].file, fine_box, voxel)
    other = _first_that_fits([models / MOLECULES[name].file for name in others], fine_box, voxel)
    np.save(folder / "fine.npy", fine)
    np.save(folder / "other.npy", other)

    optics = draw_optics(sources, c.n, rng)
    turns = draw_rotations(c.views, sources, c.n, rng)  # S, image to map
    shifts = rng.normal(size=(c.n, 2)) * c.shift_sigma_angstrom
    if c.shift_disc_angstrom > 0:
        angle, reach = rng.uniform(0, 2 * np.pi, c.n), np.sqrt(rng.uniform(0, 1, c.n))
        shifts = c.shift_disc_angstrom * (reach * np.stack([np.cos(angle), np.sin(angle)])).T
    kinds = np.where(rng.uniform(size=c.n) < c.junk_part, rng.integers(1, 4, c.n), PARTICLE)

    clean = np.zeros((c.n, c.box, c.box), dtype=np.float32)
    for kind, volume in (
        (PARTICLE, fine),
        (PROTEIN, other),
        (BLOBS, blobs(fine_box, fine, c.seed)),
    ):
        rows = np.flatnonzero(kinds == kind)
        if len(rows):
            projected = _projected(folder, volume, voxel, turns, shifts, optics, rows)
            clean[rows] = cropped(projected, c.box, 2)
            clean[rows] *= np.sqrt(c.snr / clean[rows].var((1, 2)).mean())

    n_micrographs = int(optics.micrograph.max()) + 1
    levels = _spread(c.noise_spread, n_micrographs, rng)[optics.micrograph]
    gains = _spread(c.gain_spread, n_micrographs, rng)[optics.micrograph]
    greys = rng.uniform(c.grey_low, c.grey_high, c.n)
    noise, power = _noise(c, sources, optics, rng)
    noise_scale = gains * np.sqrt(levels)
    images = clean * (greys * gains)[:, None, None] + noise * noise_scale[:, None, None]
    images, factors = _processed(images, c, optics)
    with mrcfile.new(folder / "particles.mrcs") as file:
        file.set_data(images.astype(np.float32))
        file.set_image_stack()
        file.voxel_size = c.pixel_angstrom
    angles = turns.as_euler("ZYZ", degrees=True)
    _write_star(folder / "particles.star", c, optics, None)
    _write_star(folder / "truth.star", c, optics, np.hstack([angles, -shifts]))
    np.savez(
        folder / "truth.npz",
        kinds=kinds,
        rotations=np.swapaxes(turns.as_matrix(), 1, 2),
        shifts_angstrom=shifts,
        noise_power=power * (noise_scale * factors)[:, None] ** 2,
        signal_scale=greys * gains * factors,
        micrograph=optics.micrograph,
        defocus=np.stack([optics.defocus_u, optics.defocus_v, optics.angle_deg], axis=1),
    )


def _noise(
    c: Condition, sources: Sources, optics: Optics, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw noise ``(n, box, box)`` of variance 1; return the power of each image by shell too."""
    kinds = ("spectrum", "white") if c.noise == "two spectra" else (c.noise,)
    drawn = [coloured_noise(kind, sources, c.n, c.box, c.pixel_angstrom, rng) for kind in kinds]
    which = optics.micrograph % len(drawn)
    noise = np.choose(which[:, None, None], [images for images, _ in drawn])
    return noise, np.stack([power for _, power in drawn])[which]


def _first_that_fits(paths: list[Path], box: int, voxel: float) -> np.ndarray:
    for path in paths:
        try:
            return fine_map(path, box, voxel)
        except ValueError:
            continue
    raise ValueError("no other molecule fits the field of view")


def _projected(
    folder: Path,
    volume: np.ndarray,
    voxel: float,
    turns: Rotation,
    shifts: np.ndarray,
    optics: Optics,
    rows: np.ndarray,
) -> np.ndarray:
    """Return RELION's projections ``(k, N, N)`` of a map, CTF included."""
    write_volume(folder / "projected.mrc", volume, voxel)
    angles = turns.as_euler("ZYZ", degrees=True)[rows]
    table = np.hstack([angles, -shifts[rows]])
    _write_table(folder / "ask.star", len(volume), voxel, optics, rows, table, "x.mrcs", False)
    command = ["relion_project", "--i", "projected.mrc", "--ang", "ask.star", "--o", "projections"]
    subprocess.run(
        [*command, "--ctf", "--angpix", f"{voxel:.6f}"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with mrcfile.open(folder / "projections.mrcs") as file:
        images = np.array(file.data, dtype=np.float32).reshape(-1, len(volume), len(volume))
    for name in ("projected.mrc", "ask.star", "projections.mrcs", "projections.star"):
        (folder / name).unlink()
    return images


def _spread(factor: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw factors between 1 / factor and factor, even in their logarithm."""
    return np.exp(rng.uniform(-1, 1, n) * np.log(factor))


def _processed(
    images: np.ndarray, condition: Condition, optics: Optics
) -> tuple[np.ndarray, np.ndarray]:
    """Normalise, mask or premultiply images; return what each was multiplied by too."""
    c = condition
    distance = radius(c.box) / (c.box / 2)
    factors = np.ones(len(images))
    if c.is_normalised:
        background = images[:, distance > BACKGROUND_PART]
        factors = 1 / background.std(1)
        images = (images - background.mean(1)[:, None, None]) * factors[:, None, None]
    if c.is_premultiplied:
        ctf = contrast_transfer(
            c.box,
            c.pixel_angstrom,
            optics.defocus_u,
            optics.defocus_v,
            optics.angle_deg,
            voltage_kv=optics.voltage_kv,
            cs_mm=optics.cs_mm,
            amplitude_contrast=optics.amplitude_contrast,
        )
        images = from_fourier(to_fourier(images, 2) * ctf, 2)
    if c.is_masked:
        edge = np.clip((distance - MASK_PART) / MASK_EDGE_PART + 0.5, 0, 1)
        images = images * (0.5 + 0.5 * np.cos(np.pi * edge))
    scales = np.where(_group_of(c, optics) == 1, 1.0, c.second_scale)
    return images * scales[:, None, None], factors * scales


def _group_of(c: Condition, optics: Optics) -> np.ndarray:
    """Return the optics group of each particle: every second micrograph's, of joined stacks."""
    return 1 + optics.micrograph % 2 * (c.second_scale != 1.0)


def _write_star(path: Path, c: Condition, optics: Optics, poses: np.ndarray | None) -> None:
    rows, groups = np.arange(c.n), _group_of(c, optics)
    _write_table(
        path, c.box, c.pixel_angstrom, optics, rows, poses, "particles.mrcs", c.is_premultiplied,
        groups,
    )  # fmt: skip


def _write_table(
    path: Path,
    box: int,
    pixel: float,
    optics: Optics,
    rows: np.ndarray,
    poses: np.ndarray | None,
    stack: str,
    is_premultiplied: bool,
    groups: np.ndarray | None = None,
) -> None:
    """Write a RELION 3.1 STAR of ``rows``; ``poses`` ``(k, 5)`` are angles and origins (A).

    ``groups`` are the optics groups, from 1 on, of each row; all are of one by default.
    """
    groups = np.ones(len(rows), dtype=int) if groups is None else groups
    names = [
        "rlnImageName",
        "rlnMicrographName",
        "rlnDefocusU",
        "rlnDefocusV",
        "rlnDefocusAngle",
        "rlnOpticsGroup",
    ]
    if poses is not None:
        names += [
            "rlnAngleRot",
            "rlnAngleTilt",
            "rlnAnglePsi",
            "rlnOriginXAngst",
            "rlnOriginYAngst",
        ]
    optics_names = [
        "rlnOpticsGroup",
        "rlnOpticsGroupName",
        "rlnVoltage",
        "rlnSphericalAberration",
        "rlnAmplitudeContrast",
        "rlnImagePixelSize",
        "rlnImageSize",
        "rlnImageDimensionality",
    ]
    values = f"{optics.voltage_kv:g} {optics.cs_mm:g} {optics.amplitude_contrast:g}"
    values += f" {pixel:.6f} {box} 2"
    if is_premultiplied:
        optics_names.append("rlnCtfDataAreCtfPremultiplied")
        values += " 1"
    lines = ["# version 30001", "", "data_optics", "", "loop_"]
    lines += [f"_{name} #{i + 1}" for i, name in enumerate(optics_names)]
    lines += [f"{group} optics{group} {values}" for group in range(1, int(groups.max()) + 1)]
    lines += ["", "# version 30001", "", "data_particles", "", "loop_"]
    lines += [f"_{name} #{i + 1}" for i, name in enumerate(names)]
    for i, row in enumerate(rows):
        line = (
            f"{i + 1:06d}@{stack} mic{optics.micrograph[row]:05d}.mrc {optics.defocus_u[row]:.2f} "
            f"{optics.defocus_v[row]:.2f} {optics.angle_deg[row]:.3f} {groups[i]}"
        )
        if poses is not None:
            line += "".join(f" {value:.6f}" for value in poses[i])
        lines.append(line)
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
