"""A distribution over rotations on a grid of viewing directions and in-plane angles.

Cell (i, p) is the pose ``Rz(angle_p) A_i`` with ``A_i`` the i-th reference, one for each viewing
direction of an asymmetric unit.  Distances are under the symmetry group throughout: a cell stands
for all its equivalents.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_cryoorient.geometry.grids import directions_to_matrices, view_directions
from napari_cryoorient.geometry.rotations import (
    nearest_rotation,
    six_d_to_matrix,
    turn_in_plane,
)
from napari_cryoorient.geometry.symmetry import nearest_equivalent, symmetry_matrices

# Cells read for the mean pose, and how far from the best one they may lie.
N_READ = 64
READ_RADIUS_DEG = 25.0


class PoseGrid(nn.Module):
    """The cells, the target distribution around a true pose, and the pose a distribution means."""

    references: Tensor
    group: Tensor
    _equivalents: Tensor

    def __init__(self, spacing_deg: float, symmetry: str, concentration: float) -> None:
        super().__init__()
        self.concentration = concentration
        group = symmetry_matrices(symmetry)
        references = directions_to_matrices(view_directions(spacing_deg, group, with_rim=False))
        self.n_directions = len(references)
        # All poses (v g, 3, 3) that look like reference v: A_v G^T.
        equivalents = references[:, None] @ group.transpose(1, 2)
        m = equivalents.flatten(0, 1)
        # tr(A (Rz B)^T) = cos (M00 + M11) + sin (M10 - M01) + M22 with M = A B^T.
        zero = torch.zeros_like(m[:, 0])
        in_phase = torch.stack([m[:, 0], m[:, 1], zero], dim=1)
        quadrature = torch.stack([-m[:, 1], m[:, 0], zero], dim=1)
        along = torch.stack([zero, zero, m[:, 2]], dim=1)
        traces = torch.stack([in_phase, quadrature, along]).flatten(2).transpose(1, 2)
        self.register_buffer("references", references.float(), persistent=False)
        self.register_buffer("group", group.float(), persistent=False)
        self.register_buffer("_equivalents", traces.float(), persistent=False)

    def traces(self, rotations: Tensor, angles: Tensor) -> Tensor:
        """Return ``1 + 2 cos(distance)`` ``(b, v, p)`` from ``rotations`` to every cell.

        ``angles`` are ``(p,)``, or each image's own ``(b, p)``.
        """
        in_phase, quadrature, along = self._parts(rotations)
        # (b or 1, 1, p)
        own = angles if angles.dim() == 2 else angles[None]
        c, s = own.cos()[:, None], own.sin()[:, None]
        nearest: Tensor | None = None
        for g in range(in_phase.shape[-1]):
            trace = torch.addcmul(along[..., g, None], in_phase[..., g, None], c)
            trace = torch.addcmul(trace, quadrature[..., g, None], s)
            nearest = trace if nearest is None else torch.maximum(nearest, trace)
        assert nearest is not None
        return nearest

    def _parts(self, rotations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a trace is made of: of cosine and sine of the angle, and constant."""
        parts = rotations.flatten(1) @ self._equivalents
        # each (b, v, g)
        in_phase, quadrature, along = parts.view(3, len(rotations), self.n_directions, -1).unbind(0)
        return in_phase, quadrature, along

    @torch.no_grad()
    def nearest(self, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the viewing direction ``(b,)`` nearest to each pose, and its angle there."""
        in_phase, quadrature, along = (part.flatten(1) for part in self._parts(rotations))
        best = (along + torch.hypot(in_phase, quadrature)).argmax(1, keepdim=True)
        angle = torch.atan2(quadrature.gather(1, best), in_phase.gather(1, best))
        return best[:, 0] // len(self.group), angle[:, 0]

    @torch.no_grad()
    def target(self, rotations: Tensor, angles: Tensor) -> Tensor:
        """Return probabilities ``(b, v p)`` around true poses: exp(concentration * trace)."""
        return (self.concentration * self.traces(rotations, angles)).flatten(1).softmax(dim=1)

    def divergence(
        self, logits: Tensor, rotations: Tensor, angles: Tensor, n_angles: int | None = None
    ) -> Tensor:
        """Return how far ``logits`` ``(b, v, p)`` are from the truth: 0 is perfect, 1 ignorance.

        The Kullback-Leibler divergence from the target, over that of the uniform distribution.
        Where some of the angles stand for others, ``n_angles`` counts all.
        """
        target = self.target(rotations, angles)
        log_probability = logits.flatten(1).float().log_softmax(dim=1)
        negative_entropy = torch.xlogy(target, target).sum(dim=1)
        divergence = negative_entropy - (target * log_probability).sum(dim=1)
        n_cells = target.shape[1] if n_angles is None else self.n_directions * n_angles
        of_uniform = negative_entropy + math.log(n_cells)
        return (divergence / of_uniform).mean()

    def cells(self, index: Tensor, angles: Tensor) -> Tensor:
        """Return the poses ``(..., 3, 3)`` of flat cell indices ``(...)`` at angles ``(p,)``.

        Each image may have angles of its own: ``(b, p)``, indices ``(b, t)``.
        """
        n_angles = angles.shape[-1]
        place = index % n_angles
        is_own = angles.dim() == 2
        own = angles.expand(len(index), -1).gather(1, place) if is_own else angles[place]
        return turn_in_plane(own) @ self.references[index // n_angles]

    def mean_pose(self, logits: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean pose ``(b, 3, 3)`` of the best cell's neighbourhood, and its share.

        The share ``(b,)`` is the probability of that neighbourhood.  Gradients flow to ``logits``.
        """
        probability = logits.flatten(1).float().softmax(dim=1)
        n_read = min(N_READ, probability.shape[1])
        weight, index = probability.topk(n_read, dim=1)
        poses = self.cells(index, angles)  # (b, t, 3, 3)
        best = poses[:, :1]
        if len(self.group) > 1:
            poses = nearest_equivalent(poses, best.expand_as(poses), self.group)
        traces = (poses * best).sum(dim=(-2, -1))
        near = traces >= 1 + 2 * math.cos(math.radians(READ_RADIUS_DEG))
        weight = weight * near
        mean = (weight[..., None, None] * poses).sum(dim=1)
        if torch.is_grad_enabled() and mean.requires_grad:
            # Its derivative stays finite where singular values meet, unlike that of the SVD.
            return six_d_to_matrix(mean.transpose(1, 2)[:, :2].flatten(1)), weight.sum(dim=1)
        return nearest_rotation(mean), weight.sum(dim=1)
