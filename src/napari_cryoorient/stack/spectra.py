"""Noise of images whose corners do not show it: masked, cut to a circle, subtracted, premultiplied.

The power of image i in a ring is ``n + s c_i^2``: noise, and signal under the image's own CTF.
Particles of different defocus tell both apart without looking at the background.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import radius_half_plane
from napari_cryoorient.projection.resample import fourier_to_images, images_to_fourier

# Corners of less than this part of the images' power, where the signal ends, were emptied.
EMPTY = 0.2
# Noise is at least this part of the power: a fit by defocus is no better than that.
LEAST_PART = 1e-3
# Rings with a smaller part of the largest power were emptied by a filter: no fit looks at them.
FILTERED = 1e-6
# How far what corners of premultiplied images make of the signal's power is relied on.
SCALE_SPREAD = 0.5


def corners_are_empty(whole: Tensor, corners: Tensor) -> bool:
    """Tell from mean spectra ``(r,)`` whether the corners hold less than the noise of the images.

    In the outer half of the radii images are noise, so that corners, by area, hold as much.
    """
    outer = slice(len(whole) // 2, None)
    return bool(corners[outer].sum() < EMPTY * whole[outer].sum())


def part_with_noise(chunks: Iterable[Tensor]) -> float:
    """Return the part of their pixels that images with a mask were left with.

    ``chunks`` are some of them, ``(n, N, N)`` each.  It is told by where the power beyond half of
    the last radius lies, where images are noise.  Masked noise has that part of its power, and as
    many fewer independent coefficients.
    """
    n_images, power = 0, torch.zeros(())
    for images in chunks:
        box = images.shape[-1]
        is_high = radius_half_plane(box, device=images.device) > box / 4
        high = fourier_to_images(images_to_fourier(images) * is_high)
        power = power + high.double().square().sum(0)
        n_images += len(images)
    # The mean square of a variance from n images is too large by 2 / n.
    squared = power.square().mean() / (1 + 2 / max(n_images, 1))
    return min(float(power.mean().square() / squared), 1.0) if squared > 0 else 1.0


def premultiplied_noise(
    powers: Tensor, by_corners: Tensor, transfers: tuple[Tensor, Tensor], signal: Tensor
) -> Tensor:
    """Return the noise ``(r,)`` that premultiplied images hold, from their spectra ``(n, r)``.

    The power of image i in a ring is ``n a_i + g s b_i``: noise that was multiplied by the CTF, and
    signal that saw it twice, ``transfers`` ``(n, r)`` being the mean of CTF^2, a, and of CTF^4, b.
    Corners, ``by_corners`` ``(r,)``, smear the zeros of the CTF; images of different defocus tell n
    and g apart.  One g serves all radii; what corners make of it is held to be within
    ``SCALE_SPREAD``.
    """
    radius = torch.arange(len(signal), dtype=powers.dtype)
    mean = powers.mean(0)
    weight = torch.where(mean > FILTERED * mean.max(), radius / mean.square(), 0.0)
    weight[:2] = 0
    once, twice = transfers[0], transfers[1] * signal
    expected = twice.mean(0)
    stiffness = float(weight @ expected.square())
    if stiffness <= 0:  # the map has no signal, or the images have none
        return by_corners
    held = float(weight @ ((mean - by_corners) * expected)) / stiffness
    if held <= 0:
        return by_corners
    # What is in proportion to ``a`` is noise, of any spectrum: it is left out of the fit of g.
    norm = once.square().sum(0).clamp_min(1e-300)
    left, varied = (each - once * (once * each).sum(0) / norm for each in (powers, twice))
    # A ring's power scatters by its own size over the root of its frequencies, half of 2 pi r.
    ridge = 1 / (math.pi * (SCALE_SPREAD * held) ** 2)
    fitted = float((weight * (left * varied).sum(0)).sum()) + ridge * held
    scale = max(fitted / (float((weight * varied.square().sum(0)).sum()) + ridge), 0.0)
    return torch.maximum(mean - scale * expected, LEAST_PART * mean)


def noise_by_defocus(powers: Tensor, squared_ctf: Tensor, signal: Tensor) -> Tensor:
    """Return the noise ``(r,)`` of images from their spectra ``(n, r)``.

    ``signal`` ``(r,)`` is the power of the map's projections; one scale serves all radii, and is
    fitted to how the power follows the squared CTF ``(n, r)`` from image to image.  Where the CTF
    is the same everywhere, the radial shape has to tell: noise is then taken to be level.
    """
    radius = torch.arange(len(signal), dtype=powers.dtype)
    mean_power, mean_ctf = powers.mean(0), squared_ctf.mean(0)
    varied = squared_ctf - mean_ctf
    # Power scatters from image to image as its own size does, less where rings hold more.
    weight = radius / mean_power.clamp_min(float(mean_power.max()) * 1e-12).square()
    weight[:2] = 0
    model = varied * signal
    stiffness = float((weight * model.square().sum(0)).sum())
    level = weight * mean_ctf.square() * signal.square() * len(powers)
    if stiffness < 1e-4 * float(level.sum()):
        expected = mean_ctf * signal
        design = torch.stack([torch.ones_like(expected), expected], dim=1) * weight.sqrt()[:, None]
        found = torch.linalg.lstsq(design, (weight.sqrt() * mean_power)[:, None]).solution
        scale = float(found[1, 0])
    else:
        scale = float((weight * (model * (powers - mean_power)).sum(0)).sum()) / stiffness
    scale = max(scale, 0.0)
    noise = mean_power - scale * mean_ctf * signal
    return torch.maximum(noise, LEAST_PART * mean_power)
