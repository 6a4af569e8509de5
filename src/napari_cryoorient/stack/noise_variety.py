"""How the noise spectra of a stack's images differ in shape, beside their level.

Ice, dose and microscope make the noise of micrographs and of optics groups differ.  Corners of
images show it: in bands of radius, the log of an image's noise over that of the stack is taken to
be a level of its own, the same in all bands, and a few shapes of which each image has so much.
Shapes are what two pairs of opposite corners of an image have in common beyond chance, over many
images (principal components of their cross-covariance).  How much an image has of each is told,
under the spread that the stack shows, by its whole power less the signal it is expected to hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import (
    at_radii,
    radial_mean_half_plane,
    radius_half_plane,
)

# Edges of bands in Fourier pixels: the first, and each next one so many times further out.
FIRST_EDGE, WIDENING = 4.0, 1.6
# A shape is taken from so many times what chance gives on, and at the most so many.
BEYOND_CHANCE, MOST_SHAPES = 3.0, 3
FEWEST_IMAGES = 64
# Images differ in how strong the particle is by about this part.
SIGNAL_SPREAD = 0.5
# How much the smearing of a part is undone, and the step by which it is measured.
LEAST_TOLD, STEP = 0.02, 0.1
# Logs of ratios of powers are kept within this; levels of images are known beforehand to within it.
LARGEST_LOG = 4.0


@dataclass(frozen=True)
class NoiseVariety:
    """Shapes ``(f, k)`` of log noise in k bands, and their mean ``(k,)``.

    ``edges`` ``(k + 1,)`` of the bands and ``radii`` ``(k,)``, the means within, are in Fourier
    pixels.  Images have shapes by amounts of standard deviation 1.  Where f is 0 they differ in
    level alone.
    """

    edges: Tensor
    radii: Tensor
    mean: Tensor
    shapes: Tensor

    def __bool__(self) -> bool:
        return len(self.shapes) > 0

    @staticmethod
    def none() -> NoiseVariety:
        """Return that of a stack whose images differ in level alone."""
        empty = torch.zeros(0)
        return NoiseVariety(empty, empty, empty, torch.zeros(0, 0))


def band_edges(largest: float) -> Tensor:
    """Return the edges ``(k + 1,)`` of bands from radius 1 to ``largest``."""
    edges = [1.0]
    edge = FIRST_EDGE
    while edge < largest / WIDENING**0.5:
        edges.append(edge)
        edge *= WIDENING
    return torch.tensor([*edges, largest])


def measured_variety(
    one: Tensor, other: Tensor, mean: Tensor, parts: tuple[Tensor, Tensor]
) -> NoiseVariety:
    """Measure the shapes from noise spectra ``(n, r)`` of two parts of each image.

    ``mean`` ``(r,)`` is that of all; values lie one Fourier pixel apart.  ``parts`` are masks
    ``(N, N)`` that cut the two parts out.
    """
    weight = _bands(len(mean))
    counts = weight.sum(1)
    first, second = (
        ((spectra / mean.clamp_min(1e-300)) @ weight.t() / counts).clamp_min(1e-6).log()
        for spectra in (one, other)
    )
    usual = ((first.abs() < LARGEST_LOG) & (second.abs() < LARGEST_LOG)).all(1)
    first, second = first[usual], second[usual]
    n, k = first.shape
    if n < FEWEST_IMAGES or k < 2:
        return NoiseVariety.none()
    middle = 0.5 * (first + second).mean(0)
    # A level for each half of an image is left out, as well as it can be known.
    share = counts / counts.sum()
    first, second = (each - middle - ((each - middle) @ share)[:, None] for each in (first, second))
    common = first.t() @ second / n
    common = 0.5 * (common + common.t())
    chance = (first - second).square().mean(0).div(2).clamp_min(1e-12).sqrt()
    whitened = common / chance[:, None] / chance
    values, vectors = torch.linalg.eigh(whitened)
    by_chance = (2 * k / n) ** 0.5
    taken = [i for i in range(k - 1, -1, -1) if float(values[i]) > BEYOND_CHANCE * by_chance][
        :MOST_SHAPES
    ]
    if not taken:
        return NoiseVariety.none()
    shapes = torch.stack([values[i].sqrt() * vectors[:, i] * chance for i in taken])
    # What parts as small as these smear is told apart again, as far as it can be.
    smeared = torch.stack([_smearing(mean, part) for part in parts]).mean(0)
    normal = smeared.t() @ smeared + LEAST_TOLD * torch.eye(k, dtype=smeared.dtype)
    shapes = torch.linalg.solve(normal, smeared.t() @ shapes.t()).t()
    centres = (weight @ torch.arange(len(mean), dtype=weight.dtype)) / counts
    edges = band_edges(float(len(mean) - 1))
    return NoiseVariety(edges, centres.float(), middle.float(), shapes.float())


def _bands(n_radii: int) -> Tensor:
    """Return weights ``(k, r)`` of radii in bands: rings hold frequencies as their radius."""
    radius = torch.arange(n_radii, dtype=torch.float64)
    edges = band_edges(float(n_radii - 1)).double()
    in_band = (radius >= edges[:-1, None]) & (radius < edges[1:, None])
    in_band[-1, -1] = True
    return in_band * radius


def _smearing(mean: Tensor, part: Tensor) -> Tensor:
    """Return how the log power of a part in band a follows that of the whole in band b: (k, k).

    What a mask cuts out has the autocorrelation of the noise times the mask's.  ``mean`` is the
    spectrum of the noise and ``part`` the mask ``(N, N)``.
    """
    box, weight = part.shape[-1], _bands(len(mean))
    radius = radius_half_plane(box).double()
    by_mask = torch.fft.irfft2(torch.fft.rfft2(part.double()).abs().square(), s=(box, box))

    def seen(spectrum: Tensor) -> Tensor:
        power = at_radii(spectrum, radius.clamp_max(len(mean) - 1))
        smeared = torch.fft.rfft2(torch.fft.irfft2(power, s=(box, box)) * by_mask).real
        return weight @ (radial_mean_half_plane(smeared[None])[0, : len(mean)] / mean)

    mean = mean.clamp_min(1e-300)
    level, is_in = seen(mean), weight > 0
    columns = [seen(mean * (1 + STEP * is_in[b])) / level - 1 for b in range(len(weight))]
    return torch.stack(columns, dim=1) / STEP


class OwnNoise:
    """Tells each image's noise at radii ``(m,)``, which rise, relative to the stack's."""

    def __init__(self, variety: NoiseVariety, radii: Tensor, device: torch.device) -> None:
        bands = torch.bucketize(radii, variety.edges[1:-1], right=True)
        n_bands = int(bands.max()) + 1
        member = torch.nn.functional.one_hot(bands, n_bands).float()
        self._counts = member.sum(0).clamp_min(1).to(device)
        self._member = (member / member.sum(0).clamp_min(1)).to(device)  # (m, k)
        self._mean = variety.mean[:n_bands].to(device)
        level = torch.ones(1, n_bands)
        self._design = torch.cat([level, variety.shapes[:, :n_bands]]).t().to(device)  # (k, 1 + f)
        precision = torch.ones(self._design.shape[1])
        precision[0] = LARGEST_LOG**-2
        self._precision = torch.diag(precision).to(device)
        # Linear between the middles of bands.
        middles = variety.radii[:n_bands]
        above = torch.searchsorted(middles, radii).clamp(1, max(n_bands - 1, 1))
        below = above - 1
        above = above.clamp_max(n_bands - 1)
        width = (middles[above] - middles[below]).clamp_min(1e-6)
        part = ((radii - middles[below]) / width).clamp(0, 1)
        rows = torch.arange(len(radii))
        spread = torch.zeros(len(radii), n_bands)
        spread[rows, below] += 1 - part
        spread[rows, above] += part
        self._spread = spread.t().to(device)  # (k, m)

    def over_stack(self, energy: Tensor, signal: Tensor) -> Tensor:
        """Return the noise ``(b, m)`` over that of the stack.

        ``energy`` is the images' power over the stack's noise, ``signal`` that expected of the
        particle, ``(b, m)`` each.
        """
        whole, expected = energy @ self._member, signal @ self._member
        noise = (whole - expected).clamp_min(0.1 * whole).clamp_min(1e-6)
        ratio, odd = whole / noise, SIGNAL_SPREAD * expected / noise
        # The log of the mean of m exponential variables scatters by m^-1/2.
        weight = 1 / (ratio.square() / self._counts + odd.square()).clamp_min(1e-6)  # (b, k)
        off = noise.log() - self._mean
        weighed = weight[:, :, None] * self._design  # (b, k, 1 + f)
        normal = self._design.t() @ weighed + self._precision
        amounts = torch.linalg.solve(normal, (weighed * off[:, :, None]).sum(1))
        logs = (amounts @ self._design.t() + self._mean).clamp(-LARGEST_LOG, LARGEST_LOG)
        found: Tensor = (logs @ self._spread).exp()
        return found
