"""Gauss-Newton steps on rotation, shift and amplitude, each particle damped by itself.

The rotation is turned by a vector w, ``A -> exp([w]x) A``, in the image's frame, where the
derivative of a slice is ``dT/dw = h x k``: h the gradient of the map's transform turned into the
image's frame and k the frequency, ``(kx, ky, 0)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.likelihood import BandData, ParticleLikelihood

# How far the amplitudes of particles of one stack spread, as a part of the mean.
AMPLITUDE_SIGMA = 0.25
FIRST_DAMPING, LESS_DAMPING, MORE_DAMPING = 1e-2, 0.2, 8.0
N_PARAMETERS = 5


@dataclass(frozen=True)
class Hypotheses:
    """Poses ``(q, 3, 3)`` and ``(q, 2)`` with their fit to an image each.

    ``log_likelihood`` ``(q,)`` is that of the band it was reached in, over that of an empty image;
    ``curvature`` ``(q, 5, 5)`` its expected negative second derivative by the rotation vector
    (radians) and the shift (angstrom); ``amplitude`` ``(q,)`` is relative to the stack's, and held
    near it; ``strength`` ``(q,)`` is the same unheld, and ``information`` the squared projection
    over the noise.
    """

    rotations: Tensor
    shifts_angstrom: Tensor
    log_likelihood: Tensor
    curvature: Tensor
    amplitude: Tensor
    gradient: Tensor
    strength: Tensor
    information: Tensor

    def __len__(self) -> int:
        return len(self.rotations)

    def __getitem__(self, index: Tensor | slice) -> Hypotheses:
        return Hypotheses(*(tensor[index] for tensor in self._tensors()))

    def where(self, better: Tensor, other: Hypotheses) -> Hypotheses:
        """Take ``other`` where it is better."""
        picked = [
            torch.where(better.view(-1, *[1] * (old.dim() - 1)), new, old)
            for new, old in zip(other._tensors(), self._tensors(), strict=True)
        ]
        return Hypotheses(*picked)

    @staticmethod
    def joined(parts: Sequence[Hypotheses]) -> Hypotheses:
        """Join hypotheses, in order."""
        columns = zip(*(part._tensors() for part in parts), strict=True)
        return Hypotheses(*(torch.cat(column) for column in columns))

    def _tensors(self) -> tuple[Tensor, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def evaluate(
    likelihood: ParticleLikelihood, data: BandData, rotations: Tensor, shifts_angstrom: Tensor
) -> Hypotheses:
    """Compare image i with pose i: likelihood, its gradient and curvature."""
    m = data.cross.shape[1]
    slices, by_point, by_point_imaginary = likelihood.at_points_with_gradient(
        likelihood.slice_points(rotations, m)
    )
    kx, ky = likelihood.frequencies[:m].t().unbind(0)
    scale = 2.0  # the map's transform is padded by two
    columns = []
    for gradient, part in ((by_point, slices.imag), (by_point_imaginary, -slices.real)):
        h = rotations @ gradient
        columns.append(
            torch.stack(
                [
                    h[:, 2] * (-scale * ky),
                    h[:, 2] * (scale * kx),
                    h[:, 0] * (scale * ky) - h[:, 1] * (scale * kx),
                    # -i k T: shifts in field of view / 2 pi
                    part * kx,
                    part * ky,
                ],
                dim=1,
            )
        )
    jacobian = torch.cat(columns, dim=2)  # (q, 5, 2 m)

    centred = data.cross * likelihood.ramps(shifts_angstrom, m).conj()
    template = torch.cat([slices.real, slices.imag], dim=1)
    image = torch.cat([centred.real, centred.imag], dim=1)
    power = torch.cat([data.power, data.power], dim=1)
    weighed = power * template
    fit = (image * template).sum(1)
    norm = (weighed * template).sum(1)
    stiffness = 0.5 / AMPLITUDE_SIGMA**2
    amplitude = ((fit + stiffness) / (norm + stiffness)).clamp_min(0.1)
    log_likelihood = (
        2 * amplitude * fit - amplitude.square() * norm - stiffness * (amplitude - 1).square()
    )
    residual = image - amplitude[:, None] * weighed
    gradient = 2 * amplitude[:, None] * (jacobian @ residual[..., None]).squeeze(-1)
    curvature = (jacobian * power[:, None]) @ jacobian.transpose(1, 2)
    curvature = 2 * amplitude.square()[:, None, None] * curvature
    unit = torch.ones(N_PARAMETERS, device=rotations.device)
    unit[3:] = 2 * math.pi / likelihood.field_of_view_angstrom
    return Hypotheses(
        rotations,
        shifts_angstrom,
        log_likelihood,
        curvature * unit[:, None] * unit,
        amplitude,
        gradient * unit,
        fit / norm.clamp_min(1e-12),
        norm,
    )


@torch.no_grad()
def gauss_newton(
    likelihood: ParticleLikelihood,
    data: BandData,
    rotations: Tensor,
    shifts_angstrom: Tensor,
    *,
    n_steps: int,
    largest_turn_deg: float,
) -> Hypotheses:
    """Climb from pose i on image i: ``data`` holds the images of the poses, in one band.

    Steps that do not improve the likelihood are not taken, and damped more the next time.
    """
    best = evaluate(likelihood, data, rotations, shifts_angstrom)
    damping = torch.full_like(best.log_likelihood, FIRST_DAMPING)
    largest = math.radians(largest_turn_deg)
    for _ in range(n_steps):
        step = damped_step(best, damping)
        length = step[:, :3].norm(dim=1, keepdim=True)
        step = step * (largest / length.clamp_min(largest))
        trial = evaluate(
            likelihood,
            data,
            rotation_vector_to_matrix(step[:, :3]) @ best.rotations,
            best.shifts_angstrom + step[:, 3:],
        )
        better = trial.log_likelihood > best.log_likelihood
        best = best.where(better, trial)
        damping = damping * torch.where(better, LESS_DAMPING, MORE_DAMPING)
    return best


def damped_step(at: Hypotheses, damping: Tensor) -> Tensor:
    """Solve for the Levenberg-Marquardt step ``(q, 5)``."""
    scale = at.curvature.diagonal(dim1=1, dim2=2).clamp_min(1e-12).sqrt()
    normalised = at.curvature / scale[:, :, None] / scale[:, None, :]
    identity = torch.eye(N_PARAMETERS, device=scale.device)
    damped = normalised + (damping[:, None, None] + 1e-6) * identity
    step: Tensor = torch.linalg.solve(damped, at.gradient / scale)
    return step / scale
