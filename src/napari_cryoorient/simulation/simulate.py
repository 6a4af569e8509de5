"""Simulated particles, ``X = CTF * projection(R, t) + noise`` (Lian et al. 2022, eq. 2 and 3).

Poses are uniform on SO(3) whatever the symmetry of the map.  The signal-to-noise ratio is the
variance of the signal, CTF included, over the whole image, divided by that of the white Gaussian
noise; the noise is as strong in every image.  Grey values are those of the map, so that the
noiseless part is exactly what projecting ``map.mrc`` at the STAR file's poses gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.aberrations import Lenses
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import new_particle_star, write_star
from napari_cryoorient.particles import (
    CtfParameters,
    DensityMap,
    Floats,
    Images,
    Integers,
    Poses,
    median_of_faces,
)
from napari_cryoorient.projection.ctf import ctf_half_plane
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.projection.resample import fourier_crop_volume, lowpass, refuse_coarse
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.simulation import layout
from napari_cryoorient.stack.chunks import Stopped

PIXELS_PER_CHUNK = 2**21  # 512 images of 64 pixels: tens of megabytes
IMAGES_FOR_SNR = 1024  # the variance of the signal is measured on so many of the images, to 1%
ROTATIONS_FOR_SYMMETRY = 16
BOX_FOR_SYMMETRY = 64  # finer detail costs time and tells no more
WEAK_SYMMETRY = 0.95  # a 70S ribosome, which has none, reaches 0.88 at 8 A pixels


@dataclass(frozen=True)
class Microscope:
    """What the contrast transfer of simulated particles is drawn from."""

    defocus_um: tuple[float, float] = (1.0, 2.5)
    """Mean defocus is uniform in this range."""
    astigmatism_um: float = 0.04
    """Half the difference between both defoci is uniform from 0 to half of this."""
    voltage_kv: float = 300.0
    spherical_aberration_mm: float = 2.7
    amplitude_contrast: float = 0.1


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate.

    ``snr`` None is noiseless; ``microscope`` None leaves the CTF out; shifts in x and in y are the
    sum of a normal one, sigma ``shift_sigma_angstrom``, and one uniform within
    ``shift_range_angstrom`` of 0.
    """

    n: int = 1000
    snr: float | None = None
    microscope: Microscope | None = Microscope()
    shift_sigma_angstrom: float = 0.0
    shift_range_angstrom: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Simulation:
    """The truth about simulated particles, and how strong their noise is."""

    density: DensityMap
    poses: Poses
    ctf: CtfParameters | None
    noise_sigma: float
    seed: int


def working_map(
    density: DensityMap, box: int | None = None, lowpass_angstrom: float | None = None
) -> DensityMap:
    """Bring a map to a box and low-pass it.

    A smaller box is a Fourier crop: the field of view stays, the pixels grow. A larger one is
    padded with the median of the map's faces: the pixels stay, the field of view grows.

    Raises:
        InputError: for a box that is odd or too small, or a low-pass finer than the pixels allow.

    """
    target = density.box if box is None else box
    if target < 16 or target % 2:
        raise InputError(f"The box must be even and at least 16 pixels, not {target}.")
    voxels = torch.tensor(density.voxels, dtype=torch.float32)
    pixel_size = density.pixel_size_angstrom
    if target > density.box:
        before = target // 2 - density.box // 2
        after = target - density.box - before
        voxels = torch.nn.functional.pad(
            voxels, (before, after) * 3, value=median_of_faces(density.voxels)
        )
    elif target < density.box:
        voxels = fourier_crop_volume(voxels, target)
        pixel_size *= density.box / target
    if lowpass_angstrom is not None:
        if lowpass_angstrom < 2 * pixel_size:
            raise InputError(
                f"A low-pass at {lowpass_angstrom:g} A is finer than the {2 * pixel_size:.2f} A "
                f"that pixels of {pixel_size:.2f} A hold; choose a larger value or a larger box."
            )
        refuse_coarse("low-pass", lowpass_angstrom, target * pixel_size)
        voxels = lowpass(voxels, lowpass_angstrom, pixel_size, n_dimensions=3)
    return replace(
        density, voxels=voxels.numpy().astype(np.float32), pixel_size_angstrom=pixel_size
    )


