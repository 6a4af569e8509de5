"""What the compact network starts from and is told: templates of the map, and angles to look at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import radial_mean_half_plane
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.networks.compact import CompactNetwork, Told
from napari_cryoorient.networks.filtering import SpectralFilter
from napari_cryoorient.projection.fourier_slice import Projector

# Of the in-plane angles, those next to the true one, and those drawn from all others.
N_NEAR, N_FAR = 2, 4
# This part of the images is as a second look at them finds them: moved back to within so much
# of where the object lies, as a part of how far it may lie from the centre.
SECOND_LOOKS = 0.5
LEAST_OFF, MOST_OFF = 0.05, 0.45
N_VIEWS = 256


@torch.no_grad()
def start_from_map(
    network: CompactNetwork, projector: Projector, gain: float, ctfs: Tensor | None
) -> None:
    """Make the first layer the matched filter: correlations with the map's views, one an output.

    The network's filter has its powers already.  ``ctfs`` (n, box, box // 2 + 1) are the stack's,
    None for 1; on average the outputs go as the log-likelihood of a view does.
    """
    views = random_rotations(network.copies.bias.numel(), torch.Generator().manual_seed(0))
    spectra: SpectralFilter = network.filter
    projections = gain * projector.fourier(views)
    signal, noise = spectra.powers()
    squared = torch.ones_like(signal) if ctfs is None else spectra.crop(ctfs.square()).mean(0)
    templates = spectra.crop(projections) * (squared * signal + noise) / (signal.sqrt() * noise)
    templates[:, spectra.places == 0] = 0
    real, imaginary = network.harmonics(templates).chunk(2, dim=1)  # (orders, rings, views)
    twice = torch.full_like(real[:, :1, :1], 2.0)
    twice[0] = 1.0
    weights = torch.stack([twice * real, -twice * imaginary], dim=1)
    network.copies.weights.copy_(weights / weights.square().sum((0, 1, 2)).sqrt())


@torch.no_grad()
def mean_projection(projector: Projector, gain: float, box: int) -> Tensor:
    """Return the mean of the map's views by radius ``(box // 2 + 1,)``, real."""
    views = random_rotations(N_VIEWS, torch.Generator().manual_seed(0))
    planes = projector.fourier(views).real.mean(0)
    return gain * radial_mean_half_plane(planes[None])[0][: box // 2 + 1].float()


class WhatIsTold:
    """Makes ``Told`` for images with known poses; shifts scatter by ``sigma_angstrom``."""

    def __init__(self, network: CompactNetwork, sigma_angstrom: float) -> None:
        self._grid, self._n = network.grid, network.n_training_angles
        self._sigma = sigma_angstrom
        # Drawn for each image: offset, order of the angles, how far a second look is off.
        self.n_drawn = self._n + 5

    def __call__(self, rotations: Tensor, shifts_angstrom: Tensor, drawn: Tensor) -> Told:
        """Return what is told of poses ``(b, 3, 3)``, ``(b, 2)``.

        ``drawn`` (b, n_drawn) are uniform in [0, 1).
        """
        b, n = len(rotations), self._n
        views, true = self._grid.nearest(rotations)
        step = 2 * math.pi / n
        offsets = drawn[:, n] * step
        steps = torch.arange(n, device=rotations.device)
        away = (steps - ((true - offsets) / step)[:, None] + n / 2) % n - n / 2
        near = away.abs().argsort(1)[:, :N_NEAR]
        far = drawn[:, :n].scatter(1, near, 2.0).argsort(1)[:, :N_FAR]
        chosen = torch.cat([near, far], dim=1)
        n_far = chosen.shape[1] - N_NEAR
        counts = torch.zeros(b, chosen.shape[1], device=rotations.device)
        counts[:, N_NEAR:] = math.log((n - N_NEAR) / n_far)
        # A shift off by a Gaussian of a width of its own (Box and Muller).
        width = self._sigma * (LEAST_OFF + (MOST_OFF - LEAST_OFF) * drawn[:, n + 1])
        length = width * (-2 * torch.log1p(-drawn[:, n + 2])).sqrt()
        turn = 2 * math.pi * drawn[:, n + 3]
        off = length[:, None] * torch.stack([turn.cos(), turn.sin()], dim=1)
        is_second = drawn[:, n + 4, None] < SECOND_LOOKS
        centres = torch.where(is_second, shifts_angstrom - off, torch.nan)
        return Told(views, offsets[:, None] + chosen * step, counts, centres)
