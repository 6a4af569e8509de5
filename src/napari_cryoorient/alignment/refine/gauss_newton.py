"""Gauss-Newton steps on rotation, shift and amplitude, each particle damped by itself.

The rotation is turned by a vector w, ``A -> exp([w]x) A``, in the image's frame, where the
derivative of a slice is ``dT/dw = h x k``: h the gradient of the map's transform turned into the
image's frame and k the frequency, ``(kx, ky, 0)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.shapes import PerPose, Shifts, Steps, Templates
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.projection.shapes import Rotations

FIRST_DAMPING, LESS_DAMPING, MORE_DAMPING = 1e-2, 0.2, 8.0
# A step that promises less log-likelihood than this is not worth its while: a twentieth of a
# standard deviation off.
LEAST_PROMISE = 0.005
# A step is short that moves nothing in the band by more of a Fourier pixel: so close the likelihood
# is the parabola that the derivatives tell.
SHORT_REACH = 0.3
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

    def moved(self, step: Steps) -> tuple[Tensor, Tensor]:
        """Return rotations and shifts after steps ``(q, 5)``."""
        rotations = rotation_vector_to_matrix(step[:, :3]) @ self.rotations
        return rotations, self.shifts_angstrom + step[:, 3:]

    def ahead(self, step: Steps, promise: PerPose) -> Hypotheses:
        """Take steps without looking: the log-likelihood rises as promised ``(q,)``."""
        rotations, shifts = self.moved(step)
        return replace(
            self,
            rotations=rotations,
            shifts_angstrom=shifts,
            log_likelihood=self.log_likelihood + promise,
        )

    def where(self, better: Tensor, other: Hypotheses) -> Hypotheses:
        """Take ``other`` where it is better."""
        picked = [
            torch.where(better.view(-1, *[1] * (old.dim() - 1)), new, old)
            for new, old in zip(other._tensors(), self._tensors(), strict=True)
        ]
        return Hypotheses(*picked)

    def put(self, index: Tensor, other: Hypotheses) -> Hypotheses:
        """Take ``other`` at places ``index``."""
        if len(index) == len(self):
            return other
        columns = zip(self._tensors(), other._tensors(), strict=True)
        return Hypotheses(*(old.index_copy(0, index, new) for old, new in columns))

    @staticmethod
    def joined(parts: Sequence[Hypotheses]) -> Hypotheses:
        """Join hypotheses, in order."""
        columns = zip(*(part._tensors() for part in parts), strict=True)
        return Hypotheses(*(torch.cat(column) for column in columns))

    def _tensors(self) -> tuple[Tensor, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def evaluate(
    likelihood: ParticleLikelihood, data: BandData, rotations: Rotations, shifts_angstrom: Shifts
) -> Hypotheses:
    """Compare image i with pose i: likelihood, its gradient and curvature."""
    m = data.cross.shape[1]
    # Real and imaginary parts lie side by side: (q, 2 m).
    template, by_point = likelihood.at_points_with_gradient(likelihood.slice_points(rotations, m))
    kx, ky = likelihood.frequencies[:m].t().repeat_interleave(2, dim=1).unbind(0)
    scale = 2.0  # the map's transform is padded by two
    h = rotations @ by_point
    jacobian = h.new_empty(len(h), N_PARAMETERS, 2 * m)
    torch.mul(h[:, 2], -scale * ky, out=jacobian[:, 0])
    torch.mul(h[:, 2], scale * kx, out=jacobian[:, 1])
    torch.mul(h[:, 0], scale * ky, out=jacobian[:, 2])
    jacobian[:, 2].addcmul_(h[:, 1], kx, value=-scale)
    # -i k T: shifts in field of view / 2 pi
    turned = torch.view_as_real(torch.view_as_complex(template.view(-1, m, 2)) * -1j)
    turned = turned.flatten(1)
    torch.mul(turned, kx, out=jacobian[:, 3])
    torch.mul(turned, ky, out=jacobian[:, 4])

    fit = _fit(likelihood, data, template, shifts_angstrom)
    amplitude = fit.amplitude[:, None]
    residual = fit.image - amplitude * fit.weighed
    gradient = 2 * amplitude * (jacobian @ residual[..., None]).squeeze(-1)
    curvature = (jacobian * fit.power[:, None]) @ jacobian.transpose(1, 2)
    curvature = 2 * amplitude[..., None].square() * curvature
    unit = torch.ones(N_PARAMETERS, device=rotations.device)
    unit[3:] = 2 * math.pi / likelihood.field_of_view_angstrom
    return Hypotheses(
        rotations,
        shifts_angstrom,
        fit.log_likelihood,
        curvature * unit[:, None] * unit,
        fit.amplitude,
        gradient * unit,
        fit.strength,
        fit.norm,
    )


def evaluate_fit(
    likelihood: ParticleLikelihood,
    data: BandData,
    rotations: Rotations,
    shifts_angstrom: Shifts,
    near: Hypotheses,
) -> Hypotheses:
    """Compare image i with pose i; gradient and curvature are those of ``near``."""
    m = data.cross.shape[1]
    slices = likelihood.slices(rotations, m)
    fit = _fit(likelihood, data, torch.view_as_real(slices).flatten(1), shifts_angstrom)
    return Hypotheses(
        rotations,
        shifts_angstrom,
        fit.log_likelihood,
        near.curvature,
        fit.amplitude,
        near.gradient,
        fit.strength,
        fit.norm,
    )


@dataclass(frozen=True)
class _Fit:
    """Images moved back and templates times their power, ``(q, 2 m)``, and how both agree."""

    image: Tensor
    power: Tensor
    weighed: Tensor
    norm: Tensor
    amplitude: Tensor
    strength: Tensor
    log_likelihood: Tensor


def _fit(
    likelihood: ParticleLikelihood, data: BandData, template: Templates, shifts_angstrom: Shifts
) -> _Fit:
    """Fit the amplitude of templates ``(q, 2 m)``, held near 1."""
    centred = data.cross * likelihood.ramps(shifts_angstrom, data.cross.shape[1]).conj()
    image = torch.view_as_real(centred).flatten(1)
    power = data.power.repeat_interleave(2, dim=1)
    weighed = power * template
    fit = (image * template).sum(1)
    norm = (weighed * template).sum(1)
    stiffness = likelihood.amplitude_stiffness
    amplitude = ((fit + stiffness) / (norm + stiffness)).clamp_min(0.1)
    log_likelihood = (
        2 * amplitude * fit - amplitude.square() * norm - stiffness * (amplitude - 1).square()
    )
    strength = fit / norm.clamp_min(1e-12)
    return _Fit(image, power, weighed, norm, amplitude, strength, log_likelihood)


@torch.no_grad()
def gauss_newton(
    likelihood: ParticleLikelihood,
    data: BandData,
    rotations: Rotations,
    shifts_angstrom: Shifts,
    *,
    n_steps: int,
    largest_turn_deg: float,
    trusted_part: float = 0.0,
) -> Hypotheses:
    """Climb from pose i on image i: ``data`` holds the images of the poses, in one band.

    Steps that do not improve the likelihood are not taken, and damped more the next time; where a
    step promises next to nothing, the climb ends.  It ends too with a short step that promises less
    than ``trusted_part`` of the log-likelihood, which is taken without looking.  The last step's
    end keeps the curvature and the gradient of where it set out.
    """
    best = evaluate(likelihood, data, rotations, shifts_angstrom)
    damping = torch.full_like(best.log_likelihood, FIRST_DAMPING)
    largest = math.radians(largest_turn_deg)
    radius = float(likelihood.radii[data.cross.shape[1] - 1])
    # What is still climbing: places among all.
    active, at = torch.arange(len(best), device=damping.device), best
    for rest in reversed(range(n_steps)):
        step = damped_step(at, damping)
        promise = 0.5 * (step * at.gradient).sum(1)
        goes_on = promise > LEAST_PROMISE
        if trusted_part:
            is_last = promise < trusted_part * at.log_likelihood
            is_last &= _reach(likelihood, step, radius) < SHORT_REACH
            last = torch.nonzero(is_last)[:, 0]
            best = best.put(active[last], at[last].ahead(step[last], promise[last]))
            goes_on &= ~is_last
        on = torch.nonzero(goes_on)[:, 0]
        if len(on) < len(at):
            active, at, data = active[on], at[on], data[on]
            step, damping = step[on], damping[on]
            if not len(active):
                break
        length = step[:, :3].norm(dim=1, keepdim=True)
        step = step * (largest / length.clamp_min(largest))
        turned, moved = at.moved(step)
        if rest:
            trial = evaluate(likelihood, data, turned, moved)
        else:
            trial = evaluate_fit(likelihood, data, turned, moved, at)
        better = trial.log_likelihood > at.log_likelihood
        at = at.where(better, trial)
        best = best.put(active, at)
        damping = damping * torch.where(better, LESS_DAMPING, MORE_DAMPING)
    return best


def _reach(likelihood: ParticleLikelihood, step: Steps, radius: float) -> PerPose:
    """Return how far steps move what lies at ``radius`` Fourier pixels, in such pixels.

    A shift counts as the turn that changes the phases at the edge of the field of view as much.
    """
    shift = step[:, 3:].norm(dim=1) * (2 / likelihood.field_of_view_angstrom)
    reach: Tensor = torch.maximum(step[:, :3].norm(dim=1), shift) * radius
    return reach


def damped_step(at: Hypotheses, damping: PerPose) -> Steps:
    """Solve for the Levenberg-Marquardt step ``(q, 5)``."""
    scale = at.curvature.diagonal(dim1=1, dim2=2).clamp_min(1e-12).sqrt()
    normalised = at.curvature / scale[:, :, None] / scale[:, None, :]
    identity = torch.eye(N_PARAMETERS, device=scale.device)
    damped = normalised + (damping[:, None, None] + 1e-6) * identity
    step: Steps = torch.linalg.solve(damped, at.gradient / scale)
    return step / scale