def draw_simulation(
    density: DensityMap, settings: SimulationSettings, device: torch.device | None = None
) -> Simulation:
    """Draw poses and contrast transfer, and settle the noise from the signal they give."""
    half_field = density.box * density.pixel_size_angstrom / 2
    if settings.shift_sigma_angstrom > half_field:
        raise InputError(
            f"Shifts of {settings.shift_sigma_angstrom:g} A (a standard deviation) lead out of the "
            f"images, whose half edge is {half_field:.4g} A; choose smaller ones."
        )
    generator = torch.Generator().manual_seed(settings.seed)
    rotations = random_rotations(settings.n, generator, dtype=torch.float64).numpy()
    shift_rng = _random_stream(settings.seed, "shifts")
    shifts = shift_rng.normal(size=(settings.n, 2)) * settings.shift_sigma_angstrom
    shifts += shift_rng.uniform(-1.0, 1.0, size=(settings.n, 2)) * settings.shift_range_angstrom
    simulation = Simulation(
        density,
        Poses(rotations, shifts),
        None
        if settings.microscope is None
        else _draw_ctf(settings, _random_stream(settings.seed, "ctf")),
        noise_sigma=0.0,
        seed=settings.seed,
    )
    if settings.snr is None:
        return simulation
    rows = np.linspace(0, settings.n - 1, min(settings.n, IMAGES_FOR_SNR)).astype(np.int64)
    sample = replace(
        simulation,
        poses=simulation.poses[rows],
        ctf=None if simulation.ctf is None else simulation.ctf[rows],
    )
    variances = [
        images.var(axis=(1, 2), dtype=np.float64) for images in simulated_images(sample, device)
    ]
    signal_variance = float(np.concatenate(variances).mean())
    return replace(simulation, noise_sigma=float(np.sqrt(signal_variance / settings.snr)))


