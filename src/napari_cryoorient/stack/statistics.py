"""What a stack looks like: its noise by frequency, and how strong the map's signal is in it.

The noise is read from the images' corners, outside the circle that touches the box, or where these
are empty, or smear the CTF that images were multiplied by, from how the power follows the defocus
(``spectra``); the signal is what the whole images hold beyond it, set against ``CTF^2`` times the
power of the map's projections.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import (
    at_radii,
    radial_mean_half_plane,
    radius_half_plane,
)
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import DensityMap, ParticleSet
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.projection.resample import (
    fourier_to_images,
    images_to_fourier,
)
from napari_cryoorient.stack.batches import ParticleBatches, outside_disc
from napari_cryoorient.stack.noise_variety import NoiseVariety, measured_variety
from napari_cryoorient.stack.spectra import (
    corners_are_empty,
    noise_by_defocus,
    part_with_noise,
    premultiplied_noise,
)

N_IMAGES = 512
# Images that show where a mask left noise.
N_TO_FIND_MASK = 64
# Views of a box of 128 pixels; rings of larger ones hold as many more frequencies each.
N_VIEWS, _VIEWS_BOX = 256, 128
# Pixels of images, or frequencies of views, that are transformed together: 64 of 256 pixels.
_TOGETHER, _MOST_TOGETHER = 1 << 22, 64
# A map is cropped to this box, or to the images' where that is larger, before it is projected.
WORKING_BOX = 64
# Images of so many times the power of most, or less by as much, are left out.
UNUSUAL = 16.0
# Corners are taken to hold noise alone where images hold less signal than this part of it.
FAINT = 0.25
# Where the images hold no power beyond their corners, the signal is taken to have this SNR.
ASSUMED_SNR = 0.05


@dataclass(frozen=True)
class StackStatistics:
    """Spectra by radius in Fourier pixels, ``(box // 2 + 1,)``, as mean squared coefficients.

    They are those of images cropped to ``box`` in Fourier space.  ``signal_power`` is that of the
    projections times ``gain``, before the CTF; ``gain`` turns the map's grey scale into the
    stack's.  ``snr`` compares variances over the whole image, within the band.
    ``are_corners_empty`` tells of images whose corners do not show their noise.  ``noise_transfer``
    is the mean square of what the noise was multiplied by: CTF^2 in premultiplied images, else 1.
    ``image_power`` is that of the images as they are.  ``noise_variety`` tells how the noise of
    images differs in shape.
    """

    box: int
    signal_power: Tensor
    noise_power: Tensor
    gain: float
    snr: float
    is_signal_seen: bool
    noise_transfer: Tensor
    image_power: Tensor
    are_corners_empty: bool = False
    noise_variety: NoiseVariety = field(default_factory=NoiseVariety.none)


@torch.no_grad()
def stack_statistics(
    density: DensityMap, particles: ParticleSet, box: int, *, n_images: int = N_IMAGES
) -> StackStatistics:
    """Measure a sample of a stack against a map of the same field of view, on the CPU.

    ``box`` is even and at most the stack's and the map's.
    """
    n = particles.box
    batches = ParticleBatches(particles, n, torch.device("cpu"), cache_bytes=0)
    rows = particles.spread_rows(n_images)
    projector = band_limited_projector(density, box)
    n_views = min(N_VIEWS, N_VIEWS * _VIEWS_BOX // box)
    views = random_rotations(n_views, torch.Generator().manual_seed(0))
    clean = torch.zeros(box, box // 2 + 1)
    for some in torch.split(views, _together(box)):
        clean += projector.fourier(some).abs().square().sum(0)
    del projector
    projection_power = radial_mean_half_plane(clean / n_views)[: box // 2 + 1]

    is_premultiplied = particles.ctf_state == "premultiplied"
    falling, rising = opposite_corners(n)
    area = float((falling | rising).float().mean())
    parts = []
    for part in np.array_split(rows, -(-len(rows) // _together(n))):
        images = batches.images(part)
        ctf = batches.ctf(part)
        squared = torch.ones(len(part), n, n // 2 + 1) if ctf is None else ctf.square()
        of_falling, of_rising = (
            images_to_fourier(images * corners) for corners in (falling, rising)
        )
        background = _power(of_falling + of_rising) / area
        of_each = (_power(of_falling) / area, _power(of_rising) / area)
        # The signal of premultiplied images saw the CTF twice, their noise once.
        once = ctf if ctf is not None and is_premultiplied else torch.ones_like(squared)
        transfers = (radial_mean_half_plane(each).double() for each in (squared, once))
        whole = _power(images_to_fourier(images))
        parts.append((whole, background, *of_each, *transfers))
    of_whole, of_noise, of_one, of_other, of_ctf, of_once = (
        torch.cat(each) for each in zip(*parts, strict=True)
    )
    usual = are_usual(of_whole) & are_usual(of_noise)
    if not usual.any():
        usual = are_usual(of_whole)
    to_box = (box / n) ** 4
    whole, noise, transferred = (
        each[usual].mean(0)[: box // 2 + 1]
        for each in (to_box * of_whole, to_box * of_noise, of_ctf)
    )
    noise = torch.minimum(noise, whole)
    are_empty = corners_are_empty(whole, noise)
    if are_empty or is_premultiplied:
        powers, squared_ctf, once = (
            each[usual][:, : box // 2 + 1] for each in (to_box * of_whole, of_ctf, of_once)
        )
        signal = projection_power.double()
        if is_premultiplied:
            noise = premultiplied_noise(powers, noise, (once, squared_ctf), signal)
        else:
            noise = noise_by_defocus(powers, squared_ctf, signal)
    variety = NoiseVariety.none()
    by_area = torch.arange(len(whole), dtype=whole.dtype)
    is_faint = float(by_area @ (whole - noise)) < FAINT * float(by_area @ noise)
    # Where it was multiplied by CTFs, these make it differ, and corners smear their zeros; strong
    # particles that reach into corners differ there themselves.
    if not are_empty and not is_premultiplied and is_faint:
        last = box // 2 + 1
        one, other = (each[usual][:, :last] for each in (of_one, of_other))
        half = 0.5 * of_noise[usual].mean(0)[:last]
        variety = measured_variety(one, other, half, (falling, rising))
    surplus_power = whole - noise
    if are_empty:
        # As strong as it was before the mask: its coefficients are no longer independent.
        shown = particles.spread_rows(N_TO_FIND_MASK)
        chunks = np.array_split(shown, -(-len(shown) // _together(n)))
        noise = noise / part_with_noise(batches.images(chunk) for chunk in chunks)

    expected = projection_power.double() * transferred
    band = slice(2, box // 2)
    counts = torch.arange(box // 2 + 1, dtype=torch.float64)[band]
    weight = counts / whole[band].clamp_min(float(whole.max()) * 1e-12).square()
    surplus = (weight * surplus_power[band] * expected[band]).sum()
    squared_gain = float(surplus / (weight * expected[band].square()).sum())
    in_band = torch.arange(box // 2 + 1, dtype=torch.float64)
    is_seen = squared_gain > 0.0
    if not is_seen:
        squared_gain = ASSUMED_SNR * float(
            (in_band * noise).sum() / (in_band * expected).sum().clamp_min(1e-300)
        )
    total_noise = float((in_band * noise).sum())
    total_signal = squared_gain * float((in_band * expected).sum())
    return StackStatistics(
        box=box,
        signal_power=(squared_gain * projection_power).float(),
        noise_power=noise.float(),
        gain=squared_gain**0.5,
        snr=total_signal / total_noise if total_noise > 0.0 else float("inf"),
        is_signal_seen=is_seen,
        noise_transfer=of_once[usual].mean(0)[: box // 2 + 1].float(),
        image_power=whole.float(),
        are_corners_empty=are_empty,
        noise_variety=variety,
    )


def opposite_corners(box: int) -> tuple[Tensor, Tensor]:
    """Return two masks ``(N, N)`` of two opposite corners each, outside the circle in the box."""
    axis = torch.arange(box) < box // 2
    is_falling = axis[:, None] == axis
    outside = outside_disc(box)
    return outside & is_falling, outside & ~is_falling


def _together(box: int) -> int:
    return max(1, min(_MOST_TOGETHER, _TOGETHER // box**2))


def band_limited_projector(density: DensityMap, box: int) -> Projector:
    """Return a projector of ``density`` that makes images of ``box`` pixels, on the CPU."""
    working_box = min(density.box, max(box, WORKING_BOX))
    return Projector(
        reference_volume(density, working_box),
        pixel_size_angstrom=density.pixel_size_angstrom * density.box / working_box,
        box=box,
    )


def _power(half_planes: Tensor) -> Tensor:
    """Return the power of transforms (k, N, N // 2 + 1) by radius, (k, N // 2 + 1)."""
    return radial_mean_half_plane(half_planes.abs().square()).double()


def are_usual(spectra: Tensor) -> Tensor:
    """Tell which of some images ``(n,)`` are as strong as most, from their spectra ``(n, r)``.

    One image of a hundred times the others' amplitude would be the mean of them all.
    """
    radius = torch.arange(spectra.shape[1], dtype=spectra.dtype)
    strength = spectra @ radius
    is_seen = torch.isfinite(strength) & (strength > 0)
    if not is_seen.any():
        return torch.ones(len(spectra), dtype=torch.bool)
    middle = strength[is_seen].median()
    found: Tensor = is_seen & (strength < UNUSUAL * middle) & (strength > middle / UNUSUAL)
    return found


def shaped_noise(
    n: int,
    noise_power: Tensor,
    box: int,
    generator: torch.Generator | None,
    part: slice = slice(None),
) -> Tensor:
    """Draw noise images ``(n, box, box)`` with the spectrum ``noise_power`` (box // 2 + 1,).

    Beyond the last radius the spectrum is constant.  Of all that are drawn ``part`` is returned.
    """
    device = noise_power.device
    white = torch.randn(n, box, box, generator=generator, device=device)[part]
    radius = radius_half_plane(box, device=device).clamp_max(box // 2)
    amplitude = at_radii(noise_power.clamp_min(0).sqrt() / box, radius)
    return fourier_to_images(images_to_fourier(white) * amplitude)
