"""Whether an image shows the map's particle at all, whatever its pose.

Two models of an image are compared.  In the first it holds the particle at some pose: the evidence
is the sum over the hypotheses of a search, each a Gaussian peak, ``exp(log-likelihood)`` times the
volume its curvature leaves it times the prior density of poses (rotations uniform, shifts as the
search takes them).  In the second it holds anything else, or nothing: a random object with the
map's power at each radius and no phases in common with it, of any strength ``a``, or that object
around the map's mean over all orientations, which any compact object resembles.  With c the CTF, n
the noise, X the image, S the power of projections, M their mean and ``v = a^2 (S - M^2)``,

    log p2 = log mean over a of exp sum_k [ |c X / n|^2 v / (1 + v c^2 / n) - log(1 + v c^2 / n)
             + (2 a Re(conj(c X / n) M) - a^2 M^2 c^2 / n) / (1 + v c^2 / n) ]

over that of an empty image, as all log-likelihoods here are; without M the last line and M^2 are
left out.  Noise, another molecule and blobs of equal power are all explained better by the second.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import SHIFT_REACH, BandData, ParticleLikelihood
from napari_cryoorient.alignment.refine.gauss_newton import N_PARAMETERS, Hypotheses
from napari_cryoorient.alignment.refine.hypotheses import by_image
from napari_cryoorient.alignment.search.shifts import SIGMAS, ShiftPrior
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import Floats

N_VIEWS = 256
# How strong other objects may be, as a part of the particle.
STRENGTHS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
# The mean over all orientations ends where it holds less than this part of the power: about what
# one of so few views shows by chance.
LEAST_OF_MEAN = 1.5 / N_VIEWS
# Of what a frequency may spread beyond noise: the fourth power of it is a float32.
LARGEST_SPREAD = 1e9
# The two models are both idealised: their log odds count so much, and start from here (fitted, see
# docs/search-and-refine.md).
SLOPE, OFFSET = 0.6, 0.5
# How many of a stack's images show the particle is learned from them, from even odds on; what was
# thought before counts for so many of either kind.
PRIOR_COUNT, N_ROUNDS = 2.0, 50
_VOLUME_OF_ROTATIONS = 8 * math.pi**2


class Presence:
    """Compares the two models for the images of a likelihood under a group of so many elements."""

    def __init__(self, likelihood: ParticleLikelihood, n_symmetry: int) -> None:
        self._log_rotations = math.log(n_symmetry / _VOLUME_OF_ROTATIONS)
        self._likelihood = likelihood
        self._mean, self._power = mean_and_power(likelihood)
        self._varied = (self._power - self._mean.square()).clamp_min(0)
        self._n_of_mean = _n_until_zeros(self._mean)
        self.share = 0.5  # of the images, that show the particle

    def log_odds(
        self, data: BandData, at: Hypotheses, prior: ShiftPrior, owner: Tensor | None = None
    ) -> Tensor:
        """Return the log odds ``(b,)`` of the particle.

        Hypothesis j is of image ``owner[j]``, each of which has one at least; by default of
        image j.
        """
        evidence, shifts = self.masses(at, prior), at.shifts_angstrom
        if owner is not None:
            _, index, is_there = by_image(at.log_likelihood, owner)
            evidence = torch.where(is_there, evidence[index], -torch.inf).logsumexp(1)
            shifts = shifts[index[:, 0]]
        odds = SLOPE * (evidence - self.of_others(data, shifts)) + OFFSET
        return odds + math.log(self.share / (1 - self.share))

    def masses(self, at: Hypotheses, prior: ShiftPrior) -> Tensor:
        """Return the log ``(q,)`` of what each hypothesis adds to the particle's evidence."""
        volume = 0.5 * N_PARAMETERS * math.log(2 * math.pi) + self._log_rotations
        volume = volume - 0.5 * torch.linalg.slogdet(at.curvature)[1]
        # The amplitude is a sixth parameter, with a Gaussian prior.
        volume = volume - 0.5 * (1 + at.information / self._likelihood.amplitude_stiffness).log()
        mass: Tensor = at.log_likelihood + volume + prior.log_probability(at.shifts_angstrom)
        return mass

    def of_others(self, data: BandData, shifts_angstrom: Tensor) -> Tensor:
        """Return the log evidence ``(b,)`` of other objects, centred at shifts ``(b, 2)``."""
        squared = data.cross.real.square() + data.cross.imag.square()
        fit, gain = squared * self._power, data.power * self._power
        # The mean lies at low frequencies: beyond, both kinds of objects are the same.
        m = self._n_of_mean
        ramps = self._likelihood.ramps(shifts_angstrom, m)
        along_mean = 2 * (data.cross[:, :m].conj() * ramps).real * self._mean[:m]
        varied_fit = squared[:, :m] * self._varied[:m] - data.power[:, :m] * self._mean[:m].square()
        varied_gain = data.power[:, :m] * self._varied[:m]
        beyond = fit[:, m:].contiguous(), gain[:, m:].contiguous()
        fits = []
        for strength in STRENGTHS:
            scale = strength**2
            others = _evidence(*beyond, scale)
            fits.append(others + _evidence(fit[:, :m], gain[:, :m], scale))
            around = varied_fit + along_mean / strength
            fits.append(others + _evidence(around, varied_gain, scale))
        return torch.stack(fits).logsumexp(0) - math.log(len(fits))


