"""Particles as torch batches at a working box, read in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.budget import budget_in_force
from napari_cryoorient.device import on_device
from napari_cryoorient.geometry.fourier_grids import centred_axis
from napari_cryoorient.particles import Images, Integers, ParticleSet
from napari_cryoorient.projection.ctf import ctf_half_plane
from napari_cryoorient.projection.resample import fourier_crop_images

# A pixel so many times the deviation of the rest is hot where its neighbours are not a quarter of
# it, and in any case beyond the second.
HOT, VERY_HOT = 20.0, 200.0
# The rest: all pixels but this part, and no fewer than these.
_EXTREME_PART, _FEWEST_EXTREME = 0.002, 4
# An image none of whose pixels is so many of its own deviations from its mean has no hot one.
_SUSPECT = 8.0
# Beyond this, sums of squares over an image leave single precision.
LARGEST_GREY = 1e15
# Images at the working box are kept in memory up to this size, and up to this part of what is
# allowed, and read again beyond it; a GPU keeps them, with their CTFs, in this part of what it has
# free.
CACHE_BYTES = 1 << 29
CACHE_PART = 0.25
# Pixels cleaned and resampled at once, which takes several times their memory.
PIECE_PIXELS = 2**22


@dataclass(frozen=True)
class Batch:
    """``b`` images with their true poses, at the working box N.

    ``images`` (b, N, N); ``ctf`` (b, N, N // 2 + 1) or None; ``rotations`` (b, 3, 3);
    ``shifts_angstrom`` (b, 2), where the objects lie.  ``told`` is what else a network is given
    while it learns, indexed as the rest.
    """

    images: Tensor
    ctf: Tensor | None
    rotations: Tensor
    shifts_angstrom: Tensor
    told: Any = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice) -> Batch:
        return Batch(
            self.images[index],
            None if self.ctf is None else self.ctf[index],
            self.rotations[index],
            self.shifts_angstrom[index],
            None if self.told is None else self.told[index],
        )


class _Cache:
    """Keeps what ``make`` returns of rows on the device, row by row, once it has been asked for."""

    def __init__(
        self, shape: tuple[int, ...], device: torch.device, make: Callable[[Integers], Tensor]
    ) -> None:
        self._kept = torch.empty(shape, device=device)
        self._is_kept = np.zeros(shape[0], dtype=bool)
        self._make = make

    def of(self, rows: Integers) -> Tensor:
        """Return those of ``rows`` (k,): a copy."""
        missing = rows[~self._is_kept[rows]]
        if len(missing):
            self._kept[self._places(missing)] = self._make(missing)
            self._is_kept[missing] = True
        return self._kept[self._places(rows)]

    def _places(self, rows: Integers) -> Tensor:
        return torch.from_numpy(rows).to(self._kept.device)


def _cache_bytes(device: torch.device) -> int:
    budget = budget_in_force()
    allowed = None if budget is None else int(CACHE_PART * budget.n_bytes)
    if device.type != "cuda":
        return CACHE_BYTES if allowed is None else min(CACHE_BYTES, allowed)
    free, _ = torch.cuda.mem_get_info(device)
    most = max(CACHE_BYTES, int(CACHE_PART * free))
    return min(most, allowed) if allowed is not None and budget and budget.is_given else most


class ParticleBatches:
    """Reads rows of a particle set as tensors at ``box`` on ``device``, Fourier-resampled."""

    def __init__(
        self,
        particles: ParticleSet,
        box: int,
        device: torch.device,
        *,
        cache_bytes: int | None = None,
    ) -> None:
        self.particles = particles
        self.box = box
        self.device = device
        self.pixel_size_angstrom = particles.pixel_size_angstrom * particles.box / box
        n = len(particles)
        if cache_bytes is None:
            cache_bytes = _cache_bytes(device)
        self._images: _Cache | None = None
        self._ctfs: _Cache | None = None
        if n * box * box * 4 <= cache_bytes:
            self._images = _Cache((n, box, box), device, self._made_images)
        if device.type == "cuda" and 2 * n * box * (box + 1) * 4 <= cache_bytes:
            self._ctfs = _Cache((n, box, box // 2 + 1), device, self._computed_ctf)

    def images(self, rows: Integers) -> Tensor:
        """Return images (k, box, box), hot pixels replaced, each less the mean of its corners.

        A constant carries no orientation; at zero frequency it would outweigh all else.  Images
        that tell nothing (``are_empty``) are zero.
        """
        return self._made_images(rows) if self._images is None else self._images.of(rows)

    def _made_images(self, rows: Integers) -> Tensor:
        return self.prepared(self.particles.images.read(rows))

    def prepared(self, read: Images) -> Tensor:
        """Bring images (k, N, N) read from the file to what ``images`` returns.

        Where one thread reads ahead of another, this belongs in the one that uses the images: glibc
        hardly reuses torch's blocks made in one thread and freed in another, 10 kB a particle.
        """
        per_piece = max(1, PIECE_PIXELS // self.particles.box**2)
        if self.device.type != "cpu":  # whoever chose how many to read looked at its memory
            per_piece = len(read)
        pieces = [read[start : start + per_piece] for start in range(0, len(read), per_piece or 1)]
        return torch.cat([self._prepared_piece(piece) for piece in pieces or [read]])

    def _prepared_piece(self, read: Images) -> Tensor:
        images = on_device(read, self.device)
        images = without_background(without_hot_pixels(emptied(images)))
        return fourier_crop_images(images, self.box)

    def ctf(self, rows: Integers) -> Tensor | None:
        """Return what the microscope and earlier processing did to the signal, or None.

        (k, box, box // 2 + 1): the CTF, its absolute value for phase-flipped images, its square
        for images already multiplied by it.
        """
        if self.particles.ctf is None:
            return None
        return self._computed_ctf(rows) if self._ctfs is None else self._ctfs.of(rows)

    def _computed_ctf(self, rows: Integers) -> Tensor:
        assert self.particles.ctf is not None
        ctf = ctf_half_plane(
            self.particles.ctf[rows], self.box, self.pixel_size_angstrom, device=self.device
        )
        if self.particles.ctf_state == "phase-flipped":
            return ctf.abs()
        if self.particles.ctf_state == "premultiplied":
            return ctf.square()
        return ctf

    def batch(self, rows: Integers) -> Batch:
        """Return rows with their poses; the particle set must have poses."""
        poses = self.particles.poses
        if poses is None:
            raise ValueError("these particles have no poses")

        return Batch(
            self.images(rows),
            self.ctf(rows),
            on_device(poses.rotations[rows], self.device),
            on_device(poses.shifts_angstrom[rows], self.device),
        )


def outside_disc(box: int, *, device: torch.device | None = None) -> Tensor:
    """Tell which pixels (box, box) lie outside the circle that touches the box: background."""
    squares = centred_axis(box, device=device).square()
    return squares[:, None] + squares > (box / 2) ** 2


def are_computable(images: Tensor) -> Tensor:
    """Tell which of images (k, N, N) hold finite numbers that can be computed with."""
    low, high = images.amin((1, 2)), images.amax((1, 2))
    return (low >= -LARGEST_GREY) & (high <= LARGEST_GREY)


def are_empty(images: Tensor) -> Tensor:
    """Tell which of images (k, N, N) tell nothing: one grey value throughout, or not computable."""
    low, high = images.amin((1, 2)), images.amax((1, 2))
    # What is not a number is not within any bounds.
    return ~((low >= -LARGEST_GREY) & (high <= LARGEST_GREY) & (low < high))


def emptied(images: Tensor) -> Tensor:
    """Return images (k, N, N), those that tell nothing zero throughout."""
    empty = are_empty(images)
    return images.masked_fill(empty[:, None, None], 0.0) if bool(empty.any()) else images


def without_background(images: Tensor) -> Tensor:
    """Return images (k, N, N), each less the mean of its corners."""
    corners = outside_disc(images.shape[-1], device=images.device)
    return images - images[:, corners].mean(1)[:, None, None]


def may_have_hot_pixels(images: Tensor) -> Tensor:
    """Tell which of images (k, N, N) hold a pixel far from their mean: all that have hot ones."""
    mean, furthest_up, furthest_down = images.mean((1, 2)), images.amax((1, 2)), images.amin((1, 2))
    furthest = torch.maximum(furthest_up - mean, mean - furthest_down)
    return furthest > _SUSPECT * standard_deviations(images)


def standard_deviations(images: Tensor) -> Tensor:
    """Return those ``(k,)`` of images (k, N, N): torch's ``std`` takes five times as long."""
    flat = images.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    found: Tensor = torch.linalg.vector_norm(centred, dim=1) / (flat.shape[1] - 1) ** 0.5
    return found


def without_hot_pixels(images: Tensor) -> Tensor:
    """Return images (k, N, N) with pixels far beyond all others set to the image's median.

    One of 10000 standard deviations would stand for the whole image.
    """
    mean, deviation = images.mean((1, 2)), images.std((1, 2))
    furthest = torch.maximum(images.amax((1, 2)) - mean, mean - images.amin((1, 2)))
    suspects = (furthest > _SUSPECT * deviation).nonzero().flatten()
    if not len(suspects):
        return images
    images = images.clone()
    for i in suspects.tolist():
        image = images[i]
        middle = image.median()
        away = (image - middle).abs()
        n_extreme = max(_FEWEST_EXTREME, round(_EXTREME_PART * image.numel()))
        rest = away[away < away.flatten().topk(n_extreme).values[-1]]
        level = rest.square().mean().sqrt() if len(rest) else away.new_zeros(())
        if level == 0:  # nothing to compare with
            continue
        beside = torch.stack([away.roll(s, d) for s in (-1, 1) for d in (0, 1)]).amax(0)
        is_hot = (away > HOT * level) & (beside < away / 4) | (away > VERY_HOT * level)
        images[i] = torch.where(is_hot, middle, image)
    return images
