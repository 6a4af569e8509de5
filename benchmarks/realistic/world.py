"""What real data lend to a stack: defocus of micrographs, viewing directions, spectra of noise.

The folder ``data`` is the project's (CRYOORIENT_DATA); ``assets`` is the folder ``recovar/assets``
of the source archive of recovar 1.0.5, whose licence is for academic use: nothing of it is kept.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from scipy.spatial.transform import Rotation

from realistic.fourier import cropped, radius, shell_means, to_fourier

PER_MICROGRAPH = 10
BACKGROUND = Path("particles/empiar10061_bgal/background_192_1.274A.mrcs")
BACKGROUND_PIXEL_ANGSTROM = 1.274
# The assets' noise spectrum belongs to EMPIAR-10076 at this field of view.
SPECTRUM_FIELD_ANGSTROM = 256 * 1.6375


@dataclass(frozen=True)
class Sources:
    """Where real data lie; without ``assets`` there are no preferred views."""

    data: Path
    assets: Path | None = None


@dataclass(frozen=True)
class Optics:
    """Microscope and defocus of each particle ``(n,)``, and the micrograph it lies in."""

    micrograph: np.ndarray
    defocus_u: np.ndarray
    defocus_v: np.ndarray
    angle_deg: np.ndarray
    voltage_kv: float
    cs_mm: float
    amplitude_contrast: float


def draw_optics(sources: Sources, n: int, rng: np.random.Generator) -> Optics:
    """Take the defocus of as many real micrographs as hold ``n`` particles."""
    real = np.load(sources.data / "ctf" / "empiar10028_ctf.npz")
    columns = ("defocus_u_angstrom", "defocus_v_angstrom", "defocus_angle_deg")
    micrographs = np.unique(np.stack([real[name] for name in columns], axis=1), axis=0)
    chosen = rng.choice(len(micrographs), max(1, n // PER_MICROGRAPH), replace=False)
    of = np.sort(rng.integers(0, len(chosen), n))
    u, v, angle = micrographs[chosen].astype(np.float64)[of].T
    voltage, cs, contrast = (
        float(real[name][0]) for name in ("voltage_kv", "cs_mm", "amplitude_contrast")
    )
    return Optics(of, u, v, angle, voltage, cs, contrast)


def draw_rotations(
    kind: str, sources: Sources, n: int, rng: np.random.Generator
) -> Rotation:  # of RELION's S: image frame to map frame
    """Draw rotations, all alike or those of real particles (EMPIAR-10180)."""
    if kind == "uniform":
        return Rotation.random(n, rng=rng)
    if sources.assets is None:
        raise ValueError("preferred views come from the assets: give --assets")
    with (sources.assets / "poses_10180.pkl").open("rb") as file:
        matrices = pickle.load(file)[0]
    rows = rng.choice(len(matrices), n, replace=False)
    return Rotation.from_matrix(np.swapaxes(matrices[rows], 1, 2))


def background_patches(sources: Sources) -> np.ndarray:
    """Return real background ``(k, N, N)``, each of mean 0 and all of variance 1."""
    with mrcfile.open(sources.data / BACKGROUND) as file:
        patches = np.array(file.data, dtype=np.float32)
    patches -= patches.mean((1, 2), keepdims=True)
    return patches / patches.std()


def noise_spectrum(sources: Sources, frequency: np.ndarray) -> np.ndarray:
    """Return the power of real noise at frequencies in 1/A, of any scale.

    That of EMPIAR-10076 where there are assets, else of real background of EMPIAR-10061.
    """
    if sources.assets is not None:
        with (sources.assets / "noise_10076.pkl").open("rb") as file:
            power = np.asarray(pickle.load(file), dtype=np.float64)
        power[0] = power[1]
        field = SPECTRUM_FIELD_ANGSTROM
    else:
        patches = background_patches(sources)
        power = shell_means(np.abs(to_fourier(patches, 2)) ** 2).mean(0)
        power[0] = power[1]
        field = patches.shape[-1] * BACKGROUND_PIXEL_ANGSTROM
    return np.interp(frequency, np.arange(len(power)) / field, power)


def coloured_noise(
    kind: str,
    sources: Sources,
    n: int,
    box: int,
    pixel_angstrom: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw noise ``(n, box, box)`` of variance 1; return its power by shell too.

    ``patches`` are real ones, turned by right angles, mirrored and moved round, Fourier-cropped.
    """
    if kind == "patches":
        patches = background_patches(sources)
        factor = pixel_angstrom / BACKGROUND_PIXEL_ANGSTROM
        if abs(factor * box - patches.shape[-1]) > 0.01:
            raise ValueError("patches need the field of view of the real background")
        small = cropped(patches, box, 2)
        chosen = small[rng.integers(0, len(small), n)]
        turns, mirrors = rng.integers(0, 4, n), rng.integers(0, 2, n)
        moves = rng.integers(0, box, (n, 2))
        noise = np.stack(
            [
                np.roll(np.rot90(image[:, :: -1 if mirror else 1], turn), move, (0, 1))
                for image, turn, mirror, move in zip(chosen, turns, mirrors, moves, strict=True)
            ]
        )
        noise /= small.std()
        return noise, shell_means(np.abs(to_fourier(noise, 2)) ** 2).mean(0)
    shells = np.arange(box // 2 + 1) / (box * pixel_angstrom)
    frequency = radius(box) / (box * pixel_angstrom)
    flat = np.ones_like(frequency)
    power = flat if kind == "white" else noise_spectrum(sources, frequency)
    scale = 1 / power.mean()
    noise = rng.standard_normal((n, box, box), dtype=np.float32)
    amplitude = np.fft.ifftshift(np.sqrt(power * scale)).astype(np.float32)
    coloured = np.fft.ifft2(np.fft.fft2(noise) * amplitude).real.astype(np.float32)
    by_shell = np.ones_like(shells) if kind == "white" else noise_spectrum(sources, shells)
    return coloured, by_shell * scale * box**2