def _evidence(fit: Tensor, gain: Tensor, scale: float) -> Tensor:
    """Return ``sum s fit / (1 + s gain) - log(1 + s gain)`` over frequencies, ``(b,)``."""
    spread = (scale * gain).add_(1)
    evidence = scale * (fit / spread).sum(1)
    # A log of a product of four takes a quarter of the time; none of them overflows.
    spread.clamp_max_(LARGEST_SPREAD)
    n = spread.shape[1] // 4 * 4
    product = spread[:, :n].view(len(spread), 4, n // 4).prod(1)
    return evidence - product.log().sum(1) - spread[:, n:].log().sum(1)


def learned_share(log_odds: Floats, share: float = 0.5) -> float:
    """Return the part of a stack's images that show the particle, by EM over a sample.

    ``log_odds`` ``(n,)`` are those of the sample where ``share`` was taken for it (Saerens, Latinne
    and Decaestecker 2002).
    """
    at_even = log_odds - math.log(share / (1 - share))
    for _ in range(N_ROUNDS):
        odds = at_even + math.log(share / (1 - share))
        present = float(np.sum(0.5 + 0.5 * np.tanh(0.5 * odds)))
        share = (present + PRIOR_COUNT) / (len(odds) + 2 * PRIOR_COUNT)
    return share


def widest_prior(likelihood: ParticleLikelihood, reach_angstrom: float | None = None) -> ShiftPrior:
    """Return how shifts are taken to scatter before a stack tells more.

    ``reach_angstrom`` is the furthest; by default ``SHIFT_REACH`` of the field of view.
    """
    if reach_angstrom is None:
        reach_angstrom = SHIFT_REACH * likelihood.field_of_view_angstrom
    return ShiftPrior(reach_angstrom / SIGMAS, reach_angstrom)


@torch.no_grad()
def mean_and_power(likelihood: ParticleLikelihood) -> tuple[Tensor, Tensor]:
    """Return mean ``(m,)``, real, and mean square ``(m,)`` of projections over all views.

    Both are the same in all directions; the mean is zero beyond where it is told from chance.
    """
    views = random_rotations(N_VIEWS, torch.Generator().manual_seed(0)).to(likelihood.device)
    slices = likelihood.slices(views, len(likelihood.radii))
    squared = (slices.real.square() + slices.imag.square()).mean(0)
    ring = likelihood.radii.round().long().to(squared.device)
    counts = torch.bincount(ring).clamp_min(1)

    def around(values: Tensor) -> Tensor:
        total = torch.zeros(len(counts), device=values.device)
        return (total.index_add(0, ring, values) / counts)[ring]

    mean, power = around(slices.real.mean(0)), around(squared)
    n_of_mean = _n_until_zeros((mean.square() > LEAST_OF_MEAN * power).float())
    mean[n_of_mean:] = 0.0
    return mean, power


def _n_until_zeros(values: Tensor) -> int:
    """Return how many values ``(m,)`` there are until all that follow are zero."""
    places = torch.nonzero(values)
    return int(places.max()) + 1 if len(places) else 0