def simulated_images(
    simulation: Simulation, device: torch.device | None = None
) -> Iterator[Images]:
    """Yield the images ``(k, N, N)``, chunk by chunk; the noise does not depend on the chunks."""
    rng = _random_stream(simulation.seed, "noise")
    density = simulation.density
    projector = projector_of(density, device)
    chunk = max(1, PIXELS_PER_CHUNK // density.box**2)
    for start in range(0, len(simulation.poses), chunk):
        rows = slice(start, start + chunk)
        ctf = None if simulation.ctf is None else simulation.ctf[rows]
        images = project_chunk(projector, simulation.poses[rows], ctf)
        if simulation.noise_sigma > 0:
            noise = rng.standard_normal(images.shape, dtype=np.float32)
            images = images + np.float32(simulation.noise_sigma) * noise
        yield images


def projector_of(density: DensityMap, device: torch.device | None = None) -> Projector:
    """Make the projector of a map, in single precision."""
    volume = reference_volume(density).to(device)
    return Projector(volume, pixel_size_angstrom=density.pixel_size_angstrom)


def project_chunk(projector: Projector, poses: Poses, ctf: CtfParameters | None) -> Images:
    """Project at every pose, through the CTF when given: ``(k, N, N)`` float32."""
    device = projector.transform.device
    rotations, shifts = (
        torch.as_tensor(values, dtype=torch.float32, device=device)
        for values in (poses.rotations, poses.shifts_angstrom)
    )
    transfer: Tensor | None = None
    if ctf is not None:
        transfer = ctf_half_plane(ctf, projector.box, projector.pixel_size_angstrom, device=device)
    with torch.no_grad():
        return np.asarray(projector(rotations, shifts, transfer).cpu().numpy(), dtype=np.float32)


class Projections:
    """The projections of a map at poses as an image source: made when they are read."""

    def __init__(self, density: DensityMap, poses: Poses) -> None:
        self._projector = projector_of(density)
        self._poses = poses

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self._projector.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self._projector.pixel_size_angstrom

    def __len__(self) -> int:
        return len(self._poses)

    def read(self, indices: Integers) -> Images:
        """Project at poses ``indices``: ``(k, box, box)``."""
        return project_chunk(self._projector, self._poses[np.asarray(indices)], None)


def symmetry_agreement(density: DensityMap, symmetry: str, *, seed: int = 0) -> float:
    """Correlate projections at equivalent poses: 1 for a map with exactly this symmetry.

    Raises:
        InputError: for a symmetry no group is known of.

    """
    group = symmetry_matrices(symmetry).to(torch.float32)
    if len(group) == 1:
        return 1.0
    rotations = random_rotations(ROTATIONS_FOR_SYMMETRY, torch.Generator().manual_seed(seed))
    projector = projector_of(working_map(density, max(16, min(density.box, BOX_FOR_SYMMETRY))))
    with torch.no_grad():
        first = projector(rotations).flatten(1)
        first = first - first.mean(1, keepdim=True)
        worst = 1.0
        for operation in group:
            other = projector(rotations @ operation.T).flatten(1)
            other = other - other.mean(1, keepdim=True)
            correlation = torch.cosine_similarity(first, other, dim=1).mean()
            worst = min(worst, float(correlation))
    return worst


def symmetry_doubt(symmetry: str, agreement: float) -> str | None:
    """Return a sentence for a map whose ``symmetry_agreement`` is poor, else None."""
    if agreement >= WEAK_SYMMETRY:
        return None
    return (
        f"the map is not {symmetry} on RELION's axes: its projections at equivalent poses "
        f"correlate by {agreement:.2f} only; check --symmetry, or turn the map to these axes."
    )


def write_simulation(
    simulation: Simulation,
    folder: Path,
    *,
    device: torch.device | None = None,
    reporter: Reporter = SILENT,
) -> Path:
    """Write ``map.mrc``, ``particles.mrcs`` and, last, ``particles.star``; return the STAR file.

    Memory does not grow with the number of particles. Interrupted or stopped while images are made,
    it leaves no file, and those of an earlier simulation as they were.  Raises Stopped.
    """
    density, n = simulation.density, len(simulation.poses)
    stack, path = folder / layout.STACK, folder / layout.STAR
    _write_stack(simulated_images(simulation, device), stack, n, density, reporter)
    write_map(density, folder / layout.MAP)
    star = new_particle_star(
        stack.name,
        simulation.poses,
        box=density.box,
        pixel_size_angstrom=density.pixel_size_angstrom,
        ctf=simulation.ctf,
    )
    write_star(star, path)
    return path


def write_projections(
    density: DensityMap,
    poses: Poses,
    ctf: CtfParameters | None,
    path: Path,
    *,
    device: torch.device | None = None,
    reporter: Reporter = SILENT,
    lenses: Lenses | None = None,
) -> None:
    """Write the noiseless projections of a map at every pose, through the CTF when given.

    ``lenses`` are what the images were taken with: shifts are those in the images they make.
    """
    if lenses is not None:
        poses = Poses(poses.rotations, lenses.ideal_shifts(poses.shifts_angstrom))
    exact = Simulation(density, poses, ctf, noise_sigma=0.0, seed=0)
    chunks = simulated_images(exact, device)
    if lenses is not None:
        chunks = lenses.distorting(chunks, density.pixel_size_angstrom)
    _write_stack(chunks, path, len(poses), density, reporter)


def _write_stack(
    chunks: Iterator[Images], path: Path, n: int, density: DensityMap, reporter: Reporter
) -> None:
    with StackWriter(path, n, density.box, density.pixel_size_angstrom) as writer:
        for images in reported(chunks, n, reporter):
            writer.append(images)


def reported(chunks: Iterator[Images], n: int, reporter: Reporter) -> Iterator[Images]:
    """Yield images, and tell after each chunk how many of ``n`` are done; may raise Stopped."""
    done = 0
    for images in chunks:
        yield images
        done += len(images)
        reporter.progress(done, n)
        if reporter.should_stop():
            raise Stopped


def _random_stream(seed: int, purpose: str) -> np.random.Generator:
    """Give every purpose its own stream, so that one does not shift another."""
    return np.random.default_rng([seed, *purpose.encode()])


def _draw_ctf(settings: SimulationSettings, rng: np.random.Generator) -> CtfParameters:
    """Draw defocus and astigmatism; the rest is the microscope's."""
    microscope, n = settings.microscope or Microscope(), settings.n
    mean = rng.uniform(*microscope.defocus_um, size=n) * 1e4
    half_difference = rng.uniform(0, microscope.astigmatism_um / 2, size=n) * 1e4

    def constant(value: float) -> Floats:
        return np.full(n, value, dtype=np.float64)

    return CtfParameters(
        defocus_u_angstrom=mean + half_difference,
        defocus_v_angstrom=mean - half_difference,
        defocus_angle_deg=rng.uniform(0, 180, size=n),
        phase_shift_deg=constant(0.0),
        voltage_kv=constant(microscope.voltage_kv),
        spherical_aberration_mm=constant(microscope.spherical_aberration_mm),
        amplitude_contrast=constant(microscope.amplitude_contrast),
        b_factor_angstrom2=constant(0.0),
        scale=constant(1.0),
    )
