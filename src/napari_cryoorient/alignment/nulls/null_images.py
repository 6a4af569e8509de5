"""Images without the molecule, one for each of some particles.

Where the corners of a stack show its background, images are laid out with pieces of them and given
the background's power by frequency.  Elsewhere the particles' own phases are drawn anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import (
    at_radii,
    radial_mean_half_plane,
    radius_half_plane,
)
from napari_cryoorient.particles import ArrayImages, Integers, ParticleSet
from napari_cryoorient.projection.resample import fourier_to_images, images_to_fourier
from napari_cryoorient.stack.batches import ParticleBatches, outside_disc

NullKind = Literal["background", "phase-randomised"]
# The largest square in a corner, outside the circle that touches the box, has this part of its
# edge.
CORNER_PART = (1 - 2**-0.5) / 2


@torch.no_grad()
def null_particles(
    particles: ParticleSet, rows: Integers, seed: int, *, kind: NullKind
) -> ParticleSet:
    """Return particles ``rows`` with images that show nothing, CTF and all else as they were."""
    images = ParticleBatches(particles, particles.box, torch.device("cpu"), cache_bytes=0)
    read = images.images(rows)
    make = laid_out_background if kind == "background" else phase_randomised
    null = make(read, torch.Generator().manual_seed(seed))
    source = ArrayImages(null.numpy().astype(np.float32), particles.pixel_size_angstrom)
    return replace(particles.subset(rows), images=source, poses=None, is_empty=None)


def phase_randomised(images: Tensor, generator: torch.Generator) -> Tensor:
    """Give every frequency of images ``(n, N, N)`` a phase drawn at random."""
    noise = images_to_fourier(torch.randn(images.shape, generator=generator))
    phases = noise / noise.abs().clamp_min(1e-30)
    return fourier_to_images(images_to_fourier(images).abs() * phases)


def laid_out_background(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return as many images ``(n, N, N)`` laid out with squares from the corners of ``images``.

    Squares come from any of the images, turned and mirrored at random; the seams between them are
    evened out by giving the images the power by frequency of what lies outside the circle.
    """
    n, box = len(images), images.shape[-1]
    edge = max(1, int(CORNER_PART * box))
    near, far = slice(0, edge), slice(box - edge, box)
    squares = torch.cat([images[:, y, x] for y in (near, far) for x in (near, far)])
    squares = torch.cat([squares, squares.flip(1), squares.flip(2), squares.transpose(1, 2)])
    across = -(-box // edge)
    chosen = torch.randint(len(squares), (n, across, across), generator=generator)
    laid = squares[chosen].permute(0, 1, 3, 2, 4).reshape(n, across * edge, across * edge)
    laid = laid[:, :box, :box]
    corners = outside_disc(box).float()
    wanted = _power(images * corners) / corners.mean()
    radius = radius_half_plane(box).clamp_max(box // 2)
    ratio = (wanted / _power(laid).clamp_min(1e-30)).sqrt()
    return fourier_to_images(images_to_fourier(laid) * at_radii(ratio, radius))


def _power(images: Tensor) -> Tensor:
    """Return the mean power of images by radius ``(N // 2 + 1,)``."""
    squared = images_to_fourier(images).abs().square().mean(0)
    return radial_mean_half_plane(squared)[: images.shape[-1] // 2 + 1]
