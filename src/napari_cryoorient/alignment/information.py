"""How much a stack tells about orientations, by radius, and how large its particle is.

A pose is told from others by the part of its projection that the mean over all orientations does
not have.  That part, squared and over the noise, is the log-likelihood ratio by which the true pose
of an image beats an image of no orientation: what decides how wide a band a search needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.device import in_halves
from napari_cryoorient.geometry.rotations import random_rotations

N_IMAGES, N_VIEWS = 64, 128
# Images that tell the least about their poses: this part of all.
LEAST_PART = 0.25
# The particle is taken to end where this part of the map's squared density lies within.
WITHIN_PARTICLE = 0.98
SMALLEST_FILL, LARGEST_FILL = 0.3, 1.0


@dataclass(frozen=True)
class Information:
    """``radii`` ``(m,)`` rise; ``cumulated`` ``(m,)`` is the information within each.

    ``fill`` is the particle's diameter as a part of the field of view; ``cumulated_of_least``
    ``(m,)`` is that of the images that tell the least.
    """

    radii: Tensor
    cumulated: Tensor
    fill: float
    cumulated_of_least: Tensor

    @property
    def total(self) -> float:
        """Information in the whole band."""
        return float(self.cumulated[-1])

    def of_least(self) -> Information:
        """Return that of the images that tell the least about their poses."""
        return replace(self, cumulated=self.cumulated_of_least)

    def radius_holding(self, amount: float) -> float:
        """Return the smallest radius with this much information; the whole band if none has."""
        place = int(torch.searchsorted(self.cumulated, torch.tensor(float(amount))))
        return float(self.radii[min(place, len(self.radii) - 1)])


@torch.no_grad()
def information_of(likelihood: ParticleLikelihood) -> Information:
    """Measure it on a sample of the stack."""
    rows = likelihood.particles.spread_rows(N_IMAGES)
    views = random_rotations(N_VIEWS, torch.Generator().manual_seed(0)).to(likelihood.device)

    def in_parts(work: Callable[[slice], Tensor], n: int) -> Tensor:
        return torch.cat(in_halves(work, slice(0, n), likelihood.device))

    powers = in_parts(lambda these: likelihood.load(rows[these]).power, len(rows)).cpu()
    n_frequencies = len(likelihood.radii)
    slices = in_parts(lambda these: likelihood.slices(views[these], n_frequencies).cpu(), N_VIEWS)
    _, ring = likelihood.radii.unique(return_inverse=True)
    counts = torch.bincount(ring).float()
    # The mean projection over all orientations is the same in all directions.
    mean = torch.zeros(len(counts), dtype=slices.dtype).index_add(0, ring, slices.mean(0)) / counts
    varied = (slices - mean[ring]).abs().square().mean(0)
    least = (powers @ varied).topk(max(1, int(LEAST_PART * len(rows))), largest=False).indices
    cumulated, of_least = (
        (each.mean(0) * varied).double().cumsum(0).float() for each in (powers, powers[least])
    )
    return Information(likelihood.radii, cumulated, fill_of(likelihood.volume), of_least)


def fill_of(volume: Tensor) -> float:
    """Return the diameter of what a map ``(n, n, n)`` holds as a part of its edge."""
    n = volume.shape[-1]
    axis = torch.arange(n, device=volume.device) - n // 2
    squared = axis.square()
    radius = (squared[:, None, None] + squared[:, None] + squared).float().sqrt().round().long()
    density = (volume - volume.median()).square().flatten()
    by_radius = torch.zeros(int(radius.max()) + 1, device=volume.device)
    by_radius = by_radius.index_add(0, radius.flatten(), density).cumsum(0)
    reached = int((by_radius < WITHIN_PARTICLE * by_radius[-1]).sum())
    return min(max(2 * reached / n, SMALLEST_FILL), LARGEST_FILL)
