"""How large the particles are beside the map, whatever pixel sizes the headers give."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.device import in_halves
from napari_cryoorient.particles import Floats, Integers, Poses

# Scales are tried this far either way, in as many steps; the best may lie between two of them.
REACH, N_SCALES = 0.06, 13
# Particles as sure as this are asked, so many at most and at least.
SURE, MOST, LEAST = 0.9, 128, 16
# A difference of less than this, or of so few standard errors, is not worth a word.
WORTH, CLEAR_ERRORS = 0.01, 6.0


def scale_note(
    likelihood: ParticleLikelihood, rows: Integers, poses: Poses, confidence: Floats
) -> str | None:
    """Return a sentence where particles and map are clearly of different size, else None."""
    scale = measured_scale(likelihood, rows, poses, confidence)
    if scale is None:
        return None
    return describe_scale(scale, likelihood.particles.pixel_size_angstrom)


@torch.no_grad()
def measured_scale(
    likelihood: ParticleLikelihood, rows: Integers, poses: Poses, confidence: Floats
) -> float | None:
    """Return how many times larger the particles are than the map; None where it is not clear.

    The images of ``rows``, at poses found for them, are compared with slices of the map stretched
    about zero frequency; all amplitudes are left free together. A maximum at the end of the range
    is no measurement.
    """
    chosen = np.flatnonzero(confidence > SURE)
    if len(chosen) < LEAST:
        return None
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, MOST).astype(np.int64))]
    scales = torch.linspace(1 - REACH, 1 + REACH, N_SCALES, dtype=torch.float64)
    n = likelihood.n_frequencies(likelihood.radius / (1 + REACH))

    def sums_of(these: slice) -> Tensor:
        """Return how images agree with slices at each scale, and the power of these, (2, s)."""
        some = chosen[these]
        data = likelihood.load(rows[some]).band(n)
        rotations, shifts = (
            torch.from_numpy(values[some]).to(dtype=torch.float32).to(likelihood.device)
            for values in (poses.rotations, poses.shifts_angstrom)
        )
        images = data.cross.conj() * likelihood.ramps(shifts, n)
        frequencies = likelihood.frequencies[:n]
        sums = []
        for scale in scales.tolist():
            slices = likelihood.at_points(likelihood.plane_points(rotations, frequencies * scale))
            power = data.power * (slices.real.square() + slices.imag.square())
            agreement = (images * slices).real
            sums.append(torch.stack([each.sum(dtype=torch.float64) for each in (agreement, power)]))
        return torch.stack(sums, dim=1)

    parts = in_halves(sums_of, slice(0, len(chosen)), likelihood.device)
    agreement, power = torch.stack(parts).sum(0).cpu()
    gains = agreement.clamp_min(0).square() / power.clamp_min(1e-300)
    return _clear_peak(scales, gains)


def _clear_peak(scales: Tensor, log_likelihood: Tensor) -> float | None:
    """Return where a curve of log-likelihoods peaks, if it does and that is far from 1."""
    best = int(log_likelihood.argmax())
    if not 0 < best < len(scales) - 1:
        return None
    step = float(scales[1] - scales[0])
    left, top, right = (float(log_likelihood[best + i]) for i in (-1, 0, 1))
    curvature = (left - 2 * top + right) / step**2
    if curvature >= 0:
        return None
    peak = float(scales[best]) - (right - left) / (2 * step) / curvature
    error = (-curvature) ** -0.5
    return peak if abs(peak - 1) > max(WORTH, CLEAR_ERRORS * error) else None


def describe_scale(scale: float, pixel_size_angstrom: float) -> str:
    """Say what a measured scale means for the stack's pixel size."""
    size = "larger" if scale > 1 else "smaller"
    return (
        f"WARNING: the particles are {abs(scale - 1):.1%} {size} than the map by the pixel sizes "
        f"given: if the map's is right, the stack's is {pixel_size_angstrom / scale:.4g} A, not "
        f"{pixel_size_angstrom:.4g} A; check both."
    )
