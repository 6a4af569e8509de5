"""Whether particles share what the map does not explain: it lacks a part, or holds one too many.

Images at the poses found are entered into the half space of a map's transform, each half of them on
its own, and so are the map's projections, with the same CTFs and weights.  What both halves of the
images have in common, noise aside, is the particle; what of that no factor for each shell makes of
the map is not explained by it.  A filter of the map is such a factor, and so is its grey scale.  A
map that holds more than the particles explains them badly too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.device import in_halves
from napari_cryoorient.particles import Floats, Integers, Poses

# Particles as sure as this are asked, so many at most and at least.
SURE, MOST, LEAST = 0.9, 256, 48
# Shells, in Fourier pixels: further out errors of poses, of magnification and of the map's own
# noise tell too.
FIRST_SHELL, LAST_SHELL = 2, 7
# A smaller part of the common power, or one of so few standard errors, is not worth a word.
WORTH, CLEAR_ERRORS = 0.2, 4.0
# Places that few images reach weigh as if so much of the mean weight were there.
LEAST_WEIGHT = 0.1


@dataclass(frozen=True)
class MissingPart:
    """The part of the particles' common power that the map does not explain, and its error."""

    part: float
    error: float

    @property
    def is_clear(self) -> bool:
        """Whether that is worth a word."""
        return self.part > WORTH and self.part - WORTH / 2 > CLEAR_ERRORS * self.error


def missing_note(
    likelihood: ParticleLikelihood, rows: Integers, poses: Poses, confidence: Floats
) -> str | None:
    """Return a sentence where the map and the particles clearly differ, else None."""
    missing = missing_part(likelihood, rows, poses, confidence)
    if missing is None or not missing.is_clear:
        return None
    finest = likelihood.field_of_view_angstrom / int(_last_shell(likelihood))
    return (
        f"WARNING: the map and the particles differ: {missing.part:.0%} of the power that the "
        f"images share at sure poses, down to {finest:.0f} A, is not explained by the map. "
        "The map may lack a part, hold one that the particles lack, or be of another state or "
        "molecule; look at a reconstruction."
    )


def _last_shell(likelihood: ParticleLikelihood) -> float:
    return min(float(LAST_SHELL), likelihood.radius)


@torch.no_grad()
def missing_part(
    likelihood: ParticleLikelihood, rows: Integers, poses: Poses, confidence: Floats
) -> MissingPart | None:
    """Measure it on images of ``rows`` at poses found for them; None where too few are sure."""
    chosen = np.flatnonzero(confidence > SURE)
    last = _last_shell(likelihood)
    if len(chosen) < LEAST or last < FIRST_SHELL + 1:
        return None
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, MOST).astype(np.int64))]
    n, edge = likelihood.n_frequencies(last), 2 * int(last) + 3

    def entered(these: slice) -> Tensor:
        """Return sums over half the images: of them, of projections and of weights, (3, e^3)."""
        some = half[these]
        data = likelihood.load(rows[some]).band(n)
        rotations, shifts = (
            torch.from_numpy(values[some]).to(dtype=torch.float32).to(likelihood.device)
            for values in (poses.rotations, poses.shifts_angstrom)
        )
        images = data.cross * likelihood.ramps(shifts, n).conj()
        shown = data.power * likelihood.slices(rotations, n)
        plane = rotations[:, :2].transpose(1, 2) @ likelihood.frequencies[:n].t()
        places, is_mirrored = _places(plane, edge)
        # Real and imaginary parts are summed as such: Metal has dropped imaginary ones.
        sums = torch.zeros(3, edge**3, 2, dtype=data.power.dtype, device=likelihood.device)
        for i, values in enumerate((images, shown, data.power.to(images.dtype))):
            values = torch.where(is_mirrored, values.conj(), values)
            parts = torch.stack((values.real, values.imag), -1)
            sums[i].index_add_(0, places.flatten(), parts.reshape(-1, 2))
        return sums

    halves = []
    for first in (0, 1):
        half = chosen[first::2]
        parts = in_halves(entered, slice(0, len(half)), likelihood.device)
        images, shown, weight = torch.view_as_complex(torch.stack(parts).sum(0).cpu())
        weight = weight.real
        scale = (weight + LEAST_WEIGHT * weight[weight > 0].mean()).rsqrt()
        halves.append((images * scale, shown * scale))
    return _judged(halves, edge)


def _places(plane: Tensor, edge: int) -> tuple[Tensor, Tensor]:
    """Return in which voxel points (b, 3, m) lie, or their mirrors do, and which are mirrored."""
    x, y, z = plane.round().long().unbind(1)
    is_mirrored = (x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))
    x, y, z = (torch.where(is_mirrored, -each, each) % edge for each in (x, y, z))
    return (x * edge + y) * edge + z, is_mirrored


def _judged(halves: list[tuple[Tensor, Tensor]], edge: int) -> MissingPart:
    """Compare what the halves have in common with what the map has in common with both."""
    (images, shown), (other_images, other_shown) = halves
    axis = torch.fft.fftfreq(edge, 1 / edge).square()
    shell = (axis[:, None, None] + axis[:, None] + axis).sqrt().round().long().flatten()

    def by_shell(values: Tensor) -> Tensor:
        sums = torch.zeros(int(shell.max()) + 1, dtype=torch.float64)
        return sums.index_add(0, shell, values.double())[FIRST_SHELL : (edge - 3) // 2 + 1]

    def common(a: Tensor, b: Tensor) -> Tensor:
        return by_shell((a * b.conj()).real)

    among_images = common(images, other_images)
    of_map = common(shown, other_shown).clamp_min(1e-30)
    between = 0.5 * (common(images, other_shown) + common(shown, other_images))
    missing = among_images - between.square() / of_map
    # That of noise which is independent in both halves: the map's part taken off, none is left.
    gain = torch.zeros(int(shell.max()) + 1)
    gain[FIRST_SHELL : FIRST_SHELL + len(missing)] = (between / of_map).float()
    rest, other_rest = images - gain[shell] * shown, other_images - gain[shell] * other_shown
    variance = 0.5 * by_shell(rest.abs().square() * other_rest.abs().square())
    # Shells hold as many places as their radius squared: each counts by its mean.
    radius = torch.arange(FIRST_SHELL, FIRST_SHELL + len(missing), dtype=torch.float64)
    weight = 1 / radius.square()
    whole = float(weight @ among_images)
    if whole <= 0:
        return MissingPart(0.0, 1.0)
    return MissingPart(
        float(weight @ missing) / whole, float(weight.square() @ variance) ** 0.5 / whole
    )
